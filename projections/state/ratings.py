"""Ratings by role and adapter version: the window that the breach rule judges, and sums over all time.

People's ratings, implicit ratings and a judge model's grades are summed separately.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from msgspec import field

from ...domain.events import AdapterPromoted, Assignment, Event, TaskFailed, TaskGraded, TaskRated, TaskSucceeded
from ...domain.rules.breach import Window
from ...domain.rules.imported import IMPORTED, is_imported
from ...domain.rules.roles import assignments_counted
from ...domain.vocabulary import Arm
from .rings import RingBuffer
from .shards import SavedParts, StateShards, StateValue, encode

KEPT = 1000
"""Ratings kept for a window: the largest size that the settings allow."""


class Rating(NamedTuple):
    """One rating in a window."""

    run: str
    position: int
    stars: int
    rater: str


RATINGS = list[Rating]
"""The form of a saved part of a window."""

COUNTED, UNATTRIBUTED, GRADED = "counted", "unattributed", "graded"
"""The two kinds of ratings of a version, and its grades by a judge model."""


BASE = "base"
"""The name of the bare base in place of an adapter's name."""


class Sums(StateValue):
    """The number of ratings and the sum of their stars."""

    count: int = 0
    sum: int = 0

    def add(self, stars: int) -> None:
        """Count one rating."""
        self.count += 1
        self.sum += stars

    def take_out(self, stars: int) -> None:
        """Remove one rating from the sums."""
        self.count -= 1
        self.sum -= stars

    @property
    def mean(self) -> float | None:
        """In [1, 5], to four places; None without ratings."""
        return round(self.sum / self.count, 4) if self.count else None


class VersionSums(Sums):
    """The sums of one adapter version in one role: ratings by people and reviewers, and separately the implicit ratings."""

    unattributed: int = 0
    """Low ratings that are attributed to no role. They are not in the sums."""
    implicit: Sums = field(default_factory=Sums)


ByVersion = dict[str, dict[str, VersionSums]]
"""By role and adapter version (``base`` for the bare base)."""


