"""Ratings by role and adapter version: the window the breach rule looks at, and all-time sums, people's and implicit apart."""

from __future__ import annotations

from typing import Any

from ...domain.events import AdapterPromoted, Assignment, Event, TaskFailed, TaskRated, TaskSucceeded
from ...domain.rules.breach import Window
from ...domain.rules.imported import IMPORTED, is_imported
from ...domain.rules.roles import lanes_counted
from ...domain.vocabulary import Arm
from .rings import Record, RingBuffer
from .shards import StateShards

KEPT = 1000
"""Ratings kept for windows, the largest a window may be set to."""

RATINGS = list[tuple[str, int, int, str]]
"""The form of a part of a window: run, position, stars and rater of each."""

COUNTED, UNATTRIBUTED = "counted", "unattributed"
"""The two kinds of ratings that are kept of a version."""

BASE = "base"
"""How the bare base is called where an adapter's name stands."""


class Ratings:
    """Fold of the ratings. Stars are whole numbers, so every sum is exact and every replay gives the same bits.

    A good rating counts for every role that made a step in the run, a low one for the role it is attributed to alone; one
    that nobody attributed counts for none and is counted apart. A run that is rated again by the same person counts once,
    with the newer rating. Runs pinned to an adapter by hand count in no window: nobody sent them there to judge the traffic.
    Imported sessions, whatever adapter the other program had, have one window of their own; it counts where a setting says so.
    """

    HANDLES = (TaskRated, TaskSucceeded, TaskFailed, AdapterPromoted)

    def __init__(self, state: dict[str, Any] | None = None, windows: StateShards | None = None) -> None:
        self.state: dict[str, Any] = state if state is not None else {}
        """Counts and sums, by role and version."""
        self.windows = StateShards(form=RATINGS) if windows is None else windows
        """The latest ratings by ``role/version/counted`` and ``.../unattributed``: of those that were replaced nobody asks."""
        self._recent: dict[tuple[str, str | None, str], RingBuffer] = {}

    def apply(self, position: int, event: Event) -> None:
        """Count one event."""
        match event:
            case TaskRated():
                for lane in event.lanes:
                    if lane["arm"] != Arm.PINNED or is_imported(lane):
                        self._rate(position, event, lane)
            case TaskSucceeded() | TaskFailed():
                for lane in lanes_counted(event):
                    if lane["arm"] != Arm.PINNED:
                        implicit = self._of(lane["role"], lane["adapter"])["implicit"]
                        implicit["count"] += 1
                        implicit["sum"] += event.implicit_stars
            case AdapterPromoted():
                # The window belongs to the version as it serves all: what its canary was rated is not held against it.
                self._of(event.role, event.adapter)[UNATTRIBUTED] = 0
                for kind in (COUNTED, UNATTRIBUTED):
                    self._ratings(event.role, event.adapter, kind).clear()

    def _rate(self, position: int, event: TaskRated, lane: Assignment) -> None:
        adapter = IMPORTED if is_imported(lane) else lane["adapter"]
        role, run = lane["role"], event.originator_id.hex
        people = self._of(role, adapter)
        counted, unattributed = (self._ratings(role, adapter, kind) for kind in (COUNTED, UNATTRIBUTED))
        for before in _said(counted, run, event.actor):
            counted.remove(before)
            people["count"] -= 1
            people["sum"] -= before[2]
        for before in _said(unattributed, run, event.actor):
            unattributed.remove(before)
            people[UNATTRIBUTED] -= 1
        rating = (run, position, event.stars, event.actor)
        if lane in lanes_counted(event):
            people["count"] += 1
            people["sum"] += event.stars
            counted.append(rating)
        elif event.fault is None:
            people[UNATTRIBUTED] += 1 - len(unattributed.append(rating))

    def _ratings(self, role: str, adapter: str | None, kind: str) -> RingBuffer:
        found = self._recent.get((role, adapter, kind))
        if found is None:
            found = RingBuffer(self.windows, f"{name_version(role, adapter)}/{kind}", KEPT)
            self._recent[role, adapter, kind] = found
        return found

    def _of(self, role: str, adapter: str | None) -> dict[str, Any]:
        versions = self.state.setdefault(role, {})
        found: dict[str, Any] | None = versions.get(adapter or BASE)
        if found is None:
            found = {"count": 0, "sum": 0, UNATTRIBUTED: 0, "implicit": {"count": 0, "sum": 0}}
            versions[adapter or BASE] = found
        return found

    def window(self, role: str, adapter: str | None, size: int, *, with_imported: bool = False) -> Window:
        """The latest ``size`` ratings of the version in the role, those of imported sessions among them where that is said."""
        found = self._ratings(role, adapter, COUNTED).newest(size)
        if with_imported:
            found = sorted([*found, *self._ratings(role, IMPORTED, COUNTED).newest(size)], key=lambda it: it[1])[-size:]
        latest = tuple((position, stars) for _, position, stars, _ in found)
        return Window(role, adapter, latest, self.total(role, adapter, with_imported=with_imported))

    def total(self, role: str, adapter: str | None, *, with_imported: bool = False) -> int:
        """How many ratings the version has had in the role in all."""
        names = [adapter or BASE, *([IMPORTED] if with_imported else [])]
        versions = self.state.get(role, {})
        return sum(versions[name]["count"] for name in names if name in versions)

    def with_unattributed(self, role: str, adapter: str | None, size: int) -> list[int]:
        """The stars of the latest ``size`` ratings, oldest first, with those low ones that nobody attributed to a role."""
        kinds = (self._ratings(role, adapter, kind).newest(size) for kind in (COUNTED, UNATTRIBUTED))
        together = sorted((position, stars) for records in kinds for _, position, stars, _ in records)
        return [stars for _, stars in together[-size:]]

    def unattributed(self, role: str, adapter: str | None) -> int:
        """Low ratings of runs that the version made a step in which nobody attributed to a role: they count for none."""
        version = self.state.get(role, {}).get(adapter or BASE)
        return version[UNATTRIBUTED] if version is not None else 0

    def rows(self) -> list[dict[str, Any]]:
        """One row per role and adapter: counts and means, None where there is nothing to divide by."""
        return [
            {
                "role": role,
                "adapter": adapter,
                "ratings": version["count"],
                "mean": _mean(version),
                "unattributed": version[UNATTRIBUTED],
                "implicit_runs": version["implicit"]["count"],
                "implicit_mean": _mean(version["implicit"]),
            }
            for role, versions in self.state.items()
            for adapter, version in versions.items()
        ]


def name_version(role: str, adapter: str | None) -> str:
    """What belongs to the version in the role is kept under this name."""
    return f"{role}/{adapter or BASE}"


def _said(ratings: RingBuffer, run: str, rater: str) -> list[Record]:
    """What the rater said of the run before."""
    return [it for it in ratings.of(run) if it[3] == rater]


def _mean(sums: dict[str, Any]) -> float | None:
    return round(sums["sum"] / sums["count"], 4) if sums["count"] else None
