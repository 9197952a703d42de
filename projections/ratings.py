"""Ratings by role and adapter version: the window the breach rule looks at, and all-time sums, people's and implicit apart."""

from __future__ import annotations

from typing import Any

from ..domain.breach import Window
from ..domain.events import AdapterPromoted, Event, TaskFailed, TaskRated, TaskSucceeded

KEPT = 1000
"""Ratings kept for windows, the largest a window may be set to."""

BASE = "base"
"""How the bare base is called where an adapter's name stands."""


class Ratings:
    """Fold of the ratings. Stars are whole numbers, so every sum is exact and every replay gives the same bits.

    A run that is rated again by the same person counts once, with the newer rating. Runs pinned to an adapter by hand
    count in no window: nobody sent them there to judge the traffic.
    """

    def __init__(self, state: dict[str, Any] | None = None) -> None:
        self.state: dict[str, Any] = state if state is not None else {}

    def apply(self, position: int, event: Event) -> None:
        """Count one event."""
        match event:
            case TaskRated():
                if event.arm != "pinned":
                    self._rate(position, event)
            case TaskSucceeded() | TaskFailed():
                if event.arm != "pinned":
                    implicit = self._of(event.role, event.adapter)["implicit"]
                    implicit["count"] += 1
                    implicit["sum"] += event.implicit_stars
            case AdapterPromoted():
                # The window belongs to the version as it serves all: what its canary was rated is not held against it.
                self._of(event.role, event.adapter)["window"] = []

    def _rate(self, position: int, event: TaskRated) -> None:
        people = self._of(event.role, event.adapter)
        run, rater = event.originator_id.hex, event.actor
        for index, (_, stars, rated_run, rated_by) in enumerate(people["window"]):
            if rated_run == run and rated_by == rater:
                del people["window"][index]
                people["count"] -= 1
                people["sum"] -= stars
                break
        people["window"].append([position, event.stars, run, rater])
        del people["window"][:-KEPT]
        people["count"] += 1
        people["sum"] += event.stars

    def _of(self, role: str, adapter: str | None) -> dict[str, Any]:
        versions = self.state.setdefault(role, {})
        blank = {"window": [], "count": 0, "sum": 0, "implicit": {"count": 0, "sum": 0}}
        found: dict[str, Any] = versions.setdefault(adapter or BASE, blank)
        return found

    def window(self, role: str, adapter: str | None, size: int) -> Window:
        """The latest ``size`` ratings of the version in the role."""
        version = self.state.get(role, {}).get(adapter or BASE)
        if version is None:
            return Window(role, adapter, (), 0)
        latest = tuple((position, stars) for position, stars, _, _ in version["window"][-size:])
        return Window(role, adapter, latest, version["count"])

    def rows(self) -> list[dict[str, Any]]:
        """One row per role and adapter: counts and means, None where there is nothing to divide by."""
        return [
            {
                "role": role,
                "adapter": adapter,
                "ratings": version["count"],
                "mean": _mean(version),
                "implicit_runs": version["implicit"]["count"],
                "implicit_mean": _mean(version["implicit"]),
            }
            for role, versions in self.state.items()
            for adapter, version in versions.items()
        ]


def _mean(sums: dict[str, Any]) -> float | None:
    return round(sums["sum"] / sums["count"], 4) if sums["count"] else None
