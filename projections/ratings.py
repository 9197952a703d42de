"""Ratings by role and adapter version: the window the breach rule looks at, and all-time sums, people's and implicit apart."""

from __future__ import annotations

from typing import Any

from ..domain.breach import Window
from ..domain.events import AdapterPromoted, Event, Lane, TaskFailed, TaskRated, TaskSucceeded
from ..domain.roles import lanes_counted
from .parts import Parts

KEPT = 1000
"""Ratings kept for windows, the largest a window may be set to."""

BASE = "base"
"""How the bare base is called where an adapter's name stands."""

Said = tuple[str, str]
"""A run, hex, and who rated it."""


class Ratings:
    """Fold of the ratings. Stars are whole numbers, so every sum is exact and every replay gives the same bits.

    A good rating counts for every role that made a step in the run, a low one for the role it is attributed to alone; one
    that nobody attributed counts for none and is counted apart. A run that is rated again by the same person counts once,
    with the newer rating. Runs pinned to an adapter by hand count in no window: nobody sent them there to judge the traffic.
    """

    HEARS = (TaskRated, TaskSucceeded, TaskFailed, AdapterPromoted)

    def __init__(self, state: dict[str, Any] | None = None, windows: Parts | None = None) -> None:
        self.state: dict[str, Any] = state if state is not None else {}
        """Counts and sums, by role and version."""
        self.windows = Parts() if windows is None else windows
        """The latest ratings, by ``role/version``: of those that were replaced nobody asks."""
        self._said: dict[str, set[Said]] = {}
        """What stands in a window; it spares most ratings a look through a thousand others."""

    def apply(self, position: int, event: Event) -> None:
        """Count one event."""
        match event:
            case TaskRated():
                for lane in event.lanes:
                    if lane["arm"] != "pinned":
                        self._rate(position, event, lane)
            case TaskSucceeded() | TaskFailed():
                for lane in lanes_counted(event):
                    if lane["arm"] != "pinned":
                        implicit = self._of(lane["role"], lane["adapter"])["implicit"]
                        implicit["count"] += 1
                        implicit["sum"] += event.implicit_stars
            case AdapterPromoted():
                # The window belongs to the version as it serves all: what its canary was rated is not held against it.
                self._of(event.role, event.adapter)["unattributed"] = 0
                self.windows.pop(name_version(event.role, event.adapter), None)
                self._said.pop(name_version(event.role, event.adapter), None)

    def _rate(self, position: int, event: TaskRated, lane: Lane) -> None:
        people, version = self._of(lane["role"], lane["adapter"]), name_version(lane["role"], lane["adapter"])
        if version not in self.windows:
            self.windows[version] = {"counted": [], "unattributed": []}
        window = self.windows[version]
        if version not in self._said:
            self._said[version] = {(run, rater) for kept in window.values() for _, _, run, rater in kept}
        said, run, rater = self._said[version], event.originator_id.hex, event.actor
        if (run, rater) in said:
            said.remove((run, rater))
            _forget(people, window, run, rater)
        if lane in lanes_counted(event):
            people["count"] += 1
            people["sum"] += event.stars
            _keep(window["counted"], said, [position, event.stars, run, rater])
        elif event.fault is None:
            _keep(window["unattributed"], said, [position, event.stars, run, rater])
        people["unattributed"] = len(window["unattributed"])

    def _of(self, role: str, adapter: str | None) -> dict[str, Any]:
        versions = self.state.setdefault(role, {})
        found: dict[str, Any] | None = versions.get(adapter or BASE)
        if found is None:
            found = {"count": 0, "sum": 0, "unattributed": 0, "implicit": {"count": 0, "sum": 0}}
            versions[adapter or BASE] = found
        return found

    def window(self, role: str, adapter: str | None, size: int) -> Window:
        """The latest ``size`` ratings of the version in the role."""
        latest = tuple((position, stars) for position, stars, _, _ in self._counted(role, adapter)[-size:])
        return Window(role, adapter, latest, self.total(role, adapter))

    def total(self, role: str, adapter: str | None) -> int:
        """How many ratings the version has had in the role in all."""
        version = self.state.get(role, {}).get(adapter or BASE)
        return version["count"] if version is not None else 0

    def latest(self, role: str, adapter: str | None, size: int) -> list[int]:
        """The stars of the latest ``size`` ratings of the version in the role, oldest first."""
        return [stars for _, stars, _, _ in self._counted(role, adapter)[-size:]]

    def _counted(self, role: str, adapter: str | None) -> list[Any]:
        version = name_version(role, adapter)
        found: list[Any] = self.windows[version]["counted"] if version in self.windows else []
        return found

    def unattributed(self, role: str, adapter: str | None) -> int:
        """Low ratings of runs that the version made a step in which nobody attributed to a role: they count for none."""
        version = self.state.get(role, {}).get(adapter or BASE)
        return version["unattributed"] if version is not None else 0

    def rows(self) -> list[dict[str, Any]]:
        """One row per role and adapter: counts and means, None where there is nothing to divide by."""
        return [
            {
                "role": role,
                "adapter": adapter,
                "ratings": version["count"],
                "mean": _mean(version),
                "unattributed": version["unattributed"],
                "implicit_runs": version["implicit"]["count"],
                "implicit_mean": _mean(version["implicit"]),
            }
            for role, versions in self.state.items()
            for adapter, version in versions.items()
        ]


def name_version(role: str, adapter: str | None) -> str:
    """What belongs to the version in the role is kept under this name."""
    return f"{role}/{adapter or BASE}"


def _keep(kept: list[Any], said: set[Said], rating: list[Any]) -> None:
    """Add the rating; the oldest go."""
    kept.append(rating)
    said.add((rating[2], rating[3]))
    for _, _, run, rater in kept[:-KEPT]:
        said.discard((run, rater))
    del kept[:-KEPT]


def _forget(people: dict[str, Any], window: dict[str, Any], run: str, rater: str) -> None:
    """Take back what the rater said of the run before."""
    for name, kept in window.items():
        for index, (_, stars, rated_run, rated_by) in enumerate(kept):
            if rated_run == run and rated_by == rater:
                del kept[index]
                if name == "counted":
                    people["count"] -= 1
                    people["sum"] -= stars
                break


def _mean(sums: dict[str, Any]) -> float | None:
    return round(sums["sum"] / sums["count"], 4) if sums["count"] else None
