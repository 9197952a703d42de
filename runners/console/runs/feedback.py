"""Feedback: ratings and corrections, asked for after a run or given later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ....domain.aggregates.run import ISSUES, TaskRun, check_stars
from ....domain.errors import BadRating, GrokputerError, NotPossible
from ....domain.rules.roles import GOOD_STARS
from ....projections.explain.sentences import describe_fault, short_id
from ...feedback.ratings import _require_ended, record_rating
from ..options import DEFAULT_DB, Actor, Db, Role, RunPrefix, find_run, name_actor, open_ledger
from ..rendering import print_line, say, say_text

if TYPE_CHECKING:
    from ...store.ledger import Ledger
    from ...wiring.services import Services


def rate(
    run: RunPrefix,
    stars: Annotated[str, typer.Argument(metavar="STARS", help="A whole number from 1 (bad) to 5 (good).")],
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
    for none of them.

    \b
    Examples:
      grokputer rate 3fa2 5
      grokputer rate 3fa2 2 --step 3 --issue wrong_action --comment "clicked Cancel"
    """
    number = check_stars(stars)
    ledger = open_ledger(db)
    found = ledger.get(TaskRun, find_run(ledger, run))
    rated = record_rating(ledger, found, number, issue or [], comment, name_actor(by), step, role)
    _follow(ledger)
    given = rated.ratings[-1]
    print_line(f"{short_id(found.id.hex)} is rated {number}{describe_fault(given)}")
    if given.stars < GOOD_STARS and given.fault is None:
        say("it counts for no role; name the step that went wrong with --step, or the role with --role")


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

    \b
    Examples:
      grokputer correct 3fa2 --answer "Paris"
      grokputer correct 3fa2 --action "TYPEinput.text#name[3]Bob" --action "CLICKbutton:Ok[6]"
      grokputer correct 3fa2 --step 4 --action "CLICKbutton:Back[2]" --action "CLICKbutton:Ok[6]"
    """
    ways = [answer is not None, bool(action), demonstrate, retry > 0]
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


def _follow(ledger: Ledger) -> None:
    from ...improvement.process_manager import process_new_events

    process_new_events(ledger)


def ask_feedback(ledger: Ledger, parts: Services, run: TaskRun) -> None:
    """Ask the person at the terminal for stars, issues and a comment, and after a low rating for what was right.

    Where several roles made steps, a low rating is followed by the question which step went wrong.
    """
    stars = _ask_stars()
    if stars is None:
        return
    step = _ask_step(run) if stars < GOOD_STARS and len(run.roles) > 1 else None
    issues = _ask(f"issues, comma separated ({', '.join(ISSUES)} or own words)").split(",")
    comment = _ask("comment")
    rated = record_rating(ledger, run, stars, issues, comment or None, name_actor(None), step)
    assert run.started is not None
    if stars >= parts.state.policy.training(run.started.role).learn_below_stars:
        return
    written = [_ask("the right answer")] if run.started.is_question else _ask_actions(ledger, run)
    if any(text.strip() for text in written):
        from ...feedback.corrections import correct_by_hand

        try:
            correct_by_hand(ledger, rated, parts.environment(run.started.environment), written, name_actor(None))
        except GrokputerError as error:
            say(f"grokputer: {error}")


def _ask_stars() -> int | None:
    while True:
        given = _ask("stars, 1 to 5 (Enter skips)")
        if not given:
            return None
        try:
            return check_stars(given)
        except BadRating as error:
            say(str(error))


def _ask_step(run: TaskRun) -> int | None:
    """The step that went wrong, None where the person cannot say."""
    while True:
        given = _ask(f"the step that went wrong, 1 to {len(run.steps)} (Enter if unknown)")
        if not given:
            return None
        try:
            run.require_step(int(given))
        except ValueError:
            say(f"{given} is not a step; give its number")
        except NotPossible as error:
            say(str(error))
        else:
            return int(given)


def _ask_actions(ledger: Ledger, run: TaskRun) -> list[str]:
    """The right actions, with the page before the first of them in sight."""
    from ...agent.runner import steps_of

    for messages, _ in list(steps_of(ledger, run))[:1]:
        say_text(messages[-1]["content"])
    actions: list[str] = []
    while given := _ask(f"right action {len(actions) + 1} (Enter ends)"):
        actions.append(given)
    return actions


def _ask(question: str) -> str:
    answer: str = typer.prompt(question, default="", show_default=False, err=True)
    return answer.strip()
