"""Runs that are folded into a state at once, without a log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from given import OFFERED, SOMEONE, START, STEP
from grokputer.domain.aggregates.base import Aggregate
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.aggregates.settings import SETTINGS_ID, Settings
from grokputer.domain.events import Assignment
from grokputer.domain.settings.settings import Policy
from grokputer.projections.state.state import State

RECOVERY: Assignment = {"role": "recovery", "arm": "stable", "adapter": None, "rollout": None}


class Played:
    """A state, and what happens to it."""

    def __init__(self) -> None:
        self.state = State()
        self._runs = 0

    def set(self, key: str, value: object) -> None:
        """Change a setting."""
        settings = Settings(SETTINGS_ID)
        settings.change(key, value, "", SOMEONE)
        self.take(settings)

    def begin(self, **fields: Any) -> TaskRun:
        """A run that begins."""
        self._runs += 1
        run = TaskRun(UUID(int=self._runs))
        start = {**START, "arm": "stable", "capabilities": OFFERED["miniwob"], "others": [RECOVERY], **fields}
        run.start(SOMEONE, **start)
        self.take(run)
        return run

    def step(self, run: TaskRun, role: str = "action", **fields: Any) -> None:
        """One step of it."""
        run.take_step(SOMEONE, role=role, **{**STEP, **fields})
        self.take(run)

    def play(self, *steps: str, ends: str = "succeeded", ms: int | None = 900, **fields: Any) -> TaskRun:
        """A run whose steps are named by their roles, a failed one with a ``!`` after it.

        It ends ``succeeded``, ``answered``, or fails for the reason named.
        """
        run = self.begin(**fields)
        for step in steps:
            self.step(run, step.rstrip("!"), error="there is no such button" if step.endswith("!") else "")
        if ends == "succeeded":
            run.succeed(ms, 1.0, Policy(), SOMEONE)
        elif ends == "answered":
            run.answer(ms, SOMEONE)
        else:
            run.fail(ends, "", ms, -1.0, Policy(), SOMEONE)
        self.take(run)
        return run

    def rate(self, run: TaskRun, stars: int, step: int | None = None) -> None:
        """A person's rating of the run."""
        run.rate(stars, "human", [], None, SOMEONE, step=step)
        self.take(run)

    def take(self, *aggregates: Aggregate) -> None:
        """Fold what is pending."""
        for aggregate in aggregates:
            for event in aggregate.collect_events():
                self.state.apply(self.state.position + 1, event)


def repeat(role: str, times: int) -> Sequence[str]:
    """So many steps of the role."""
    return (role,) * times
