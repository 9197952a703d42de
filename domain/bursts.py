"""What belongs together counts once: outcomes of one rater in one session are averaged before they are evidence.

The sequential rules hold for outcomes that say something new each. Ten ratings that a person gives in a row, in one mood
or of one conversation, do not: fed one by one, they bring the average run to a false alarm from thousands down to hundreds.
"""

from __future__ import annotations

from typing import Any

PATIENCE = 10
"""Outcomes of others after which a burst is over; chosen: a few, so that the last one of a rater is not waited for long. A
count and not a time, so that a clock that is wrong changes nothing."""


class Bursts:
    """Fold of outcomes into averages. At most ``patience`` bursts and one are open at a time, one for each source.

    The source is who or what the outcomes have in common: the rater of ratings; the session itself, where a whole session is
    on one arm of a rollout and is the unit of evidence.
    """

    def __init__(self, state: dict[str, Any] | None = None, patience: int = PATIENCE) -> None:
        self.state: dict[str, Any] = state if state is not None else {}
        self._patience = patience

    def take(self, source: str, session: str, item: str, value: float) -> list[float]:
        """Add one outcome, and return the averages of the bursts that are over by that, the oldest first.

        An ``item`` that comes again within its burst counts once, with the newer value: a rating was changed.
        """
        over = []
        for name, burst in list(self.state.items()):
            if name == source:
                if burst["session"] != session:
                    over.append(self._close(name))
            else:
                burst["others"] += 1
                if burst["others"] >= self._patience:
                    over.append(self._close(name))
        burst = self.state.setdefault(source, {"session": session, "values": {}, "others": 0})
        burst["values"][item] = value
        burst["others"] = 0
        return over

    def _close(self, source: str) -> float:
        values = self.state.pop(source)["values"].values()
        mean: float = sum(values) / len(values)
        return mean
