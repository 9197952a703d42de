"""Feedback: ratings and corrections, asked for after a run or given later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ....domain.aggregates.run import ISSUES, check_stars
from ....domain.errors import BadRating, GrokputerError, NotPossible
from ....domain.rules.roles import GOOD_STARS
from ....projections.explain.sentences import describe_fault, short_id
from ..error_lines import describe_error
from ..options import DEFAULT_DB, Actor, Db, Role, RunPrefix, find_run, name_actor, open_ledger
from ..rendering import print_line, say, say_text

if TYPE_CHECKING:
    from ....domain.aggregates.run import TaskRun
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
    withdraw: Annotated[
        bool, typer.Option("--withdraw", help="Take back the latest correction: no later dataset uses it.")
    ] = False,
    step: Annotated[
        int | None,
        typer.Option(
            min=1, help="Keep what the run did before this step and correct it from there; or whose answer it is."
        ),
    ] = None,
    reason: Annotated[str, typer.Option(help="With --withdraw: why; it is recorded.")] = "",
    by: Actor = None,
    db: Db = DEFAULT_DB,
) -> None:
    """Say what should have been done, or take that back. Actions are tried first, and recorded only when they do the task.

    \b
    Examples:
      grokputer correct 3fa2 --answer "Paris"
      grokputer correct 3fa2 --action "TYPEinput.text#name[3]Bob" --action "CLICKbutton:Ok[6]"
      grokputer correct 3fa2 --withdraw --reason "it was the wrong page"
      grokputer correct 3fa2 --step 4 --action "CLICKbutton:Back[2]" --action "CLICKbutton:Ok[6]"
    """
    ways = [answer is not None, bool(action), demonstrate, retry > 0, withdraw]
    if sum(ways) != 1:
        raise typer.BadParameter("give exactly one of --answer, --action, --demonstrate, --retry and --withdraw")
    if step is not None and (retry or withdraw):
        raise typer.BadParameter("--step goes with --answer, --action or --demonstrate")
    if reason and not withdraw:
        raise typer.BadParameter("--reason goes with --withdraw")
    from ...use_cases import corrections as use_case

    ledger, actor = open_ledger(db), name_actor(by)
    id = find_run(ledger, run)
    if withdraw:
        withdrawn = use_case.withdraw_correction(ledger, id, reason=reason, actor=actor)
        left = withdrawn.corrected_by
        print_line(
            f"the correction ({withdrawn.source}) of {short_id(id.hex)} is withdrawn; "
            + (f"the one before it ({left}) stands" if left else "no correction of the run stands")
        )
        return
    way: use_case.Way = use_case.Demonstration(step or 1)
    if answer is not None:
        way = use_case.Answer(answer, step)
    elif action:
        way = use_case.Actions(tuple(action), step or 1)
    elif retry:
        way = use_case.Retries(retry)
    given = use_case.correct(ledger, id, way, actor=actor)
    print_line(f"{short_id(id.hex)} is corrected ({given.source}, {given.steps} steps)")


def ask_feedback(ledger: Ledger, parts: Services, run: TaskRun) -> None:
    """Ask the person at the terminal for stars, issues and a comment, and after a low rating for what was right.

    Where several roles made steps, a low rating is followed by the question which step went wrong.
    """
    from ...use_cases.corrections import Actions, Answer, correct
    from ...use_cases.ratings import rate

    stars = _ask_stars()
    if stars is None:
        return
    step = _ask_step(run) if stars < GOOD_STARS and len(run.roles) > 1 else None
    issues = _ask(f"issues, comma separated ({', '.join(ISSUES)} or own words)").split(",")
    comment = _ask("comment")
    rate(ledger, run.id, stars, actor=name_actor(None), issues=issues, comment=comment or None, step=step)
    assert run.started is not None
    if stars >= parts.state.policy.training(run.started.role).learn_below_stars:
        return
    way: Answer | Actions
    if run.started.is_question:
        way = Answer(_ask("the right answer"))
        is_given = bool(way.text)
    else:
        way = Actions(tuple(_ask_actions(ledger, run)))
        is_given = bool(way.actions)
    if is_given:
        try:
            correct(ledger, run.id, way, actor=name_actor(None), parts=parts)
        except GrokputerError as error:
            say(f"grokputer: {describe_error(error)}")


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
