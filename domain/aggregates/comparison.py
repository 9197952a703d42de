"""A comparison: two adapters on the same pages, pair by pair; its size and its bars are fixed before the first run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal
from uuid import UUID

from ..errors import Hint, NotPossible
from ..events import ComparisonConcluded, ComparisonStarted, Event
from ..verdict import Verdict
from .base import Aggregate, Context, derive_id
from .run import LARGEST_SEED

Arm = Literal["a", "b"]

MOST_EPISODES = 10_000
"""Most episodes of one task in a comparison; chosen."""


@dataclass(frozen=True)
class Place:
    """A page that both arms do, and the arm that does it first."""

    task: str
    seed: int
    first: Arm

    @property
    def order(self) -> tuple[Arm, Arm]:
        """Both arms, in the order in which they run."""
        return ("a", "b") if self.first == "a" else ("b", "a")


@dataclass(frozen=True)
class Design:
    """What is compared, on which pages. Raises ``NotPossible`` for a design that compares nothing.

    All ids are derived from the design, so the same comparison started again continues where it was.
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
                f"{self.a or 'base'} cannot be compared with itself; two different adapters are needed, or one and the base"
            )
        if not self.tasks:
            raise NotPossible("a comparison needs at least one task; none is given", hint=Hint.GIVE_TASKS)
        if not 1 <= self.episodes <= MOST_EPISODES:
            raise NotPossible(f"{self.episodes} is not a number of episodes a task; it takes 1 to {MOST_EPISODES}")
        if self.seed < 0 or self.seed + self.episodes - 1 > LARGEST_SEED:
            last = LARGEST_SEED - self.episodes + 1
            raise NotPossible(f"{self.seed} cannot be the first of {self.episodes} seeds; it takes 0 to {last}")

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
        """The pages, one task after the other in turn.

        The first arm alternates from page to page of a task and from task to task. So a drift of the machine or of
        the time of day favours neither arm.
        """
        for episode in range(self.episodes):
            for number, task in enumerate(self.tasks):
                yield Place(task, self.seed + episode, "b" if (episode + number) % 2 else "a")

    def run_id(self, place: Place, arm: Arm, attempt: int) -> UUID:
        """The id of the arm's run of the page. A run that lost its browser is repeated as the next attempt, from 1."""
        return derive_id("comparison run", self.id.hex, place.task, place.seed, arm, attempt)


def draw_seed(a: str | None, b: str | None, tasks: Sequence[str], episodes: int) -> int:
    """The first seed where none is given: always the same for the same comparison, another one for a larger
    comparison.

    So a comparison that is repeated with more pages uses pages that the smaller one did not.
    """
    return derive_id("comparison pages", a, b, ",".join(tasks), episodes).int % (LARGEST_SEED // 2)


class Comparison(Aggregate):
    """States: started, then concluded."""

    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        self.started: ComparisonStarted | None = None
        self.concluded: ComparisonConcluded | None = None

    def start(self, design: Design, bars: Mapping[str, Any], played_before: int, context: Context) -> None:
        """Fix what is compared, and the bars. Idempotent."""
        if self.started is None:
            fields = asdict(design) | {"tasks": tuple(design.tasks)}
            self._record(ComparisonStarted, context, **fields, bars=dict(bars), played_before=played_before)

    def conclude(self, verdict: Verdict, up_to: int, context: Context) -> None:
        """Record the verdict. Idempotent. Raises ``NotPossible`` before the start."""
        if self.started is None:
            raise NotPossible(f"comparison {self.id.hex} has not started")
        if self.concluded is None:
            names = {"role": self.started.role, "a": self.started.a, "b": self.started.b}
            outcome = {"verdict": verdict.verdict, "reason": verdict.reason, "message": verdict.message}
            self._record(ComparisonConcluded, context, **names, **outcome, numbers=verdict.numbers, up_to=up_to)

    def _apply(self, event: Event) -> None:
        match event:
            case ComparisonStarted():
                self.started = event
            case ComparisonConcluded():
                self.concluded = event