class Ratings:
    """Fold of the ratings. Stars are whole numbers, so every sum is exact and every replay gives the same bits.

    - A good rating counts for every role that made a step in the run. A low rating counts for the role at fault only.
    - A low rating that is attributed to no role counts for none. It is counted separately.
    - A person who rates a run again replaces the earlier rating.
    - Runs pinned by hand count in no window, because the traffic did not assign them.
    - A judge model's grade counts in no window of ratings. The grades of each judge and its
      criteria are a window of their own.
    - All imported sessions share one window, whatever adapter the other program had. The settings say whether it counts.
    """

    HANDLES = (TaskRated, TaskGraded, TaskSucceeded, TaskFailed, AdapterPromoted)

    def __init__(self) -> None:
        self._sums: ByVersion = {}
        self._windows: StateShards[list[Rating]] = StateShards(form=RATINGS)
        """The latest ratings, by ``role/version/counted``, ``.../unattributed`` and ``.../graded``."""
        self._recent: dict[tuple[str, str | None, str], RingBuffer[Rating]] = {}

    @classmethod
    def load(cls, saved: SavedParts) -> Ratings:
        """The fold that ``dump`` saved. Raises ``LogError`` where the saved parts are damaged."""
        ratings = cls()
        ratings._sums, ratings._windows = saved.one("ratings", ByVersion), saved.shards("window", RATINGS)
        return ratings

    def dump(self) -> dict[str, bytes]:
        """The fold as saved parts, by name."""
        return {"ratings": encode(self._sums), **self._windows.dump("window")}

    def apply(self, position: int, event: Event) -> None:
        """Count one event."""
        match event:
            case TaskRated():
                for assignment in event.assignments:
                    if assignment["arm"] != Arm.PINNED or is_imported(assignment):
                        self._rate(position, event, assignment)
            case TaskGraded():
                for assignment in event.assignments:
                    if assignment["arm"] != Arm.PINNED:
                        self._grade(position, event, assignment)
            case TaskSucceeded() | TaskFailed() if event.implicit_stars is not None:
                for assignment in assignments_counted(event):
                    if assignment["arm"] != Arm.PINNED and event.implicit_stars is not None:
                        self._of(assignment["role"], assignment["adapter"]).implicit.add(event.implicit_stars)
            case AdapterPromoted():
                # A window has the ratings of the version that serves all runs. Those of its time as a canary do not count.
                self._of(event.role, event.adapter).unattributed = 0
                for kind in (COUNTED, UNATTRIBUTED, GRADED):
                    self._ratings(event.role, event.adapter, kind).clear()

    def _rate(self, position: int, event: TaskRated, assignment: Assignment) -> None:
        adapter = IMPORTED if is_imported(assignment) else assignment["adapter"]
        role, run = assignment["role"], event.originator_id.hex
        sums = self._of(role, adapter)
        counted, unattributed = (self._ratings(role, adapter, kind) for kind in (COUNTED, UNATTRIBUTED))
        for before in _earlier(counted, run, event.actor):
            counted.remove(before)
            sums.take_out(before.stars)
        for before in _earlier(unattributed, run, event.actor):
            unattributed.remove(before)
            sums.unattributed -= 1
        rating = Rating(run, position, event.stars, event.actor)
        if assignment in assignments_counted(event):
            sums.add(event.stars)
            counted.append(rating)
        elif event.fault is None:
            sums.unattributed += 1 - len(unattributed.append(rating))

    def _grade(self, position: int, event: TaskGraded, assignment: Assignment) -> None:
        """A run has one grade of each judge and its criteria, so none replaces another."""
        by = f"{event.judge}, criteria {event.criteria}"
        graded = self._ratings(assignment["role"], assignment["adapter"], GRADED)
        graded.append(Rating(event.originator_id.hex, position, event.stars, by))

    def _ratings(self, role: str, adapter: str | None, kind: str) -> RingBuffer[Rating]:
        ring = self._recent.get((role, adapter, kind))
        if ring is None:
            ring = RingBuffer(self._windows, f"{name_version(role, adapter)}/{kind}", KEPT)
            self._recent[role, adapter, kind] = ring
        return ring

    def _of(self, role: str, adapter: str | None) -> VersionSums:
        versions = self._sums.setdefault(role, {})
        sums = versions.get(adapter or BASE)
        if sums is None:
            sums = versions[adapter or BASE] = VersionSums()
        return sums

    def sums(self, role: str, adapter: str | None) -> VersionSums:
        """The sums of the version in the role."""
        return self._sums.get(role, {}).get(adapter or BASE, VersionSums())

    def window(self, role: str, adapter: str | None, size: int, *, with_imported: bool = False) -> Window:
        """The latest ``size`` ratings of the version in the role; ``with_imported`` adds those of imported sessions."""
        latest = self._latest(role, adapter, size, with_imported=with_imported)
        stars = tuple((rating.position, rating.stars) for rating in latest)
        return Window(role, adapter, stars, self.total(role, adapter, with_imported=with_imported))

    def stars(self, role: str, adapter: str | None, size: int, *, with_imported: bool = False) -> list[int]:
        """The stars of the ``window``, oldest first."""
        return [rating.stars for rating in self._latest(role, adapter, size, with_imported=with_imported)]

    def _latest(self, role: str, adapter: str | None, size: int, *, with_imported: bool) -> list[Rating]:
        latest = self._ratings(role, adapter, COUNTED).newest(size)
        if with_imported:
            imported = self._ratings(role, IMPORTED, COUNTED).newest(size)
            latest = sorted([*latest, *imported], key=lambda rating: rating.position)[-size:]
        return latest

    def grades(self, role: str, adapter: str | None, size: int) -> dict[str, list[int]]:
        """The stars of the version's latest ``size`` grades, oldest first, by judge with its criteria."""
        by: dict[str, list[int]] = {}
        for grade in self._ratings(role, adapter, GRADED).newest(KEPT):
            by.setdefault(grade.rater, []).append(grade.stars)
        return {judge: stars[-size:] for judge, stars in by.items()}

    def total(self, role: str, adapter: str | None, *, with_imported: bool = False) -> int:
        """The number of all ratings of the version in the role."""
        names = [adapter, *([IMPORTED] if with_imported else [])]
        return sum(self.sums(role, name).count for name in names)

    def with_unattributed(self, role: str, adapter: str | None, size: int) -> list[int]:
        """The stars of the latest ``size`` ratings, oldest first, with the low ones that are attributed to no role."""
        kinds = (self._ratings(role, adapter, kind).newest(size) for kind in (COUNTED, UNATTRIBUTED))
        together = sorted((rating.position, rating.stars) for ratings in kinds for rating in ratings)
        return [stars for _, stars in together[-size:]]

    def unattributed(self, role: str, adapter: str | None) -> int:
        """The number of low ratings that are attributed to no role, of runs in which the version made a step."""
        return self.sums(role, adapter).unattributed

    def rows(self) -> list[dict[str, Any]]:
        """One row per role and adapter, JSON-plain: counts and means, None where there is nothing to divide by."""
        return [
            {
                "role": role,
                "adapter": adapter,
                "ratings": sums.count,
                "mean": sums.mean,
                "unattributed": sums.unattributed,
                "implicit_runs": sums.implicit.count,
                "implicit_mean": sums.implicit.mean,
            }
            for role, versions in self._sums.items()
            for adapter, sums in versions.items()
        ]


def name_version(role: str, adapter: str | None) -> str:
    """The name under which the fold saves what belongs to the version in the role."""
    return f"{role}/{adapter or BASE}"


def _earlier(ratings: RingBuffer[Rating], run: str, rater: str) -> list[Rating]:
    """The earlier ratings of the run by the same rater."""
    return [rating for rating in ratings.of(run) if rating.rater == rater]
