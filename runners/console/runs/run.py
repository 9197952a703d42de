"""Running tasks: on the arm that the session falls on, on a chosen adapter, or with what was live at a moment."""

from __future__ import annotations

import random
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from ....domain.aggregates.run import LARGEST_SEED
from ....domain.errors import GrokputerError
from ....domain.events import TaskFailed
from ....projections.explain.sentences import count, describe_fault, short_id, short_text
from ..completion import offer_arms, offer_tasks
from ..hints import suggest
from ..options import DEFAULT_DB, AsJson, Db, Role, find_position, name_actor, open_ledger
from ..rendering import print_json, print_line, print_text, say
from .asking import ask_feedback

if TYPE_CHECKING:
    from ....domain.aggregates.run import TaskRun
    from ...agent.episode import Step
    from ...store.ledger import Ledger
    from ...use_cases.runs import RunOutcome

INTERRUPTED = 130
"""Exit code after Ctrl-C, by the convention of shells."""


def run(
    task: Annotated[
        str,
        typer.Argument(
            metavar="TASK",
            help="A task that 'grokputer tasks' lists, or a question in quotes.",
            autocompletion=offer_tasks,
        ),
    ],
    env: Annotated[
        str | None,
        typer.Option(
            help="Where: miniwob, shell, chat, a plug-in or a folder of tasks; default: chat for words with a space in them, "
            "else the one that has the task."
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
    role: Annotated[Role, typer.Option(help="The role whose adapter and settings are used.")] = "action",
    times: Annotated[int, typer.Option(min=1, help="Number of runs, each with the next seed.")] = 1,
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
      grokputer run shell/delete-file --seed 7
      grokputer run "What is the capital of France?" --no-feedback
    """
    from ...use_cases import runs as use_case
    from ...use_cases.ratings import review
    from ...wiring.environments import environment_names, locate_task
    from ...wiring.services import Services
    from ...wiring.task_folders import find_task_folder, task_folders, with_folder

    if adapter is not None and as_of is not None:
        raise typer.BadParameter("--adapter and --as-of each choose an adapter; give one of them")
    ledger = open_ledger(db)
    state, lost = use_case.end_lost_runs(ledger)
    for run in lost:
        say(f"run {short_id(run.id.hex)} lost its process; it has failed (environment)")
    folders = task_folders(state.policy, ledger.path)
    environment, task = (env, task) if env is not None else locate_task(task, folders)
    if environment not in environment_names(folders) and (folder := find_task_folder(environment, folders)) is not None:
        value = shlex.quote(with_folder(state.policy, ledger.path, folder))
        say(
            f"{environment} is a folder here; to find it from anywhere: grokputer settings set environment.tasks {value}"
        )
    first = random.randrange(1_000_000) if seed is None else seed
    then = None if as_of is None else find_position(ledger, as_of)
    wanted = use_case.TaskRequest(environment, task, range(first, first + times), role, session, adapter, then)
    state, pinned = use_case.choose_route(ledger, state, wanted)
    if then is not None and pinned is not None:
        say(f"as of position {then}: {pinned.adapter or use_case.BASE} was live")
    if sys.stderr.isatty():
        say("loading the model")

    def show_start(seed: int) -> None:
        say(f"{short_text(task)} (seed {seed})")

    with Services(ledger, state, say) as services:
        ended = []
        played = use_case.run_tasks(
            ledger, services, wanted, pinned, actor=name_actor(None), on_start=show_start, on_step=_show_step
        )
        for run in _until_interrupted(played):
            ended.append(run)
            if not as_json:
                _print_outcome(use_case.outcome_of(ledger, run))
            if reviewer:
                _say_review(review(ledger, services, run))
            elif not no_feedback and sys.stdin.isatty():
                ask_feedback(ledger, services, run, name_actor(None))
    if as_json:
        documents = [_document(use_case.outcome_of(ledger, ledger.get(type(run), run.id))) for run in ended]
        print_json(documents[0] if times == 1 else documents)
    elif times > 1:
        print_line(_say_successes([ledger.get(type(run), run.id).succeeded for run in ended]))
    _raise_faults(ledger, ended)
    if not as_json:
        is_rated = bool(ledger.get(type(ended[-1]), ended[-1].id).ratings)
        suggest("status" if is_rated else f"rate {short_id(ended[-1].id.hex)}", db)


def _say_successes(successes: Sequence[bool | None]) -> str:
    """How many of the runs succeeded, and of how many that is unknown."""
    unknown, good = successes.count(None), successes.count(True)
    if unknown == len(successes):
        return f"{count(unknown, 'answer')}; rate them, since nothing here judges an answer in words"
    return f"{good} of {len(successes) - unknown} succeeded" + (f"; {unknown} not judged" if unknown else "")


def _until_interrupted(runs: Iterator[TaskRun]) -> Iterator[TaskRun]:
    """The runs; Ctrl-C during one prints a line and exits. The use case has ended that run."""
    while True:
        try:
            run = next(runs, None)
        except KeyboardInterrupt:
            say("interrupted; the run, if it had begun, has failed (environment) and counts for no adapter")
            raise typer.Exit(INTERRUPTED) from None
        if run is None:
            return
        yield run


def _show_step(number: int, step: Step) -> None:
    if sys.stderr.isatty():
        error = f"  ({step.page.error})" if step.page.error else ""
        say(f"  {number:>2}  {step.role}  {step.answer}{error}  {step.completion.duration_ms} ms")


def _print_outcome(outcome: RunOutcome) -> None:
    """The answer where the task was a question, then how the run ended."""
    document = _document(outcome)
    if outcome.answer is not None:
        print_text(outcome.answer)
    why = f" ({outcome.reason})" if outcome.reason else ""
    print_line(
        f"{short_id(outcome.run.hex)} {document['outcome']}{why} after {outcome.steps} steps in {document['seconds']} s "
        f"with {outcome.adapter or 'base'}; seed {outcome.seed}"
        + ("" if outcome.implicit_stars is None else f", implicitly {outcome.implicit_stars} stars")
    )


def _document(outcome: RunOutcome) -> dict[str, object]:
    """The run as JSON."""
    return {
        **asdict(outcome),
        "run": outcome.run.hex,
        "outcome": "failed" if outcome.reason else "succeeded" if outcome.succeeded else "answered",
        "seconds": round(outcome.duration_ms / 1000, 1),
    }


def _say_review(reviewed: TaskRun) -> None:
    corrected = ", corrected by demonstration" if reviewed.corrections else ""
    rating = reviewed.ratings[-1]
    say(f"  the reviewer gives {rating.stars} stars{describe_fault(rating)}{corrected}")


def _raise_faults(ledger: Ledger, runs: list[TaskRun]) -> None:
    """Raise the last fault of the system itself, in its own words. Raises ``GrokputerError``."""
    for run in reversed(runs):
        if isinstance(run.ended, TaskFailed) and run.ended.reason in ("error", "environment"):
            raise GrokputerError(ledger.say(run.ended.detail))
