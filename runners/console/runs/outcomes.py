"""How a run is told of: what is said before and during it, and its outcome, as text or JSON."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import typer

from ....projections.wording.sentences import count, short_id, short_text
from ..rendering import print_line, print_text, say

if TYPE_CHECKING:
    from ...use_cases.runs import RunOutcome, TaskPlan
    from ...wiring.services import Services

INTERRUPTED = 130
"""Exit code after Ctrl-C, by the convention of shells."""


@dataclass
class Shown:
    """What is said once for all runs of a command."""

    services: Services
    is_said: bool = False

    def show_plan(self, plan: TaskPlan) -> None:
        """Say where the task was found and what it is pinned to, before the model is loaded."""
        from ...use_cases.runs import BASE
        from ...wiring.environments import FOR_BENCHMARKS, environment_names
        from ...wiring.task_folders import find_task_folder, with_folder

        if self.is_said:
            return
        self.is_said = True
        folders, ledger = self.services.task_folders, self.services.ledger
        if plan.environment not in {*environment_names(folders), *FOR_BENCHMARKS}:
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


def say_lost(run: UUID) -> None:
    """Say that an abandoned run was ended."""
    say(f"run {short_id(run.hex)} lost its process; it has failed (environment)")


def say_start(plan: TaskPlan) -> None:
    """Say which task begins."""
    say(f"{short_text(plan.task)} (seed {plan.seed})")


@contextmanager
def saying_interruption() -> Iterator[None]:
    """Ctrl-C during the run prints a line and exits. The use case has ended that run."""
    try:
        yield
    except KeyboardInterrupt:
        say("interrupted; the run, if it had begun, has failed (environment) and counts for no adapter")
        raise typer.Exit(INTERRUPTED) from None


def print_outcome(outcome: RunOutcome) -> None:
    """The answer where the task was a question, then how the run ended."""
    document = outcome_document(outcome)
    if outcome.answer is not None:
        print_text(outcome.answer)
    why = f" ({outcome.reason})" if outcome.reason else ""
    took = f"after {count(outcome.steps, 'step')} in {document['seconds']} s"
    print_line(
        f"{short_id(outcome.run.hex)} {document['outcome']}{why} {took} "
        f"with {outcome.adapter or 'base'}; seed {outcome.seed}"
        + ("" if outcome.implicit_stars is None else f", implicitly {count(outcome.implicit_stars, 'star')}")
    )


def outcome_document(outcome: RunOutcome) -> dict[str, object]:
    """The run as JSON."""
    return {
        **asdict(outcome),
        "run": outcome.run.hex,
        "outcome": "failed" if outcome.reason else "succeeded" if outcome.succeeded else "answered",
        "seconds": round(outcome.duration_ms / 1000, 1),
    }
