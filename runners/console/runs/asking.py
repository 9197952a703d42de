"""Questions to a person at the terminal about a run: first the run is shown, then its rating is asked, then what was right.

Each action of a correction is done as it is typed, so the person sees its effect. At the end it prints what was
recorded and what was not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from ....domain.aggregates.run import TaskRun
from ....domain.errors import BadRating, GrokputerError, NotPossible
from ....domain.page.action import WITHOUT_ELEMENT, explain_unreadable, parse_action, write_action, write_command
from ....domain.rules.rating import ISSUES, check_stars
from ....domain.rules.roles import GOOD_STARS
from ....domain.vocabulary import StepKind
from ....projections.wording.sentences import count
from ....projections.wording.steps import describe_plan, describe_purpose
from ..error_lines import describe_error
from ..rendering import say, say_text

if TYPE_CHECKING:
    from ....domain.page.messages import Page
    from ....domain.ports import Environment
    from ...store.ledger import Ledger
    from ...use_cases.corrections import Way
    from ...use_cases.ratings import Rating
    from ...wiring.services import Services

PAGE_LINES = 40
"""Lines of a page or an answer that are shown; chosen: with the questions below it that fills a large terminal."""

FORMS = {
    "CLICK": ("CLICK and an element's whole line", "CLICKbutton:Ok[6]"),
    "TYPE": ("TYPE, the line, and then the text", "TYPEinput.text#name[3]Bob"),
    "SELECT": ("SELECT and the line of an option", "SELECToption:Red[4]"),
    "DOUBLE": ("DOUBLE and an element's whole line", "DOUBLEicon:notes.txt[4]"),
    "RIGHT": ("RIGHT and an element's whole line", "RIGHTicon:notes.txt[4]"),
    "DRAG": ("DRAG, the line, and where to drop it", "DRAGicon:notes.txt[4]icon:docs[7]"),
    "KEY": ("KEY and keys, joined by +", "KEY ctrl+s"),
    "SCROLL": ("SCROLL, a line, and up or down", "SCROLLlist:Results[9]down"),
    "RUN": ("RUN and one command line", "RUN mv notes.txt docs/"),
    "WAIT": ("WAIT, which lets time pass", "WAIT"),
    "DONE": ("DONE, where nothing else ends the task", "DONE"),
}
"""The form of an action with each verb, for a reader who has never written one."""


def ask_feedback(ledger: Ledger, services: Services, run: TaskRun, actor: str) -> None:
    """Show the run, ask for its rating, and after a low rating ask what was right."""
    show_run(ledger, run)
    rated = ask_rating(ledger, run, actor)
    if rated is None:
        return
    assert run.started is not None
    if rated.stars < services.state.policy.training(run.started.role).learn_below_stars:
        ask_correction(ledger, services, run, actor, "the rating is recorded")
    else:
        say("the rating is recorded")


def show_run(ledger: Ledger, run: TaskRun) -> None:
    """Print the task, the page at the start, what the agent did, and how the run ended."""
    from ...agent.runner import acts_of, task_of

    assert run.started is not None
    task, steps = task_of(ledger, run.started), list(acts_of(ledger, run))
    say("")
    say_text(f"task: {'(erased)' if task is None else task.task}")
    if run.started.is_question:
        for _, answer in steps[-1:]:
            say("the agent answered:")
            _show_lines(answer.split("\n"))
    else:
        if steps:
            asked, *page = steps[0][0][-1]["content"].rstrip("\n").split("\n")
            say(f"  {asked.removeprefix('task: ')}")
            say("the page as it was:")
            _show_lines([line for line in page if line.strip() != "do:" and line != asked])
        say("what the agent did:")
        for taken in run.steps:
            recorded = ledger.get_content(taken.answer)
            error = f"   ({ledger.say(taken.error)})" if taken.error else ""
            purpose = describe_purpose(taken.kind, taken.goal)
            begin = f"  {taken.step:>2}  {f'{purpose}: ' if purpose else ''}"
            if taken.kind == StepKind.PLAN:
                say(begin.rstrip())
                _show_lines(describe_plan(recorded, taken.found))
            elif taken.kind == StepKind.READ:
                say(begin.rstrip())
                _show_lines(["(erased)"] if recorded is None else recorded.split("\n"))
            else:
                say(f"{begin}{'(erased)' if recorded is None else recorded}{error}")
    if run.ended is not None:
        outcome = f"failed ({run.failure})" if run.failure else "succeeded" if run.succeeded else "answered"
        say(f"it {outcome} after {count(run.ended.steps, 'step')}")
    say("")


def ask_rating(ledger: Ledger, run: TaskRun, actor: str) -> Rating | None:
    """The rating that the person gave, which is recorded; None if the question was skipped.

    Where several roles made steps, a low rating is followed by the question which step went wrong.
    """
    from ...feedback.doubts import propose_issues
    from ...store.states import load_state
    from ...use_cases.ratings import rate

    stars = _ask_stars()
    if stars is None:
        say("nothing was recorded")
        return None
    step = _ask_step(run) if stars < GOOD_STARS and len(run.roles) > 1 else None
    issues = _ask_issues(propose_issues(ledger, run, load_state(ledger).policy))
    comment = _ask("comment")
    return rate(ledger, run.id, stars, actor=actor, issues=issues, comment=comment or None, step=step)


def ask_correction(ledger: Ledger, services: Services, run: TaskRun, actor: str, before: str = "") -> None:
    """Ask what was right and record it; ``before`` tells what was recorded already.

    An interruption loses only the correction. Raises ``typer.Abort`` then, and when the input has ended.
    """
    from ...use_cases.corrections import correct

    assert run.started is not None
    recorded, is_done = before, False
    try:
        way = _ask_way(ledger, services, run)
        if way is not None:
            correct(ledger, run.id, way, actor=actor, services=services)
            is_done, recorded = True, " and ".join(filter(None, (before, "the correction is recorded")))
    except GrokputerError as error:
        say(f"the correction could not be recorded: {describe_error(error)}")
    finally:
        say(recorded if is_done else "; ".join(filter(None, (before, "no correction was recorded"))))


def _ask_way(ledger: Ledger, services: Services, run: TaskRun) -> Way | None:
    """The correction, None if the person gave nothing."""
    from ...use_cases.corrections import Actions, Answer

    assert run.started is not None
    if run.started.is_question:
        answer = _ask("the right answer (Enter for none)")
        return Answer(answer) if answer else None
    actions = _ask_actions(ledger, run, services.environment(run.started.environment))
    return Actions(tuple(actions)) if actions else None


def _ask_stars() -> int | None:
    while True:
        given = _ask("stars, 1 (bad) to 5 (good), Enter skips")
        if not given:
            return None
        try:
            return check_stars(given)
        except BadRating as error:
            say(str(error))


def _ask_issues(proposed: Sequence[str]) -> list[str]:
    """The issues that the person names; Enter takes those that are proposed."""
    question = f"issues, comma separated ({', '.join(ISSUES)} or own words)"
    if not proposed:
        return _split(_ask(question))
    given = _ask(f"{question}; Enter takes {', '.join(proposed)}, - none")
    return list(proposed) if not given else [] if given == "-" else _split(given)


def _split(given: str) -> list[str]:
    """The issues, without blank ones."""
    return [issue for issue in given.split(",") if issue.strip()]


def _ask_step(run: TaskRun) -> int | None:
    """The step that went wrong, None if the person does not know."""
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


def _ask_actions(ledger: Ledger, run: TaskRun, environment: Environment) -> list[str]:
    """Actions that do the task, each done as it is typed; empty if the person stops."""
    from ...agent.episode import is_success
    from ...agent.runner import task_of

    assert run.started is not None
    task = task_of(ledger, run.started)
    if task is None:
        raise NotPossible(f"the task of run {run.id.hex} was erased; it cannot be corrected")
    page = environment.reset(task.task, task.seed)
    _show_forms(page)
    actions: list[str] = []
    while given := _ask(f"right action {len(actions) + 1} (Enter ends)"):
        fault = _fault(given, page)
        if fault:
            say(fault)
            continue
        after = environment.act(given)
        if after.error and not after.is_done:
            say(f"that could not be done: {after.error}; it changed nothing, so write another")
            if after.lines != page.lines:
                _show_lines(after.lines)
        elif is_success(after):
            say("that does the task")
            return [*actions, given]
        elif after.is_done:
            say(f"that ended the task, and it is not done (reward {after.reward:g}); begin again with action 1")
            actions, page = [], environment.reset(task.task, task.seed)
        else:
            actions.append(given)
            if after.lines != page.lines:
                say("the page now:")
                _show_lines(after.lines)
            page = after
    if actions:
        say(f"the task is not done after {count(len(actions), 'action')}, and actions that do not do it are not taught")
    return []


def _fault(given: str, page: Page) -> str:
    """What is wrong with the form of the action, and the right form; empty if nothing is wrong."""
    action = parse_action(given, page.verbs)
    if action is None:
        return f"{explain_unreadable(given, page.verbs)}, as in {example(page)}"
    is_of_element = action.verb not in WITHOUT_ELEMENT and (action.verb != "SCROLL" or action.number)
    if is_of_element and not 1 <= action.number <= len(page.lines):
        return (
            f"no element has number [{action.number}]; the page has [1] to [{len(page.lines)}], as in {example(page)}"
        )
    if action.verb == "TYPE" and not action.text:
        return f"TYPE takes a text after the element's number, as in {given}Bob"
    return ""


def example(page: Page) -> str:
    """An action for this page: a command, a text for its first field, or a click on its first button or line."""
    if "CLICK" not in page.verbs:
        return write_command("ls")
    field = next((line for line in page.lines if line.startswith(("input.text", "textarea"))), None)
    button = next((line for line in page.lines if line.startswith("button")), None)
    if button is None and field is not None:
        return write_action("TYPE", field, "some text")
    return write_action("CLICK", button or page.lines[0]) if page.lines else "DONE"


def _show_forms(page: Page) -> None:
    """Print the forms of an action, and the page that the first one is for."""
    say("give the actions that do the task, one a line:")
    for meaning, form in (FORMS[verb] for verb in page.verbs):
        say(f"  {meaning:<38} {form}")
    say(f"on this page, for example: {example(page)}")
    say("the page:")
    _show_lines(page.lines)


def _show_lines(lines: Sequence[str]) -> None:
    for line in lines[:PAGE_LINES]:
        say(f"  | {line}")
    if len(lines) > PAGE_LINES:
        say(f"  (and {len(lines) - PAGE_LINES} lines more; 'grokputer show RUN --full' shows all)")


def _ask(question: str) -> str:
    answer: str = typer.prompt(question, default="", show_default=False, err=True)
    return answer.strip()
