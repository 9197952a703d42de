"""Everything that follows from the log up to one position, small enough to save and quick enough to fold.

It is what the improvement process knows when it decides, what ``status`` shows, and what ``at`` shows of any moment.
"""

from __future__ import annotations

import json
from typing import Any

from ..domain.alert import is_low
from ..domain.breach import Window
from ..domain.cost import Prices
from ..domain.events import Event, PolicyChanged, TaskRated, TrainingCompleted
from ..domain.routing import Traffic
from ..domain.settings import Policy
from .alerts import Alerts
from .health import Health
from .metrics import Metrics
from .ratings import Ratings
from .registry import Registry
from .traffic import Lanes


class State:
    """The folds side by side, as of ``position``. It only ever computes: applying an event calls nobody."""

    VERSION = 3
    """Raised when a fold changes its meaning: checkpoints of another version are folded anew from the log."""

    def __init__(self) -> None:
        self.position = 0
        self.settings: dict[str, Any] = {}
        self.ratings = Ratings()
        self.metrics = Metrics()
        self.health = Health()
        self.lanes = Lanes()
        self.registry = Registry()
        self.alerts = Alerts()

    def apply(self, position: int, event: Event) -> None:
        """Take in the next event of the log."""
        if isinstance(event, PolicyChanged):
            self.settings[event.key] = event.new
        for fold in (self.ratings, self.metrics, self.health, self.lanes, self.registry):
            fold.apply(position, event)
        if isinstance(event, TrainingCompleted):
            self.registry.charge(event, Prices.of(self.policy))
        self.alerts.apply(position, event, self.policy)
        if isinstance(event, TaskRated):
            for window in (self.window(lane["role"]) for lane in event.lanes):
                self.alerts.note_mean(position, window, is_low(window, self.policy))
        self.position = position

    @property
    def policy(self) -> Policy:
        """The settings in force."""
        return Policy(self.settings)

    def window(self, role: str) -> Window:
        """The ratings of the role's live adapter that the breach rule looks at."""
        stable = self.lanes.traffic(role).stable
        return self.ratings.window(role, stable, self.policy.get("rating.window", role))

    def traffic(self, role: str) -> Traffic:
        """Where the role's runs go."""
        return self.lanes.traffic(role)

    def has_fallen(self, role: str) -> bool:
        """Whether the mean of the role's window fell under ``alert.mean`` with the event that was applied last."""
        return self.alerts.fell_at(role, self.traffic(role).stable) == self.position

    @property
    def trainings_completed(self) -> int:
        """How many trainings have ended with weights: what the next adapter is numbered by."""
        return sum(training["status"] == "completed" for training in self.registry.trainings.values())

    def dump(self) -> bytes:
        """JSON in the order things came: equal logs give equal bytes, and what is loaded keeps its order."""
        parts = {
            "version": self.VERSION,
            "position": self.position,
            "settings": self.settings,
            "ratings": self.ratings.state,
            "metrics": self.metrics.state,
            "health": self.health.state,
            "lanes": self.lanes.state,
            "registry": self.registry.state,
            "alerts": self.alerts.state,
        }
        return json.dumps(parts, separators=(",", ":")).encode()

    @classmethod
    def load(cls, saved: bytes) -> State | None:
        """The state that was dumped, None when it is of another version or unreadable: then fold the log."""
        try:
            parts = json.loads(saved)
            if parts["version"] != cls.VERSION:
                return None
            state = cls()
            state.position, state.settings = parts["position"], parts["settings"]
            state.ratings, state.metrics = Ratings(parts["ratings"]), Metrics(parts["metrics"])
            state.health, state.lanes = Health(parts["health"]), Lanes(parts["lanes"])
            state.registry, state.alerts = Registry(parts["registry"]), Alerts(parts["alerts"])
        except (ValueError, KeyError, TypeError):
            return None
        return state
