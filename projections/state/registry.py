"""The registry: every training and every adapter, what it was made from and what became of it."""

from __future__ import annotations

from typing import Any

from ...domain.events import (
    AdapterPromoted,
    AdapterRegistered,
    AdapterRejected,
    AdapterRolledBack,
    AdapterVerified,
    DatasetBuilt,
    Event,
    GateJudged,
    RolloutStarted,
    TrainingCompleted,
    TrainingDeclined,
    TrainingEvent,
    TrainingFailed,
    TrainingProgressed,
    TrainingRequested,
    TrainingStarted,
    WeightsFound,
    WeightsMissed,
)
from ...domain.rules.cost import Prices
from ...domain.settings.recipe import current_figures
from ...domain.vocabulary import AdapterStatus, TrainingStatus


class Registry:
    """Fold of trainings (by hex id) and adapters (by name), in the order they came."""

    HANDLES = (
        TrainingEvent, AdapterRegistered, AdapterVerified, GateJudged, AdapterRejected, RolloutStarted, AdapterPromoted,
        AdapterRolledBack, WeightsMissed, WeightsFound,
    )  # fmt: skip

    def __init__(self, state: dict[str, Any] | None = None) -> None:
        self.state: dict[str, Any] = state if state is not None else {"trainings": {}, "adapters": {}}

    def apply(self, position: int, event: Event) -> None:
        """Follow one event."""
        match event:
            case TrainingEvent():
                self._train(position, event)
            case AdapterRegistered():
                training = self.state["trainings"].get(event.training, {})
                self.state["adapters"][event.adapter] = {
                    "id": event.originator_id.hex,
                    "role": event.role,
                    "status": AdapterStatus.REGISTERED,
                    "weights": event.weights,
                    "dataset": event.dataset,
                    "base": event.base,
                    "base_hash": event.base_hash,
                    "parent": event.parent,
                    "lineage": training.get("lineage", "base"),
                    "training": event.training,
                    "position": position,
                    "registered": event.time.isoformat(),
                    "gate": None,
                    "reason": "",
                    "is_missed": False,
                }
            case WeightsMissed() | WeightsFound():
                self._adapter(event.adapter)["is_missed"] = isinstance(event, WeightsMissed)
            case AdapterVerified():
                self._adapter(event.adapter)["status"] = AdapterStatus.PROVEN
            case GateJudged():
                judged = {"verdict": event.verdict, "reason": event.reason, "message": event.message}
                self._adapter(event.adapter).update(status=AdapterStatus.JUDGED, gate={**judged, "position": position})
            case AdapterRejected():
                self._adapter(event.adapter).update(status=AdapterStatus.REJECTED, reason=event.reason)
            case RolloutStarted():
                self._adapter(event.adapter)["status"] = AdapterStatus.CANARY
            case AdapterPromoted():
                if event.replaced is not None:
                    self._adapter(event.replaced)["status"] = AdapterStatus.REPLACED
                self._adapter(event.adapter)["status"] = AdapterStatus.LIVE
            case AdapterRolledBack():
                if self._adapter(event.adapter)["status"] == AdapterStatus.LIVE and event.stable is not None:
                    self._adapter(event.stable)["status"] = AdapterStatus.LIVE
                self._adapter(event.adapter)["status"] = AdapterStatus.ROLLED_BACK

    def _train(self, position: int, event: TrainingEvent) -> None:
        key = event.originator_id.hex
        if isinstance(event, TrainingRequested):
            self.state["trainings"][key] = {
                "role": event.role,
                "status": TrainingStatus.REQUESTED,
                "position": position,
                "cycle": event.caused_by,
                "lineage": current_figures(event.recipe).get("init_from", "base"),
                "examples": None,
                "attempts": 0,
                "step": 0,
                "steps": None,
                "reason": "",
                "duration_s": None,
                "peak_memory_bytes": None,
                "cost": None,
            }
        training = self.state["trainings"][key]
        match event:
            case DatasetBuilt():
                training["status"], training["examples"] = TrainingStatus.DATASET_BUILT, event.examples
            case TrainingStarted():
                training["status"], training["attempts"] = TrainingStatus.TRAINING, event.attempt
            case TrainingProgressed():
                training["step"], training["steps"] = event.step, event.steps
            case TrainingCompleted():
                training["status"], training["step"] = TrainingStatus.COMPLETED, event.steps
            case TrainingDeclined():
                training["status"], training["reason"] = TrainingStatus.DECLINED, event.reason
            case TrainingFailed():
                training["status"], training["reason"] = TrainingStatus.FAILED, event.reason

    def charge(self, completed: TrainingCompleted, prices: Prices) -> None:
        """Note what the training took, at the prices in force when it was completed."""
        training = self.state["trainings"][completed.originator_id.hex]
        training["duration_s"] = completed.duration_s
        training["peak_memory_bytes"] = completed.peak_memory_bytes
        training["cost"] = prices.cost(completed.duration_s).to_json()

    def _adapter(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.state["adapters"][name]
        return found

    @property
    def adapters(self) -> dict[str, dict[str, Any]]:
        """Every adapter by name."""
        found: dict[str, dict[str, Any]] = self.state["adapters"]
        return found

    @property
    def trainings(self) -> dict[str, dict[str, Any]]:
        """Every training by hex id."""
        found: dict[str, dict[str, Any]] = self.state["trainings"]
        return found
