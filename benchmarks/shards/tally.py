"""From a shard's events to counts and letters, and from letters back to the outcomes that the product's rules take.

A letter stands for one run of a rollout: its arm, how it ended, and its stars. It says what ``domain.evidence`` asks of a run,
in its order, in one byte. Ratings that come after their run's commit enter the sums, and no letter: the simulation has none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from grokputer.domain.events import (
    Assignment,
    Event,
    TaskAnswered,
    TaskEnded,
    TaskFailed,
    TaskRated,
    TaskStarted,
    TaskSucceeded,
)
from grokputer.domain.rules.roles import GOOD_STARS
from grokputer.domain.vocabulary import FailureReason, RatingSource
from grokputer.runners.store.codec import decode
from grokputer.runners.store.port import Row

from .counted import Count, RunsCounted

COUNTED = frozenset(kind.TOPIC for kind in (TaskStarted, TaskSucceeded, TaskFailed, TaskAnswered, TaskRated))
ENDS = ("succeeded", "failed", "critical", "unknown")
"""How a run can end, as the sums are named."""
FIRST = 0x30
"""The code of the first letter; printable up to the third group of a batch."""
STARS = 6
"""From none, 0, to 5."""

Group = tuple[str, str, str | None, str | None]
"""Role, arm, adapter and rollout."""


@dataclass
class _Run:
    """A run of a role: where it counts, how it ended, and its first rating; the letter is written when no more can come."""

    group: Group
    end: str
    counts_for_rollout: bool
    stars: int = 0


class Tally:
    """Sums and letters of events, which come in their order."""

    def __init__(self) -> None:
        self._sums: dict[Group, Count] = {}
        self._runs: dict[UUID, list[_Run]] = {}
        """In order, the runs that have ended."""

    def add(self, event: Event) -> None:
        """Count an event."""
        if isinstance(event, TaskEnded):
            self._end(event)
        elif isinstance(event, TaskRated):
            self._rate(event)

    def _end(self, event: TaskEnded) -> None:
        end, fault = _end_of(event), event.fault if isinstance(event, TaskFailed) else None
        if end == "":
            return
        ended = self._runs[event.originator_id] = []
        for assignment in event.assignments:
            group = _group_of(assignment)
            self._sum(group)[end] += 1  # type: ignore[literal-required]
            counts = assignment["rollout"] is not None and fault in (None, assignment["role"])
            ended.append(_Run(group, end, counts))

    def _rate(self, event: TaskRated) -> None:
        for assignment in event.assignments:
            count = self._sum(_group_of(assignment))
            count["rated"] += 1
            count["stars"] += event.stars
        for run in self._runs.get(event.originator_id, ()):
            run.stars = run.stars or event.stars

    def _sum(self, group: Group) -> Count:
        if group not in self._sums:
            role, arm, adapter, rollout = group
            sums = dict.fromkeys((*ENDS, "rated", "stars"), 0)
            self._sums[group] = {"role": role, "arm": arm, "adapter": adapter, "rollout": rollout, **sums}  # type: ignore[typeddict-item]
        return self._sums[group]

    @property
    def counts(self) -> tuple[Count, ...]:
        """The sums, by group in the order of their first run."""
        return tuple(self._sums.values())

    @property
    def order(self) -> str:
        """The letters."""
        number = {group: index for index, group in enumerate(self._sums)}
        return "".join(
            chr(FIRST + (number[run.group] * len(ENDS) + ENDS.index(run.end)) * STARS + run.stars)
            for ended in self._runs.values()
            for run in ended
            if run.counts_for_rollout
        )


def tally(rows: Iterable[Row]) -> Tally:
    """The tally of rows of a shard."""
    found = Tally()
    for _, id, version, topic, state in rows:
        if topic in COUNTED:
            found.add(decode(topic, id, version, state))
    return found


def whole_runs(rows: Sequence[Row]) -> Sequence[Row]:
    """The rows without the last run, which may go on after them. Each run is stored whole, so its rows are adjacent."""
    last = max((index for index, row in enumerate(rows) if row[3] == TaskStarted.TOPIC), default=0)
    return rows[:last]


def total(batches: Iterable[Iterable[Count]]) -> dict[Group, Count]:
    """The sums of several batches, by group."""
    found = dict[Group, Any]()
    for count in (count for counts in batches for count in counts):
        group = (count["role"], count["arm"], count["adapter"], count["rollout"])
        so_far = found.setdefault(group, dict.fromkeys((*ENDS, "rated", "stars"), 0))
        for name in so_far:
            so_far[name] += count[name]  # type: ignore[literal-required]
    return found


def outcomes(batch: RunsCounted, number: int, undecided: Collection[str]) -> Iterator[list[Event]]:
    """For each letter of these rollouts the events of its run that the rules take; their runs are numbered from ``number``."""
    wanted = [(count["rollout"] or "") in undecided for count in batch.counts]
    for index, letter in enumerate(batch.order):
        code, stars = divmod(ord(letter) - FIRST, STARS)
        group, end = divmod(code, len(ENDS))
        if wanted[group]:
            yield _events_of(batch, batch.counts[group], ENDS[end], stars, UUID(int=number + index))


def _events_of(batch: RunsCounted, count: Count, end: str, stars: int, run: UUID) -> list[Event]:
    fields: dict[str, Any] = {name: count[name] for name in ("role", "arm", "adapter", "rollout")}
    fields |= {"originator_id": run, "time": batch.time, "actor": batch.actor, "others": (), "session": None}
    taken: dict[str, Any] = {"steps": 1, "duration_ms": None}
    first: Event
    if end == "succeeded":
        first = TaskSucceeded(originator_version=1, reward=1.0, implicit_stars=None, **taken, **fields)
    elif end == "unknown":
        first = TaskAnswered(originator_version=1, **taken, **fields)
    else:
        reason = FailureReason.ERROR if end == "critical" else FailureReason.WRONG
        first = TaskFailed(
            originator_version=1, reward=-1.0, implicit_stars=None, reason=str(reason), detail="", fault=count["role"],
            is_judged=True, **taken, **fields,
        )  # fmt: skip
    if not stars:
        return [first]
    rating = TaskRated(
        originator_version=2, stars=stars, source=str(RatingSource.REVIEWER), issues=(), comment=None, step=None,
        fault=count["role"] if stars < GOOD_STARS else None, **fields,
    )  # fmt: skip
    return [first, rating]


def _end_of(event: TaskEnded) -> str:
    """Its name among the sums; empty for a run whose environment was lost, which says nothing of an adapter."""
    match event:
        case TaskSucceeded():
            return "succeeded"
        case TaskFailed(reason=FailureReason.ENVIRONMENT):
            return ""
        case TaskFailed(reason=FailureReason.ERROR):
            return "critical"
        case TaskFailed():
            return "failed" if event.is_judged else "unknown"
    return "unknown"


def _group_of(assignment: Assignment) -> Group:
    return assignment["role"], assignment["arm"], assignment["adapter"], assignment["rollout"]
