"""The evidence that ratings have fallen, by role and adapter version: what the sequential trigger knows."""

from __future__ import annotations

from typing import Any

from ..domain.bursts import Bursts
from ..domain.canary import Verdict
from ..domain.detector import Detector
from ..domain.events import AdapterPromoted, CycleClosed, Event, Lane, TaskRated
from ..domain.roles import lanes_counted
from ..domain.settings import Policy
from ..domain.terms import TriggerTerms, trigger_terms
from .ratings import BASE


class Triggers:
    """Fold of ratings into a detector per role and adapter version.

    It counts the ratings that the rolling window counts, those that one rater gives in one session as one, and a run once for
    each rater: what was bet on is not taken back when a rating is changed later. It starts anew when
    the version goes live, when a cycle of its role closes, and when the terms change: what was seen under others is void.
    """

    HEARS = (TaskRated, AdapterPromoted, CycleClosed)
    """The facts that it counts."""

    def __init__(self, state: dict[str, Any] | None = None) -> None:
        self.state: dict[str, Any] = state if state is not None else {}

    def apply(self, event: Event, policy: Policy) -> None:
        """Take in one event, under the settings in force at its position."""
        match event:
            case TaskRated():
                for lane in lanes_counted(event):
                    if lane["arm"] != "pinned" and policy.get("rating.rule", lane["role"]) == "sequential":
                        self._rate(event, lane, trigger_terms(policy, lane["role"]))
            case AdapterPromoted():
                self.state.get(event.role, {}).pop(event.adapter, None)
            case CycleClosed():
                self.state.pop(event.role, None)

    def _rate(self, event: TaskRated, lane: Lane, terms: TriggerTerms) -> None:
        versions, version = self.state.setdefault(lane["role"], {}), lane["adapter"] or BASE
        figures = terms.to_json()
        if version not in versions or versions[version]["terms"] != figures:
            versions[version] = {"terms": figures, "bursts": Bursts().state, "detector": Detector(terms).state}
        found, run = versions[version], event.originator_id.hex
        detector = Detector(terms, found["detector"])
        for mean in Bursts(found["bursts"]).take(event.actor, event.session or run, run, event.stars):
            detector.take(mean)

    def verdict(self, role: str, adapter: str | None, terms: TriggerTerms) -> Verdict:
        """``breach`` or ``hold`` for the version, as of the last event; without a rating under these terms it holds."""
        found = self.state.get(role, {}).get(adapter or BASE)
        if found is None or found["terms"] != terms.to_json():
            return Detector(terms).verdict()
        return Detector(terms, found["detector"]).verdict()
