"""Feedback: ratings and corrections, asked for after a run or given later."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ....domain.aggregates.run import ISSUES, TaskRun, check_stars
from ....domain.errors import GrokputerError, NotPossible
from ....domain.rules.roles import GOOD_STARS
from ....projections.explain.sentences import describe_fault, short_id
from ...feedback.ratings import _require_ended, record_rating
from ..hints import suggest
from ..options import DEFAULT_DB, Actor, Db, Role, RunPrefix, find_run, name_actor, open_ledger
from ..rendering import print_line, say

if TYPE_CHECKING:
    from ...store.ledger import Ledger


def rate(
    run: RunPrefix,
    stars: Annotated[
        str | None,
        typer.Argument(metavar="[STARS]", help="A whole number from 1 (bad) to 5 (good); asked for at a terminal."),
    ] = None,
    comment: Annotated[str | None, typer.Option(help="In your own words.")] = None,
    issue: Annotated[
        list[str] | None, typer.Option(help=f"What went wrong: {', '.join(ISSUES)} or own words; may be given again.")
    ] = None,
    step: Annotated[int | None, typer.Option(help="The step that went wrong; its role is at fault.")] = None,
    role: Annotated[Role | None, typer.Option(help="The role at fault, where no one step is.")] = None,
    by: Actor = None,
    db: Db = DEFAULT_DB,
) -> None:
    """Rate a run that has ended. A later rating by the same person counts instead of the earlier.

    A low rating counts for the role of the step that went wrong. Where several roles made steps and none is named, it counts
    for none of them. Without STARS the run is shown first, and then asked about.

    \b
    Examples:
      grokputer rate 3fa2 5
      grokputer rate 3fa2 2 --step 3 --issue wrong_action --comment "clicked Cancel"
    """
    if stars is None:
        _ask_to_rate(db, run, by, any(it is not None for it in (comment, issue, step, role)))
        return
    number = check_stars(stars)
    ledger = open_ledger(db)
    found = ledger.get(TaskRun, find_run(ledger, run))
    rated = record_rating(ledger, found, number, issue or [], comment, name_actor(by), step, role)
    _follow(ledger)
    given = rated.ratings[-1]
    print_line(f"{short_id(found.id.hex)} is rated {number}{describe_fault(given)}")
    if given.stars < GOOD_STARS and given.fault is None:
        say("it counts for no role; name the step that went wrong with --step, or the role with --role")
    suggest(f"correct {short_id(found.id.hex)}" if given.stars < GOOD_STARS else "status", db)


def correct(
    run: RunPrefix,
    answer: Annotated[str | None, typer.Option(help="The right answer to a question.")] = None,
    action: Annotated[
        list[str] | None, typer.Option(help="One action of those that do the task; give them in their order.")
    ] = None,
    demonstrate: Annotated[
        bool, typer.Option("--demonstrate", help="Correct it by the scripted demonstration.")
    ] = False,
    retry: Annotated[int, typer.Option(min=0, help="Try again with sampling, at most so often; a success counts.")] = 0,
    step: Annotated[
        int, typer.Option(min=1, help="Keep what the run did before this step and correct it from there.")
    ] = 1,
    by: Actor = None,
    db: Db = DEFAULT_DB,
) -> None:
    """Say what should have been done. Actions are carried out first, and recorded only when they do the task.

    At a terminal, without an answer or actions, the page is shown and each action is carried out as it is typed.

    \b
    Examples:
      grokputer correct 3fa2 --answer "Paris"
      grokputer correct 3fa2 --action "TYPEinput.text#name[3]Bob" --action "CLICKbutton:Ok[6]"
      grokputer correct 3fa2 --step 4 --action "CLICKbutton:Back[2]" --action "CLICKbutton:Ok[6]"
    """
    ways = [answer is not None, bool(action), demonstrate, retry > 0]
    if not any(ways) and step == 1 and sys.stdin.isatty():
        _ask_to_correct(db, run, by)
        return
    if sum(ways) != 1:
        raise typer.BadParameter("give exactly one of --answer, --action, --demonstrate and --retry")
    if step > 1 and not (action or demonstrate):
        raise typer.BadParameter("--step goes with --action or --demonstrate")
    from ...feedback.corrections import correct_by_demonstration, correct_by_hand
    from ...lessons.retries import RetryPolicy, correct_by_retries
    from ...store.states import load_state
    from ...wiring.services import Services

    ledger = open_ledger(db)
    found = ledger.get(TaskRun, find_run(ledger, run))
    _require_ended(found)
    started = found.started
    assert started is not None
    if answer is not None and not started.is_question:
        raise NotPossible(
            f"run {short_id(found.id.hex)} is a task on a page; give the actions that do it, with --action"
        )
    if answer is None and started.is_question:
        raise NotPossible(f"run {short_id(found.id.hex)} is a question; give the right answer with --answer")
    with Services(ledger, load_state(ledger)) as parts:
        environment = parts.environment(started.environment)
        corrected: TaskRun | None
        if demonstrate:
            corrected = correct_by_demonstration(ledger, found, environment, name_actor(by), first=step)
        elif retry:
            if started.adapter is not None:
                parts.prepare(started.adapter)
            policy, role = parts.state.policy, started.role
            training = policy.training(role)
            sampling = RetryPolicy(started.adapter, retry, training.retry_temperature, training.retry_exploration)
            retries = correct_by_retries(ledger, [(found, 1)], environment, parts.model, sampling, name_actor(by))
            corrected = next(retries, None)
        else:
            written = [answer] if answer is not None else action or []
            corrected = correct_by_hand(ledger, found, environment, written, name_actor(by), first=step)
    _follow(ledger)
    if corrected is None:
        tried = "the demonstration" if demonstrate else f"none of {retry} attempts"
        raise GrokputerError(f"{tried} did not do the task of {short_id(found.id.hex)}; nothing was recorded")
    latest = corrected.corrections[-1]
    print_line(f"{short_id(found.id.hex)} is corrected ({latest.source}, {latest.steps} steps)")
    suggest("dataset", db)


def _ask_to_rate(db: Path, prefix: str, by: str | None, has_options: bool) -> None:
    """Show the run and ask for its rating."""
    from .asking import ask_rating, show_run

    if has_options or not sys.stdin.isatty():
        raise typer.BadParameter("give the stars, 1 to 5, as in: grokputer rate 3fa2 4")
    ledger = open_ledger(db)
    found = ledger.get(TaskRun, find_run(ledger, prefix))
    _require_ended(found)
    show_run(ledger, found)
    rated = ask_rating(ledger, found, name_actor(by))
    _follow(ledger)
    if rated is not None:
        print_line(f"{short_id(found.id.hex)} is rated {rated.ratings[-1].stars}{describe_fault(rated.ratings[-1])}")


def _ask_to_correct(db: Path, prefix: str, by: str | None) -> None:
    """Show the run and ask for what was right."""
    from ...store.states import load_state
    from ...wiring.services import Services
    from .asking import ask_correction, show_run

    ledger = open_ledger(db)
    found = ledger.get(TaskRun, find_run(ledger, prefix))
    _require_ended(found)
    show_run(ledger, found)
    with Services(ledger, load_state(ledger)) as parts:
        ask_correction(ledger, parts, found, name_actor(by))
    _follow(ledger)


def _follow(ledger: Ledger) -> None:
    from ...improvement.process_manager import process_new_events

    process_new_events(ledger)
