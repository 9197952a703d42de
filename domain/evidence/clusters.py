"""Clusters: the outcomes of one rater in one session are averaged, and count once as evidence.

The sequential rules assume that each outcome brings new information. Ten ratings that a person gives in a row, in one
mood or about one conversation, do not. Fed one by one, they reduce the average run to a false alarm from thousands to
hundreds.
"""

from __future__ import annotations

from typing import Any, Protocol

MAX_INTERLEAVED = 10
"""Outcomes of other sources after which a cluster is closed; chosen: few, so that a rater's last cluster does not wait
long. A count and not a duration, so that a wrong clock changes nothing."""


class ClosedClusters(Protocol):
    """The keys of closed clusters, whose outcomes no longer count: a set, or one with bounded memory."""

    def __contains__(self, key: str) -> bool: ...

    def add(self, key: str) -> None:
        """Remember a closed cluster."""


class RatingClusters:
    """Fold of outcomes into averages, one per source and session; outcomes after a cluster is closed do not count.

    The source is what the outcomes have in common: for ratings the rater; for a rollout by session, the session itself.
    At most ``patience + 1`` clusters are open at a time.
    """

    def __init__(
        self, state: dict[str, Any] | None = None, over: ClosedClusters | None = None, patience: int = MAX_INTERLEAVED
    ) -> None:
        self.state: dict[str, Any] = state if state is not None else {}
        """The open clusters."""
        self.over: ClosedClusters = set[str]() if over is None else over
        self._patience = patience

    def take(self, source: str, session: str, item: str, value: float | None) -> list[float | None]:
        """Add one outcome, None where it is unknown; return the averages of the clusters that this closes, oldest first.

        An average is over the known outcomes, and None without one.

        A cluster closes when its source moves to another session, or after ``patience`` outcomes of other sources. An
        ``item`` that comes again within its cluster counts once, with the newer value: its rating was changed.
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

    def pass_by(self) -> list[float | None]:
        """Count an outcome without a session; return the averages of the clusters that this closes, oldest first."""
        over = []
        for key, burst in list(self.state.items()):
            burst["others"] += 1
            if burst["others"] >= self._patience:
                over.append(self._close(key))
        return over

    def _close(self, key: str) -> float | None:
        values = [value for value in self.state.pop(key)["values"].values() if value is not None]
        self.over.add(key)
        return sum(values) / len(values) if values else None
