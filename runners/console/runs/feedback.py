"""Feedback: ratings and corrections, asked for after a run or given later."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

import typer

from ....domain.aggregates.run import TaskRun
from ....domain.rules.rating import check_stars
from ....domain.rules.roles import GOOD_STARS
from ....projections.wording.sentences import count, describe_fault, short_id
from ...feedback.ratings import require_ended
from ..hints import suggest
from ..options import DEFAULT_DB, Actor, Db, RunPrefix, find_run, name_actor, open_ledger
from ..rendering import print_line, say
from .options.feedback import (
    ActionList,
    AnswerText,
    Calls,
    Comment,
    Demonstrate,
    FirstStep,
    Issues,
    PlanText,
    RatedRun,
    Reason,
    Retry,
    RoleAtFault,
    Stars,
    WholeSession,
    Withdraw,
    WrongStep,
)

if TYPE_CHECKING:
    from ...store.ledger import Ledger
    from ...use_cases.corrections import Way


def rate(
    run: RatedRun = None,
    stars: Stars = None,
    session: WholeSession = None,
    comment: Comment = None,
    issue: Issues = None,
    step: WrongStep = None,
    role: RoleAtFault = None,
    by: Actor = None,
    db: Db = DEFAULT_DB,
) -> None:
    """Rate a run that has ended. A later rating by the same person counts instead of the earlier.

    A low rating counts for the role of the step that went wrong. Where several roles made steps and none is named, it counts
    for none of them. Without STARS the run is shown, and its rating is asked.

    \b
    Examples:
      grokputer rate 3fa2 5
      grokputer rate 3fa2 2 --step 3 --issue wrong_action --comment "clicked Cancel"
    """
    if session is not None:
        _rate_session(db, session, run, stars, by, any(option is not None for option in (comment, issue, step, role)))
        return
    if run is None:
        raise typer.BadParameter("give the run and its stars, as in: grokputer rate 3fa2 4")
    if stars is None:
        _ask_to_rate(db, run, by, any(option is not None for option in (comment, issue, step, role)))
        return
    from ...use_cases.ratings import rate as record

    check_stars(stars)
    ledger = open_ledger(db)
    given = record(
        ledger,
        find_run(ledger, run),
        stars,
        actor=name_actor(by),
        issues=issue or [],
        comment=comment,
        step=step,
        fault=role,
    )
    print_line(f"{short_id(given.run.hex)} is rated {given.stars}{describe_fault(given.event)}")
    if given.stars < GOOD_STARS and given.fault is None:
        say("it counts for no role; name the step that went wrong with --step, or the role with --role")
    suggest(f"correct {short_id(given.run.hex)}" if given.stars < GOOD_STARS else "status", db)


def _rate_session(
    db: str, session: str, first: str | None, second: str | None, by: str | None, has_options: bool
) -> None:
    """Rate every run of the session; the stars are the only word of the command."""
    from ...use_cases.sessions import rate_session

    if first is None or second is not None or has_options:
        raise typer.BadParameter("--session takes the stars alone, as in: grokputer rate --session NAME 4")
    given = rate_session(open_ledger(db), session, first, actor=name_actor(by))
    before = f"; {count(given.skipped, 'run')} that you rated before stay as they are" if given.skipped else ""
    print_line(f"{count(len(given.rated), 'run')} of session {session} rated {given.stars}{before}")
    suggest("status", db)


def correct(
    run: RunPrefix,
    answer: AnswerText = None,
    calls: Calls = None,
    action: ActionList = None,
    plan: PlanText = None,
    demonstrate: Demonstrate = False,
    retry: Retry = 0,
    withdraw: Withdraw = False,
    step: FirstStep = None,
    reason: Reason = "",
    by: Actor = None,
    db: Db = DEFAULT_DB,
) -> None:
    """Give what should have been done, or take that back. Actions are tried first, and recorded only when they do the task.

    At a terminal, without an answer or actions, the page is shown and each action is done as it is typed.

    \b
    Examples:
      grokputer correct 3fa2 --answer "Paris"
      grokputer correct 3fa2 --calls '[{"name": "weather", "arguments": {"city": "Rome"}}]'
      grokputer correct 3fa2 --action "TYPEinput.text#name[3]Bob" --action "CLICKbutton:Ok[6]"
      grokputer correct 3fa2 --withdraw --reason "it was the wrong page"
      grokputer correct 3fa2 --step 1 --answer "$(cat lines.txt)"
      grokputer correct 3fa2 --step 4 --action "CLICKbutton:Back[2]" --action "CLICKbutton:Ok[6]"
      grokputer correct 3fa2 --step 1 --plan "move the logs => folder:old\\ndelete a.txt => no file:a.txt"
    """
    ways = [
        answer is not None or calls is not None, bool(action) or plan is not None, demonstrate, retry > 0, withdraw,
    ]  # fmt: skip
    if not any(ways) and step is None and sys.stdin.isatty():
        _ask_to_correct(db, run, by)
        return
    _check_options(ways, step, reason)
    ledger, actor = open_ledger(db), name_actor(by)
    id = find_run(ledger, run)
    if withdraw:
        _withdraw(ledger, id, reason, actor)
        return
    _correct(ledger, id, _way(answer, calls, action, retry, step, plan), actor)
    suggest("dataset", db)


def _check_options(ways: Sequence[bool], step: int | None, reason: str) -> None:
    """Refuse options that do not go together; ``ways`` says for each way to correct a run whether it is asked for."""
    *_, is_retry, is_withdrawal = ways
    if sum(ways) != 1:
        raise typer.BadParameter(
            "give exactly one of --answer (with --calls), --action (with --plan), --demonstrate, --retry and --withdraw"
        )
    if step is not None and (is_retry or is_withdrawal):
        raise typer.BadParameter("--step goes with --answer, --calls, --action, --plan or --demonstrate")
    if reason and not is_withdrawal:
        raise typer.BadParameter("--reason goes with --withdraw")


def _way(
    answer: str | None, calls: str | None, actions: list[str] | None, retries: int, step: int | None, plan: str | None
) -> Way:
    """How the options say that the run is corrected; without any of these, by the demonstration."""
    from ...feedback.corrections import parse_calls
    from ...use_cases.corrections import Actions, Answer, Demonstration, Plan, Retries

    if plan is not None:
        return Plan(plan.replace("\\n", "\n"), step, tuple(actions or ()))
    if answer is not None or calls is not None:
        return Answer(answer or "", step, () if calls is None else parse_calls(calls))
    if actions:
        return Actions(tuple(actions), step or 1)
    return Retries(retries) if retries else Demonstration(step or 1)


def _correct(ledger: Ledger, id: UUID, way: Way, actor: str) -> None:
    """Correct the run, and print what was recorded."""
    from ...use_cases.corrections import correct

    given = correct(ledger, id, way, actor=actor)
    if given.is_new:
        what = count(given.steps, "step") if given.steps else "a reading"
        print_line(f"{short_id(id.hex)} is corrected ({given.source}, {what})")
    else:
        print_line(f"{short_id(id.hex)} has this correction already; nothing was recorded")


def _withdraw(ledger: Ledger, id: UUID, reason: str, actor: str) -> None:
    """Withdraw the run's latest correction, and print which one stands now."""
    from ...use_cases.corrections import withdraw_correction

    withdrawn = withdraw_correction(ledger, id, reason=reason, actor=actor)
    left = withdrawn.corrected_by
    print_line(
        f"the correction ({withdrawn.source}) of {short_id(id.hex)} is withdrawn; "
        + (f"the one before it ({left}) stands" if left else "no correction of the run stands")
    )


def _ask_to_rate(db: str, prefix: str, by: str | None, has_options: bool) -> None:
    """Show the run and ask for its rating."""
    from .asking import ask_rating, show_run

    if has_options or not sys.stdin.isatty():
        raise typer.BadParameter("give the stars, 1 to 5, as in: grokputer rate 3fa2 4")
    ledger = open_ledger(db)
    task_run = ledger.get(TaskRun, find_run(ledger, prefix))
    require_ended(task_run)
    show_run(ledger, task_run)
    rated = ask_rating(ledger, task_run, name_actor(by))
    if rated is not None:
        print_line(f"{short_id(task_run.id.hex)} is rated {rated.stars}{describe_fault(rated.event)}")


def _ask_to_correct(db: str, prefix: str, by: str | None) -> None:
    """Show the run and ask what was right."""
    from ...store.states import load_state
    from ...wiring.services import Services
    from .asking import ask_correction, show_run

    ledger = open_ledger(db)
    task_run = ledger.get(TaskRun, find_run(ledger, prefix))
    require_ended(task_run)
    show_run(ledger, task_run)
    with Services(ledger, load_state(ledger), say) as services:
        ask_correction(ledger, services, task_run, name_actor(by))
