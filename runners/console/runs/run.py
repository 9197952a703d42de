"""Running tasks: on the arm their session falls on, on an adapter of one's choice, or with what was live at a moment."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from ....domain.aggregates.run import LARGEST_SEED
from ....domain.errors import GrokputerError, UnknownAdapter
from ....domain.events import TaskFailed
from ....domain.vocabulary import Arm
from ....projections.explain.sentences import short_id, short_text
from ..completion import offer_arms, offer_tasks
from ..hints import suggest
from ..options import DEFAULT_DB, AsJson, Db, Role, find_position, name_actor, open_ledger
from ..rendering import print_json, print_line, print_text, say
from .asking import ask_feedback
from .tokens import token_counts

if TYPE_CHECKING:
    from ....domain.aggregates.run import TaskRun
    from ....domain.rules.routing import Route
    from ....projections.state.state import State
    from ...agent.episode import Step
    from ...store.ledger import Ledger
    from ...wiring.services import Services

BASE = "base"
"""What ``--adapter`` takes for the bare base."""
INTERRUPTED = 130
"""How a program that Ctrl-C ended exits, by the custom of shells."""


def run(
    task: Annotated[
        str,
        typer.Argument(metavar="TASK", help="A task's name, or a question in quotes.", autocompletion=offer_tasks),
    ],
    env: Annotated[
        str | None,
        typer.Option(
            help="Where: miniwob, chat, or a plug-in; default: chat for words with a space in them, else miniwob."
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=LARGEST_SEED, help="The page's seed; default: a random one, printed.")
    ] = None,
    adapter: Annotated[
        str | None, typer.Option(help="Pin the run to this adapter, or to 'base'.", autocompletion=offer_arms)
    ] = None,
    as_of: Annotated[
        str | None, typer.Option(metavar="POSITION|TIME", help="Run with the adapter and settings live then.")
    ] = None,
    session: Annotated[str | None, typer.Option(help="Runs of one session stay on one arm.")] = None,
    role: Annotated[Role, typer.Option(help="Whose adapter and settings are used.")] = "action",
    times: Annotated[int, typer.Option(min=1, help="How often, each time with the next seed.")] = 1,
    no_feedback: Annotated[bool, typer.Option("--no-feedback", help="Do not ask for a rating.")] = False,
    reviewer: Annotated[
        bool, typer.Option("--reviewer", help="Let the reviewer rate from the reward, and correct by demonstration.")
    ] = False,
    db: Db = DEFAULT_DB,
    as_json: AsJson = False,
) -> None:
    """Run a task, show its steps, and ask how it went.

    \b
    Examples:
      grokputer run click-button --seed 7
      grokputer run "What is the capital of France?" --no-feedback
    """
    from ...improvement.process_manager import process_new_events
    from ...wiring.environments import guess_environment
    from ...wiring.services import Services

    if adapter is not None and as_of is not None:
        raise typer.BadParameter("--adapter and --as-of each choose an adapter; give one of them")
    ledger = open_ledger(db)
    environment = env or guess_environment(task)
    state = _follow(ledger)
    pinned = _pin(state, adapter, role) if adapter is not None else None
    if as_of is not None:
        state, pinned = _state_then(ledger, as_of, role)
    first = random.randrange(1_000_000) if seed is None else seed
    with Services(ledger, state) as parts:
        parts.environment(environment).check_task(task)  # before a model is loaded for it
        ended = []
        seeds, is_then = range(first, first + times), as_of is not None
        for run in _runs(ledger, parts, environment, task, seeds, role, session, pinned, is_then):
            ended.append(run)
            if not as_json:
                _print_outcome(ledger, run)
            if reviewer:
                _review(ledger, parts, run)
            elif not no_feedback and sys.stdin.isatty():
                ask_feedback(ledger, parts, run, name_actor(None))
            process_new_events(ledger)
    if as_json:
        documents = [_document(ledger, ledger.get(type(run), run.id)) for run in ended]
        print_json(documents[0] if times == 1 else documents)
    elif times > 1:
        good = sum(not isinstance(run.ended, TaskFailed) for run in ended)
        print_line(f"{good} of {times} succeeded")
    _raise_faults(ledger, ended)
    if not as_json:
        is_rated = bool(ledger.get(type(ended[-1]), ended[-1].id).ratings)
        suggest("status" if is_rated else f"rate {short_id(ended[-1].id.hex)}", db)


def _follow(ledger: Ledger) -> State:
    """The state now, in which no run is under way whose process is gone."""
    from ...agent.abandoned import end_abandoned
    from ...improvement.process_manager import process_new_events

    state = process_new_events(ledger)
    ended = end_abandoned(ledger, state.policy)
    for run in ended:
        say(f"run {short_id(run.id.hex)} was left by its process; it has failed (environment)")
    return process_new_events(ledger, state) if ended else state


def _pin(state: State, adapter: str, role: str) -> Route:
    """The route to the adapter: of the role it was trained for where that has turns in the run, else of the run's own."""
    from ....domain.rules.roles import roles_in
    from ....domain.rules.routing import Route
    from ...wiring.services import unknown_adapter

    if adapter != BASE and adapter not in state.registry.adapters:
        raise UnknownAdapter(unknown_adapter(adapter, state.registry.adapters))
    if adapter == BASE:
        return Route(Arm.PINNED, None, None)
    of = state.registry.adapters[adapter]["role"]
    return Route(Arm.PINNED, adapter, None, of if of in roles_in(role) else role)


