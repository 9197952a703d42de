"""Ratings by role and adapter version: the window the breach rule looks at, and all-time sums, people's and implicit apart."""

from __future__ import annotations

from typing import Any

from ..domain.breach import Window
from ..domain.events import AdapterPromoted, Event, Lane, TaskFailed, TaskRated, TaskSucceeded
from ..domain.roles import lanes_counted

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

    def __init__(self, state: dict[str, Any] | None = None) -> None:
        self.state: dict[str, Any] = state if state is not None else {}
        self._said: dict[tuple[str, str], set[Said]] = {}
        """By role and version, what stands in its windows; it spares most ratings a look through a thousand others."""

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
                version = self._of(event.role, event.adapter)
                version["window"], version["unattributed"] = [], []
                self._said.pop((event.role, event.adapter or BASE), None)

    def _rate(self, position: int, event: TaskRated, lane: Lane) -> None:
        people = self._of(lane["role"], lane["adapter"])
        run, rater = event.originator_id.hex, event.actor
        said = self._said_of(lane["role"], lane["adapter"] or BASE)
        if (run, rater) in said:
            said.remove((run, rater))
            self._forget(people, run, rater)
        if lane in lanes_counted(event):
            people["count"] += 1
            people["sum"] += event.stars
            kept = people["window"]
        elif event.fault is None:
            kept = people["unattributed"]
        else:
            return
        kept.append([position, event.stars, run, rater])
        said.add((run, rater))
        for _, _, old_run, old_rater in kept[:-KEPT]:
            said.discard((old_run, old_rater))
        del kept[:-KEPT]

    def _said_of(self, role: str, adapter: str) -> set[Said]:
        if (role, adapter) not in self._said:
            version = self.state[role][adapter]
            self._said[role, adapter] = {
                (run, rater) for kept in ("window", "unattributed") for _, _, run, rater in version[kept]
            }
        return self._said[role, adapter]

    def _forget(self, people: dict[str, Any], run: str, rater: str) -> None:
        """Take back what the rater said of the run before."""
        for kept in ("window", "unattributed"):
            for index, (_, stars, rated_run, rated_by) in enumerate(people[kept]):
                if rated_run == run and rated_by == rater:
                    del people[kept][index]
                    if kept == "window":
                        people["count"] -= 1
                        people["sum"] -= stars
                    break

    def _of(self, role: str, adapter: str | None) -> dict[str, Any]:
        versions = self.state.setdefault(role, {})
        blank = {"window": [], "count": 0, "sum": 0, "unattributed": [], "implicit": {"count": 0, "sum": 0}}
        found: dict[str, Any] = versions.setdefault(adapter or BASE, blank)
        return found

    def window(self, role: str, adapter: str | None, size: int) -> Window:
        """The latest ``size`` ratings of the version in the role."""
        version = self.state.get(role, {}).get(adapter or BASE)
        if version is None:
            return Window(role, adapter, (), 0)
        latest = tuple((position, stars) for position, stars, _, _ in version["window"][-size:])
        return Window(role, adapter, latest, version["count"])

    def unattributed(self, role: str, adapter: str | None) -> int:
        """Low ratings of runs that the version made a step in which nobody attributed to a role: they count for none."""
        version = self.state.get(role, {}).get(adapter or BASE)
        return len(version["unattributed"]) if version is not None else 0

    def rows(self) -> list[dict[str, Any]]:
        """One row per role and adapter: counts and means, None where there is nothing to divide by."""
        return [
            {
                "role": role,
                "adapter": adapter,
                "ratings": version["count"],
                "mean": _mean(version),
                "unattributed": len(version["unattributed"]),
                "implicit_runs": version["implicit"]["count"],
                "implicit_mean": _mean(version["implicit"]),
            }
            for role, versions in self.state.items()
            for adapter, version in versions.items()
        ]


def _mean(sums: dict[str, Any]) -> float | None:
    return round(sums["sum"] / sums["count"], 4) if sums["count"] else None
