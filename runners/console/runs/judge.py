"""The judge model: its agreement with people, the prompt that it is asked with, and a grade by hand."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ....domain.errors import GrokputerError
from ....domain.evidence.agreement import FEWEST
from ....projections.wording.sentences import count, short_id
from ..completion import offer_runs
from ..hints import suggest
from ..options import (
    DEFAULT_DB,
    Actor,
    AsJson,
    Db,
    Role,
    find_run,
    is_for_subcommand,
    name_actor,
    open_ledger,
    open_log,
)
from ..rendering import Column, print_json, print_line, print_table, print_text, say

if TYPE_CHECKING:
    from ....domain.evidence.agreement import Interval
    from ....projections.explain.agreement import JudgeAgreement

judge = typer.Typer(invoke_without_command=True, add_completion=False, rich_markup_mode=None)


@judge.callback()
def show_agreement(context: typer.Context, db: Db = DEFAULT_DB, as_json: AsJson = False) -> None:
    """Show how far judge models agree with people; grade a run, or show the prompt.

    Agreement is measured on the runs that a judge has graded and a person has rated, for each judge and each text of its
    criteria. kappa is Cohen's, with quadratic weights (Cohen 1968), and its interval of 95 % that of Fleiss, Cohen and Everitt
    (1969). bias is the judge's mean less the people's, in stars.

    \b
    Examples:
      grokputer judge
      grokputer judge --json
    """
    if is_for_subcommand(context):
        return
    from ...use_cases.judgements import view_agreement

    found = view_agreement(open_log(db))
    if as_json:
        print_json([each.to_json() for each in found])
        return
    columns = (
        *(Column("judge", wraps=16), Column("criteria", rank=1), Column("grades"), Column("both"), Column("same")),
        *(Column("within 1"), Column("kappa"), Column("95 %", rank=2), Column("bias"), Column("95 % of bias", rank=3)),
    )
    print_table(
        columns,
        map(_row, found),
        "no judge has graded an answer yet; set judge.endpoint and judge.model, or see --help",
    )
    for each in found:
        if each.agreement.is_too_few:
            print_line(
                f"{each.judge}, criteria {each.criteria}: {count(each.agreement.n, 'run')} rated by both; under {FEWEST} this "
                "is too few to tell"
            )
    if any(each.agreement.is_too_few for each in found):
        suggest("judge grade --rated 30", db)


def _row(each: JudgeAgreement) -> tuple[Any, ...]:
    figures = each.agreement
    return (
        *(each.judge, each.criteria, each.grades, figures.n, _share(figures.exact), _share(figures.within_one)),
        *(_number(figures.kappa), _interval(figures.kappa_interval)),
        *(_number(figures.bias, "+.2f"), _interval(figures.bias_interval, "+.2f")),
    )


def _share(share: float | None) -> str | None:
    return None if share is None else f"{share:.0%}".replace("%", " %")


def _number(value: float | None, form: str = ".2f") -> str | None:
    return None if value is None else f"{value:{form}}"


def _interval(interval: Interval | None, form: str = ".2f") -> str | None:
    return None if interval is None else f"{interval[0]:{form}} to {interval[1]:{form}}"


@judge.command()
def grade(
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN]...", help="Runs by id, or the beginnings of ids.", autocompletion=offer_runs),
    ] = None,
    rated: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="In place of RUN: the oldest N answers that a person has rated."),
    ] = None,
    unrated: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="In place of RUN: the oldest N answers that no person has rated."),
    ] = None,
    by: Actor = None,
    db: Db = DEFAULT_DB,
) -> None:
    """Let the judge grade answers now. It grades a run by the same criteria once.

    The worker grades what no person has rated. To measure agreement, let the judge grade what people have rated. Exits with 1
    where an answer could not be graded.

    \b
    Examples:
      grokputer judge grade 3fa2
      grokputer judge grade --rated 50
    """
    if sum((bool(runs), rated is not None, unrated is not None)) != 1:
        raise typer.BadParameter("give runs, or --rated N, or --unrated N")
    from ...store.states import load_state
    from ...use_cases.judgements import find_ungraded, judge_run
    from ...wiring.services import Services

    ledger, actor = open_ledger(db), name_actor(by)
    ids = [find_run(ledger, run) for run in runs or ()]
    if not runs:
        ids = find_ungraded(ledger, rated=rated is not None, limit=rated or unrated)
    faults = 0
    with Services(ledger, load_state(ledger), say) as services:
        for id in ids:
            try:
                given = judge_run(ledger, services, id, actor=actor)
            except GrokputerError as error:
                if len(ids) == 1:
                    raise
                say(f"{short_id(id.hex)} is not graded: {error}")
                faults += 1
                continue
            before = "" if given.is_new else " already; nothing was recorded"
            print_line(f"{short_id(id.hex)} is graded {given.stars} by {given.judge}{before}")
            if given.reason:
                print_text(given.reason, "    ")
    if not ids:
        print_line("there is no such answer that no judge has graded")
    suggest("judge", db)
    if faults:
        raise typer.Exit(1)


@judge.command()
def prompt(
    run: Annotated[
        str | None,
        typer.Argument(metavar="[RUN]", help="A run; without one, an example.", autocompletion=offer_runs),
    ] = None,
    role: Annotated[Role, typer.Option(help="Without RUN: whose criteria.")] = "action",
    db: Db = DEFAULT_DB,
    as_json: AsJson = False,
) -> None:
    """Show the whole prompt that the judge is asked with, or was asked with for its newest grade of the run.

    \b
    Examples:
      grokputer judge prompt
      grokputer judge prompt 3fa2
    """
    from ...use_cases.judgements import view_prompt

    log = open_log(db)
    shown = view_prompt(log, None if run is None else find_run(log, run), role)
    if as_json:
        print_json(asdict(shown))
        return
    asked = (
        "was asked"
        if shown.is_recorded
        else "would be asked"
        if shown.judge
        else "of the settings is not set; it would be asked"
    )
    print_line(f"the judge {shown.judge or ''}".rstrip() + f" {asked}, by criteria {shown.criteria}:")
    for message in shown.messages:
        print_line(f"{message['role']}:")
        print_text(message["content"], "    | ")
