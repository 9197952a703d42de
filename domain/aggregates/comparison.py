"""A comparison: two adapters on the same pages, pair by pair, its size and its bars fixed before the first run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal
from uuid import UUID

from ..errors import NotPossible
from ..events import ComparisonConcluded, ComparisonStarted, Event
from ..verdict import Verdict
from .base import Aggregate, Context, derive_id
from .run import LARGEST_SEED

Arm = Literal["a", "b"]

MOST_EPISODES = 10_000
"""Pages of a task that nobody plays; chosen."""


@dataclass(frozen=True)
class Place:
    """A page that both arms do, and which of them does it first."""

    task: str
    seed: int
    first: Arm

    @property
    def order(self) -> tuple[Arm, Arm]:
        """Both arms, in the order in which they run."""
        return ("a", "b") if self.first == "a" else ("b", "a")


@dataclass(frozen=True)
class Design:
    """What is compared with what, on which pages. Raises ``NotPossible`` for what compares nothing.

    All ids follow from it, so whoever starts the same comparison again goes on with it.
    """

    a: str | None
    b: str | None
    role: str
    base: str
    environment: str
    tasks: Sequence[str]
    episodes: int
    seed: int
    reviewer: str = ""

    def __post_init__(self) -> None:
        if self.a == self.b:
            raise NotPossible(
                f"{self.a or 'base'} cannot be compared with itself; give two adapters, or one and 'base'"
            )
        if not self.tasks:
            raise NotPossible("there is no task to compare them on; give some with --tasks")
        if not 1 <= self.episodes <= MOST_EPISODES:
            raise NotPossible(f"{self.episodes} is no number of episodes a task; it is from 1 to {MOST_EPISODES}")
        if self.seed < 0 or self.seed + self.episodes - 1 > LARGEST_SEED:
            last = LARGEST_SEED - self.episodes + 1
            raise NotPossible(f"{self.seed} cannot be the first of {self.episodes} seeds; it is from 0 to {last}")

    @classmethod
    def of(cls, started: ComparisonStarted) -> Design:
        """The design of a comparison that has started."""
        names = ("a", "b", "role", "base", "environment", "tasks", "episodes", "seed", "reviewer")
        return cls(**{name: getattr(started, name) for name in names})

    @property
    def id(self) -> UUID:
        """The one comparison of this design."""
        return derive_id("comparison", *(asdict(self) | {"tasks": ",".join(self.tasks)}).values())

    @property
    def pairs(self) -> int:
        """How many pages there are."""
        return len(self.tasks) * self.episodes

    def places(self) -> Iterator[Place]:
        """The pages, the tasks in turn. Who goes first alternates from page to page of a task and from task to task, so that
        what changes meanwhile, of the machine or of the time of day, favours neither."""
        for episode in range(self.episodes):
            for number, task in enumerate(self.tasks):
                yield Place(task, self.seed + episode, "b" if (episode + number) % 2 else "a")

    def run_id(self, place: Place, arm: Arm, attempt: int) -> UUID:
        """The arm's run of the page in its first, second, ... attempt: one that lost its browser is made again."""
        return derive_id("comparison run", self.id.hex, place.task, place.seed, arm, attempt)


def draw_seed(a: str | None, b: str | None, tasks: Sequence[str], episodes: int) -> int:
    """The first seed where none is given: always the same for the same comparison, and another for a larger one.

    So a comparison that is repeated with more pages is on pages that its adapters have not met in the smaller one.
    """
    return derive_id("comparison pages", a, b, ",".join(tasks), episodes).int % (LARGEST_SEED // 2)


class Comparison(Aggregate):
    """States: started, then concluded."""

    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        self.started: ComparisonStarted | None = None
        self.concluded: ComparisonConcluded | None = None

    def start(self, design: Design, bars: Mapping[str, Any], played_before: int, context: Context) -> None:
        """Fix what is compared and at which bars; a second time records nothing."""
        if self.started is None:
            fields = asdict(design) | {"tasks": tuple(design.tasks)}
            self._record(ComparisonStarted, context, **fields, bars=dict(bars), played_before=played_before)

    def conclude(self, verdict: Verdict, up_to: int, context: Context) -> None:
        """Record what came of it; a second time records nothing. Raises ``NotPossible`` before it has started."""
        if self.started is None:
            raise NotPossible(f"comparison {self.id.hex} has not started")
        if self.concluded is None:
            names = {"role": self.started.role, "a": self.started.a, "b": self.started.b}
            said = {"verdict": verdict.verdict, "reason": verdict.reason, "message": verdict.message}
            self._record(ComparisonConcluded, context, **names, **said, numbers=verdict.numbers, up_to=up_to)

    def _apply(self, event: Event) -> None:
        match event:
            case ComparisonStarted():
                self.started = event
            case ComparisonConcluded():
                self.concluded = event