def _state_then(ledger: Ledger, moment: str, role: str) -> tuple[State, Route]:
    """The state at the moment, and the route to the adapter that was live in it."""
    from ....domain.rules.routing import Route
    from ...store.states import load_state

    then = load_state(ledger, find_position(ledger, moment))
    live = then.traffic(role).stable
    say(f"as of position {then.position}: {live or BASE} was live")
    return then, Route(Arm.PINNED, live, None)


def _runs(
    ledger: Ledger,
    parts: Services,
    environment: str,
    task: str,
    seeds: range,
    role: str,
    session: str | None,
    pinned: Route | None,
    is_then: bool,
) -> Iterator[TaskRun]:
    """The runs, one after another, each ended and stored; where the traffic goes now, or as of then."""
    from ...agent.runner import Task, TaskRunner
    from ...improvement.process_manager import process_new_events

    if sys.stderr.isatty():
        say("loading the model")
    runner = TaskRunner(ledger, parts.model, parts.prepare, parts.base_label, name_actor(None), _show_step)
    for seed in seeds:
        say(f"{short_text(task)} (seed {seed})")
        wanted = Task(environment, task, seed, role, session)
        place = parts.environment(environment)
        if not is_then:  # loading takes a while, and the traffic may have changed meanwhile
            parts.state = process_new_events(ledger, parts.state)
        try:
            run = runner.run(wanted, place, parts.state, pinned=pinned)
        except KeyboardInterrupt:
            say("interrupted; the run, if it had begun, has failed (environment) and counts for no adapter")
            raise typer.Exit(INTERRUPTED) from None
        yield run


def _show_step(number: int, step: Step) -> None:
    if sys.stderr.isatty():
        error = f"  ({step.page.error})" if step.page.error else ""
        say(f"  {number:>2}  {step.role}  {step.answer}{error}  {step.completion.duration_ms} ms")


def _print_outcome(ledger: Ledger, run: TaskRun) -> None:
    """The answer where the task was a question, then how the run ended."""
    document = _document(ledger, run)
    if document["answer"] is not None:
        print_text(str(document["answer"]))
    why = f" ({document['reason']})" if document["reason"] else ""
    print_line(
        f"{short_id(run.id.hex)} {document['outcome']}{why} after {document['steps']} steps in {document['seconds']} s "
        f"with {document['adapter'] or BASE}; seed {document['seed']}, implicitly {document['implicit_stars']} stars"
    )


def _document(ledger: Ledger, run: TaskRun) -> dict[str, object]:
    """The run as JSON: how it ended, what was answered to a question, and the rating it has."""
    started, ended = run.started, run.ended
    assert started is not None and ended is not None
    is_question = started.is_question and bool(run.steps)
    return {
        "run": run.id.hex,
        "answer": ledger.get_content(run.steps[-1].answer) if is_question else None,
        "task": started.task,
        "seed": started.seed,
        "role": started.role,
        "roles": list(run.roles),
        "arm": started.arm,
        "adapter": started.adapter,
        "outcome": "failed" if isinstance(ended, TaskFailed) else "succeeded",
        "reason": ended.reason if isinstance(ended, TaskFailed) else None,
        "detail": ledger.say(ended.detail) if isinstance(ended, TaskFailed) else None,
        "steps": ended.steps,
        "seconds": round(ended.duration_ms / 1000, 1),
        "reward": ended.reward,
        "implicit_stars": ended.implicit_stars,
        **token_counts(run),
        "stars": run.ratings[-1].stars if run.ratings else None,
        "fault": run.ratings[-1].fault if run.ratings else None,
        "corrected_by": run.corrections[-1].source if run.corrections else None,
    }


def _review(ledger: Ledger, parts: Services, run: TaskRun) -> None:
    from ....projections.explain.sentences import describe_fault
    from ...feedback.reviewer import review

    assert run.started is not None
    reviewed = review(ledger, run, parts.environment(run.started.environment))
    corrected = ", corrected by demonstration" if reviewed.corrections else ""
    rating = reviewed.ratings[-1]
    say(f"  the reviewer gives {rating.stars} stars{describe_fault(rating)}{corrected}")


def _raise_faults(ledger: Ledger, runs: list[TaskRun]) -> None:
    """Where the system itself failed, that is the user's business: the last fault, in its own words."""
    for run in reversed(runs):
        if isinstance(run.ended, TaskFailed) and run.ended.reason in ("error", "environment"):
            raise GrokputerError(ledger.say(run.ended.detail))
