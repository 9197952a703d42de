"""Running tasks: on the arm that the session falls on, on a chosen adapter, or with what was live at a moment."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Annotated, Literal
from uuid import UUID

import typer

from ....domain.aggregates.run import LARGEST_SEED, TaskRun
from ....domain.errors import GrokputerError
from ....domain.events import TaskFailed
from ....projections.wording.sentences import count, describe_fault, short_id, short_text
from ..completion import offer_arms, offer_tasks
from ..hints import suggest
from ..options import DEFAULT_DB, AsJson, Db, Role, name_actor, open_ledger, read_moment
from ..rendering import print_json, print_line, print_text, say
from .asking import ask_feedback

if TYPE_CHECKING:
    from ...agent.episode import Step
    from ...store.ledger import Ledger
    from ...use_cases.runs import RunOutcome, TaskPlan, TaskRequest
    from ...wiring.services import Services

Feedback = Literal["reviewer", "person"]
"""Who rates a run after its end."""

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
    from ...use_cases.runs import TaskRequest, outcome_of

    if adapter is not None and as_of is not None:
        raise typer.BadParameter("--adapter and --as-of each choose an adapter; give one of them")
    ledger, moment = open_ledger(db), None if as_of is None else read_moment(as_of)
    wanted = TaskRequest(task, env, seed, role, session, adapter, moment)
    feedback: Feedback | None = "reviewer" if reviewer else None
    if not reviewer and not no_feedback and sys.stdin.isatty():
        feedback = "person"
    ended = _play(ledger, wanted, times, feedback, is_shown=not as_json)
    runs = [ledger.get(TaskRun, id) for id in ended]
    if as_json:
        documents = [_document(outcome_of(ledger, run)) for run in runs]
        print_json(documents[0] if times == 1 else documents)
    elif times > 1:
        print_line(_say_successes([run.succeeded for run in runs]))
    _raise_faults(ledger, runs)
    if not as_json:
        suggest("status" if runs[-1].ratings else f"rate {short_id(ended[-1].hex)}", db)


def _play(ledger: Ledger, wanted: TaskRequest, times: int, feedback: Feedback | None, *, is_shown: bool) -> list[UUID]:
    """Run the task so many times, each with the next seed, and take the feedback after each run; the runs."""
    from ...store.states import load_state
    from ...use_cases.ratings import review
    from ...use_cases.runs import TaskProgress, run_task
    from ...wiring.services import Services

    actor, ended = name_actor(None), list[UUID]()
    with Services(ledger, load_state(ledger), say) as services:
        progress = TaskProgress(_say_lost, _Shown(services).show_plan, _say_start, _show_step)
        for _ in range(times):
            with _saying_interruption():
                outcome = run_task(ledger, services, wanted, actor=actor, progress=progress).outcome
            wanted = replace(wanted, seed=outcome.seed + 1)
            ended.append(outcome.run)
            if is_shown:
                _print_outcome(outcome)
            if feedback == "reviewer":
                _say_review(review(ledger, services, ledger.get(TaskRun, outcome.run)))
            elif feedback == "person":
                ask_feedback(ledger, services, ledger.get(TaskRun, outcome.run), actor)
    return ended


def _say_successes(successes: Sequence[bool | None]) -> str:
    """How many of the runs succeeded, and of how many that is unknown."""
    unknown, good = successes.count(None), successes.count(True)
    if unknown == len(successes):
        return f"{count(unknown, 'answer')}; rate them, since nothing here judges an answer in words"
    return f"{good} of {len(successes) - unknown} succeeded" + (f"; {unknown} not judged" if unknown else "")


@dataclass
class _Shown:
    """What is said once for all runs of a command."""

    services: Services
    is_said: bool = False

    def show_plan(self, plan: TaskPlan) -> None:
        """Say where the task was found and what it is pinned to, before the model is loaded."""
        from ...use_cases.runs import BASE
        from ...wiring.environments import environment_names
        from ...wiring.task_folders import find_task_folder, with_folder

        if self.is_said:
            return
        self.is_said = True
        folders, ledger = self.services.task_folders, self.services.ledger
        if plan.environment not in environment_names(folders):
            folder = find_task_folder(plan.environment, folders)
            if folder is not None:
                value = shlex.quote(with_folder(self.services.state.policy, ledger.path, folder))
                say(
                    f"{plan.environment} is a folder here; to find it from anywhere: "
                    f"grokputer settings set environment.tasks {value}"
                )
        if plan.as_of is not None and plan.pinned is not None:
            say(f"as of position {plan.as_of}: {plan.pinned.adapter or BASE} was live")
        if sys.stderr.isatty():
            say("loading the model")


def _say_lost(run: UUID) -> None:
    say(f"run {short_id(run.hex)} lost its process; it has failed (environment)")


def _say_start(plan: TaskPlan) -> None:
    say(f"{short_text(plan.task)} (seed {plan.seed})")


@contextmanager
def _saying_interruption() -> Iterator[None]:
    """Ctrl-C during the run prints a line and exits. The use case has ended that run."""
    try:
        yield
    except KeyboardInterrupt:
        say("interrupted; the run, if it had begun, has failed (environment) and counts for no adapter")
        raise typer.Exit(INTERRUPTED) from None


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
    took = f"after {count(outcome.steps, 'step')} in {document['seconds']} s"
    print_line(
        f"{short_id(outcome.run.hex)} {document['outcome']}{why} {took} "
        f"with {outcome.adapter or 'base'}; seed {outcome.seed}"
        + ("" if outcome.implicit_stars is None else f", implicitly {count(outcome.implicit_stars, 'star')}")
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
    say(f"  the reviewer gives {count(rating.stars, 'star')}{describe_fault(rating)}{corrected}")


def _raise_faults(ledger: Ledger, runs: list[TaskRun]) -> None:
    """Raise the last fault of the system itself, in its own words. Raises ``GrokputerError``."""
    for run in reversed(runs):
        if isinstance(run.ended, TaskFailed) and run.ended.reason in ("error", "environment"):
            raise GrokputerError(ledger.say(run.ended.detail))
