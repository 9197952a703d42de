"""A rollout: an adapter on a share of the traffic until it is promoted or rolled back."""

from __future__ import annotations

from uuid import UUID

from .aggregate import Aggregate, Context, derive_id
from .canary import Verdict
from .errors import NotPossible
from .events import (
    AdapterPromoted,
    AdapterRolledBack,
    CanaryAssessed,
    CanaryWeightSet,
    Event,
    RolloutPaused,
    RolloutResumed,
    RolloutStarted,
)


def rollout_id(adapter: UUID) -> UUID:
    """The one rollout of an adapter."""
    return derive_id("rollout", adapter.hex)


class Rollout(Aggregate):
    """Phases: progressing, paused, promoted, rolled back."""

    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        self.started: RolloutStarted | None = None
        self.phase = "none"
        self.weight_percent = 0
        self.assessed: CanaryAssessed | None = None

    @property
    def _names(self) -> dict[str, str]:
        if self.started is None:
            raise NotPossible(f"rollout {self.id.hex} has not started")
        return {"role": self.started.role, "adapter": self.started.adapter}

    @property
    def is_over(self) -> bool:
        """Whether it has been decided."""
        return self.phase in ("promoted", "rolled back")

    def start(self, role: str, adapter: str, stable: str | None, weight_percent: int, context: Context) -> None:
        """Send the share to the canary; a second time records nothing."""
        if self.started is None:
            self._record(
                RolloutStarted, context, role=role, adapter=adapter, stable=stable, weight_percent=weight_percent
            )

    def assess(self, verdict: Verdict, up_to: int, context: Context) -> None:
        """Record a look at the canary. A look that holds for the same reason as the last is not recorded again."""
        names = self._names
        if self.phase != "progressing":
            return
        last = self.assessed
        if last is not None and last.verdict == verdict.verdict == "hold" and last.reason == verdict.reason:
            return
        self._record(
            CanaryAssessed,
            context,
            verdict=verdict.verdict,
            reason=verdict.reason,
            message=verdict.message,
            numbers=verdict.numbers,
            up_to=up_to,
            **names,
        )

    def promote(self, reason: str, context: Context) -> None:
        """Make the adapter the stable one, with all the traffic. Raises ``NotPossible`` when it is rolled back."""
        self._require_undecided("promoted")
        if self.phase == "promoted" or self.started is None:
            return
        names = self._names
        self._record(CanaryWeightSet, context, old_percent=self.weight_percent, weight_percent=100, **names)
        self._record(AdapterPromoted, context, replaced=self.started.stable, reason=reason, **names)

    def roll_back(self, reason: str, context: Context) -> None:
        """Give all the traffic back to what was stable before, also after a promotion; a second time records nothing."""
        names = self._names
        if self.phase == "rolled back" or self.started is None:
            return
        self._record(CanaryWeightSet, context, old_percent=self.weight_percent, weight_percent=0, **names)
        self._record(AdapterRolledBack, context, stable=self.started.stable, reason=reason, **names)

    def pause(self, reason: str, context: Context) -> None:
        """Stop deciding; the share stays as it is until a person decides."""
        if self.phase == "progressing":
            self._record(RolloutPaused, context, reason=reason, **self._names)

    def resume(self, reason: str, context: Context) -> None:
        """Go on deciding."""
        if self.phase == "paused":
            self._record(RolloutResumed, context, reason=reason, **self._names)

    def _require_undecided(self, wanted: str) -> None:
        names = self._names
        if self.is_over and self.phase != wanted:
            raise NotPossible(f"{names['adapter']} is {self.phase} already; see 'grokputer rollouts'")

    def _apply(self, event: Event) -> None:
        match event:
            case RolloutStarted():
                self.started, self.phase, self.weight_percent = event, "progressing", event.weight_percent
            case CanaryWeightSet():
                self.weight_percent = event.weight_percent
            case CanaryAssessed():
                self.assessed = event
            case RolloutPaused():
                self.phase = "paused"
            case RolloutResumed():
                self.phase = "progressing"
            case AdapterPromoted():
                self.phase = "promoted"
            case AdapterRolledBack():
                self.phase = "rolled back"
