"""A plan: the tasks, the amount and kind of feedback, the cycles, and the measurements.

The page's seed and the id of every run are derived from the plan, so a killed loop can continue.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any
from uuid import UUID

from ...domain.aggregates.base import derive_id
from ...projections.bench import Label
from ..environments.miniwob.environment import BASE_TASKS, UNSEEN_TASKS
from ..environments.names import MINIWOB

PURPOSES = ("measure", "feedback", "canary")

SEEDS = 1_000_000
"""Number of page seeds for each purpose; the ranges do not overlap, so measured pages are never trained on."""

Reasoned = Mapping[str, tuple[Any, str]]
"""Settings by key, each with the reason that the log records."""

SHORT_ANSWERS = (64, "an action of these tasks is short; longer answers only take time")
"""The setting ``run.max_tokens``. Source: measured, the longest action of a base or unseen task of MiniWoB++ has 26 tokens."""


@dataclass(frozen=True)
class Planned:
    """A run of the plan."""

    label: Label
    task: str
    seed: int

    def id(self, attempt: int) -> UUID:
        """The run's id for this attempt, from 1: a run that lost its browser is repeated."""
        return derive_id("learning", self.label, self.task, self.seed, attempt)


@dataclass(frozen=True)
class Measured:
    """A group of tasks that is measured, and how."""

    group: str
    tasks: Sequence[str]
    runs: int
    """Of each task, each time."""
    settings: Reasoned = field(default_factory=dict)
    """Settings that hold while these groups are measured, and not after it."""
    only_before: bool = False
    """Whether it is measured before any feedback alone."""


@dataclass(frozen=True)
class Plan:
    """The plan of a loop. The defaults are one cycle of the benchmark."""

    name: str = "corrections"
    seed: int = 1
    tasks: Sequence[str] = UNSEEN_TASKS
    old_tasks: Sequence[str] = BASE_TASKS
    cycles: int = 1
    feedback: int = 120
    """Rated runs before each training."""
    old_share: float = 0.2
    """Share of old tasks in these runs, so that there are good runs to replay; chosen."""
    canary: int = 30
    """Most rated runs until the canary is decided; 0: an adapter that passed the gate is promoted by plan."""
    look_every: int = 5
    """Runs between two checks of the canary."""
    measured: int = 12
    """Runs of each unseen task, before the first and after each cycle."""
    measured_old: int = 20
    """Runs of each old task: more, to detect a loss of a few points."""
    corrected: Collection[str] = ("feedback", "canary")
    """The purposes of which the reviewer corrects the failures; others it only rates."""
    settings: Reasoned = field(default_factory=dict)
    environment: str = MINIWOB
    """The environment of the tasks."""
    about: str = "the tasks to learn, and those that the base was made for"
    """What is measured, in words."""
    minutes: Mapping[str, int] = field(default_factory=dict)
    """How long parts take on two cores, where it is known: ``before``, ``feedback``, ``training``, ``canary``, ``after``."""

    @property
    def groups(self) -> Sequence[Measured]:
        """What is measured."""
        return [Measured("unseen", self.tasks, self.measured), Measured("old", self.old_tasks, self.measured_old)]

    def page(self, task: str, seed: int, detail: str) -> int:
        """The seed of the page that is played in place of this one: for a group of tasks, or a numbered rated run."""
        return seed

    def measurements(self, cycle: int) -> list[tuple[Reasoned, list[Planned]]]:
        """The measured runs after the cycle, in parts with the settings of each.

        The pages are new each time, and the same for all kinds of feedback.
        """
        groups = [group for group in self.groups if cycle == 0 or not group.only_before]
        seeds = self._seeds("measure", cycle, sum(len(group.tasks) * group.runs for group in groups))
        parts = []
        for settings, part in groupby(groups, key=lambda group: group.settings):
            planned = [
                Planned(self._label(cycle, "measure", group.group), task, self.page(task, next(seeds), group.group))
                for group in part
                for task in group.tasks
                for _ in range(group.runs)
            ]
            parts.append((settings, planned))
        return parts

    def rated(self, cycle: int, purpose: str) -> list[Planned]:
        """The cycle's rated runs for the purpose: each group's tasks in turn, then shuffled."""
        count = {"feedback": self.feedback, "canary": self.canary}[purpose]
        draw = random.Random(f"{self.seed}/{purpose}/{cycle}")
        of_old = round(count * self.old_share) if self.old_tasks else 0
        tasks = [*self._in_turn(self.tasks, count - of_old, draw), *self._in_turn(self.old_tasks, of_old, draw)]
        draw.shuffle(tasks)
        seeds = self._seeds(purpose, cycle, count)
        return [
            Planned(self._label(cycle, purpose, str(number)), task, self.page(task, next(seeds), str(number)))
            for number, task in enumerate(tasks, 1)
        ]

    def _label(self, cycle: int, purpose: str, detail: str) -> Label:
        return Label(self.name, self.seed, cycle, purpose, detail)

    @staticmethod
    def _in_turn(tasks: Sequence[str], count: int, draw: random.Random) -> list[str]:
        drawn: list[str] = []
        while len(drawn) < count:
            drawn += draw.sample(tasks, len(tasks))
        return drawn[:count]

    def _seeds(self, purpose: str, cycle: int, count: int) -> Iterator[int]:
        """Page seeds of this purpose alone; no two of a cycle are equal."""
        draw, first = random.Random(f"{self.seed}/{purpose} seeds/{cycle}"), PURPOSES.index(purpose) * SEEDS
        return (first + seed for seed in draw.sample(range(SEEDS), count))
