"""A plan: which tasks, how much feedback of which kind, how many cycles, how much is measured.

Every run of a plan has its page's seed and its id from the plan alone, so that a loop that was killed goes on where it was.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from ...domain.aggregates.base import derive_id
from ...projections.bench import Label
from ..environments.miniwob.environment import BASE_TASKS, UNSEEN_TASKS
from ..environments.names import MINIWOB

PURPOSES = ("measure", "feedback", "canary")

SEEDS = 1_000_000
"""Page seeds of each purpose: those of one lie beside those of another, so what is measured was never trained on."""

Reasoned = Mapping[str, tuple[Any, str]]
"""Settings by key, each with the reason that the log records."""

SHORT_ANSWERS = (64, "the longest action of these tasks takes 26 tokens; an answer that runs on would only take time")
"""The setting ``run.max_tokens`` for tasks on pages. Source: measured on the demonstrations of all base and unseen tasks."""


@dataclass(frozen=True)
class Planned:
    """A run that the plan has."""

    label: Label
    task: str
    seed: int

    def id(self, attempt: int) -> UUID:
        """The run's id in its first, second, ... attempt: one that lost its browser is made again."""
        return derive_id("learning", self.label, self.task, self.seed, attempt)


@dataclass(frozen=True)
class Plan:
    """How a loop is played. The defaults are one cycle of the benchmark's."""

    name: str = "corrections"
    seed: int = 1
    tasks: Sequence[str] = UNSEEN_TASKS
    old_tasks: Sequence[str] = BASE_TASKS
    cycles: int = 1
    feedback: int = 120
    """Rated runs before each training."""
    old_share: float = 0.2
    """The old tasks' share of them, so that there is something good to replay; as in the feasibility study."""
    canary: int = 30
    """Rated runs at most until the canary is decided; 0: what has passed the gate is promoted by plan."""
    look_every: int = 5
    """Runs between two looks at the canary."""
    measured: int = 12
    """Runs of each unseen task, before the first and after each cycle."""
    measured_old: int = 20
    """Runs of each old task: more, since a loss of a few points is to be seen."""
    has_corrections: bool = True
    """Whether the reviewer corrects what failed, or rates alone."""
    settings: Reasoned = field(default_factory=dict)
    environment: str = MINIWOB
    """Whose tasks they are."""

    def measurements(self, cycle: int) -> list[Planned]:
        """What is measured after the cycle, each time on fresh pages, which are the same for all kinds of feedback."""
        wanted = [(self.tasks, "unseen", self.measured), (self.old_tasks, "old", self.measured_old)]
        seeds = self._seeds("measure", cycle, sum(len(tasks) * times for tasks, _, times in wanted))
        return [
            Planned(self._label(cycle, "measure", group), task, next(seeds))
            for tasks, group, times in wanted
            for task in tasks
            for _ in range(times)
        ]

    def rated(self, cycle: int, purpose: str) -> list[Planned]:
        """The runs that are rated in the cycle for the purpose: each group's tasks in turn, then shuffled."""
        count = {"feedback": self.feedback, "canary": self.canary}[purpose]
        draw = random.Random(f"{self.seed}/{purpose}/{cycle}")
        of_old = round(count * self.old_share) if self.old_tasks else 0
        tasks = [*self._in_turn(self.tasks, count - of_old, draw), *self._in_turn(self.old_tasks, of_old, draw)]
        draw.shuffle(tasks)
        seeds = self._seeds(purpose, cycle, count)
        return [
            Planned(self._label(cycle, purpose, str(number)), task, next(seeds)) for number, task in enumerate(tasks, 1)
        ]

    def _label(self, cycle: int, purpose: str, detail: str) -> Label:
        return Label(self.name, self.seed, cycle, purpose, detail)

    @staticmethod
    def _in_turn(tasks: Sequence[str], count: int, draw: random.Random) -> list[str]:
        found: list[str] = []
        while len(found) < count:
            found += draw.sample(tasks, len(tasks))
        return found[:count]

    def _seeds(self, purpose: str, cycle: int, count: int) -> Iterator[int]:
        """Page seeds of this purpose alone, no two of a cycle equal."""
        draw, first = random.Random(f"{self.seed}/{purpose} seeds/{cycle}"), PURPOSES.index(purpose) * SEEDS
        return (first + seed for seed in draw.sample(range(SEEDS), count))
