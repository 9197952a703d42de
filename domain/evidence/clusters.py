"""What belongs together counts once: outcomes of one rater in one session are averaged before they are evidence.

The sequential rules hold for outcomes that say something new each. Ten ratings that a person gives in a row, in one mood
or of one conversation, do not: fed one by one, they bring the average run to a false alarm from thousands down to hundreds.
"""

from __future__ import annotations

from typing import Any, Protocol

MAX_INTERLEAVED = 10
"""Outcomes of others after which a burst is over; chosen: a few, so that the last one of a rater is not waited for long. A
count and not a time, so that a clock that is wrong changes nothing."""


class ClosedClusters(Protocol):
    """The bursts that are over, which are not counted again: a set, or something that forgets what is long ago."""

    def __contains__(self, key: str) -> bool: ...

    def add(self, key: str) -> None:
        """Remember one."""


class RatingClusters:
    """Fold of outcomes into averages, one for each source and session: what comes once its burst is over counts no more.

    The source is who or what the outcomes have in common: the rater of ratings; the session itself, where a whole session is
    on one arm of a rollout and is the unit of evidence. At most ``patience`` bursts and one are open at a time.
    """

    def __init__(
        self, state: dict[str, Any] | None = None, over: ClosedClusters | None = None, patience: int = MAX_INTERLEAVED
    ) -> None:
        self.state: dict[str, Any] = state if state is not None else {}
        """Those that are open."""
        self.over: ClosedClusters = set[str]() if over is None else over
        self._patience = patience

    def take(self, source: str, session: str, item: str, value: float) -> list[float]:
        """Add one outcome, and return the averages of the bursts that are over by that, the oldest first.

        A burst is over when its source goes on to another session, or after ``patience`` outcomes of others. An ``item`` that
        comes again within its burst counts once, with the newer value: a rating was changed.
        """
        own, over = f"{source}/{session}", []
        for key, burst in list(self.state.items()):
            if key == own:
                continue
            burst["others"] += 1
            if burst["source"] == source or burst["others"] >= self._patience:
                over.append(self._close(key))
        if own not in self.over:
            burst = self.state.setdefault(own, {"source": source, "values": {}, "others": 0})
            burst["values"][item] = value
            burst["others"] = 0
        return over

    def pass_by(self) -> list[float]:
        """Let an outcome of no session go by: the averages of the bursts that are over by that, the oldest first."""
        over = []
        for key, burst in list(self.state.items()):
            burst["others"] += 1
            if burst["others"] >= self._patience:
                over.append(self._close(key))
        return over

    def _close(self, key: str) -> float:
        values = self.state.pop(key)["values"].values()
        self.over.add(key)
        mean: float = sum(values) / len(values)
        return mean
