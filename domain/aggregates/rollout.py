"""A rollout: an adapter serves a share of the traffic until it is promoted or rolled back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple
from uuid import UUID

from ..errors import Hint, NotPossible
from ..events import (
    AdapterPromoted,
    AdapterRolledBack,
    CanaryAssessed,
    CanaryWeightSet,
    Event,
    RolloutEvent,
    RolloutPaused,
    RolloutResumed,
    RolloutStarted,
)
from ..verdict import Verdict
from ..vocabulary import Decision, RolloutCause, RolloutPhase
from .base import Aggregate, Context, derive_id


def rollout_id(adapter: UUID) -> UUID:
    """The id of an adapter's one rollout."""
    return derive_id("rollout", adapter.hex)


class ShortVerdict(NamedTuple):
    """A verdict on the canary in short."""

    verdict: str
    reason: str
    next_share: int | None
    """The larger share that the verdict asks for, in percent, if any."""


def in_short(look: Verdict | CanaryAssessed) -> ShortVerdict:
    """What distinguishes one verdict on the canary from the next."""
    return ShortVerdict(look.verdict, look.reason, look.next_share)


def is_news(verdict: Verdict, phase: str, last: ShortVerdict | None) -> bool:
    """Whether a verdict on the canary must be recorded, given the last one (None: there was none).

    A progressing rollout records a verdict that differs from the last in decision, reason or wanted share, until one
    decides. A paused rollout records only that the canary must be rolled back.
    """
    if phase == RolloutPhase.PAUSED:
        return verdict.verdict == Decision.ROLL_BACK and (last is None or last.verdict != Decision.ROLL_BACK)
    if phase != RolloutPhase.PROGRESSING or (last is not None and last.verdict != Decision.HOLD):
        return False
    return last is None or last != in_short(verdict)


DECISIONS = (RolloutStarted, RolloutPaused, RolloutResumed, AdapterPromoted, AdapterRolledBack)
"""The events that change the phase of a rollout."""


def say_decision(event: RolloutEvent) -> str:
    """What was decided about a rollout, by whom, when and why, in one line without a full stop."""
    name, reason = event.adapter, getattr(event, "reason", "")
    match event:
        case RolloutPaused():
            outcome = f"{name} was paused"
        case RolloutResumed():
            outcome = f"{name} was resumed"
        case CanaryWeightSet():
            outcome = f"{name} was given {event.weight_percent} % of the runs"
        case AdapterPromoted():
            outcome = f"{name} was {'rolled forward' if event.cause == RolloutCause.FORWARD else 'promoted'}"
        case AdapterRolledBack():
            outcome = f"{name} was rolled back to {event.stable or 'the base'}"
        case _:
            outcome = f"the rollout of {name} was started"
    why = f": {' '.join(reason.split())}" if reason else ""
    return f"{outcome} by {event.actor} at {event.time:%Y-%m-%d %H:%M:%S} UTC{why}"


class Rollout(Aggregate):
    """Phases: progressing, paused, promoted, rolled back."""

    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        self.started: RolloutStarted | None = None
        self.phase = "none"
        self.weight_percent = 0
        self.is_share_by_hand = False
        """Whether a person has set the canary's share; the program then no longer raises it."""
        self.replaced: str | None = None
        """What was live before the adapter; a rollback sends the runs there."""
        self.latest: RolloutEvent | None = None
        """The newest decision on the phase, or by a person on the share."""
        self.sent: set[str] = set()
        """What shares were sent as."""
        self.assessed: CanaryAssessed | None = None
        self.last_verdict: ShortVerdict | None = None
        """The last verdict, in short, since the start or the last resumption."""

    @property
    def _names(self) -> dict[str, str]:
        if self.started is None:
            raise NotPossible(f"rollout {self.id.hex} has not started")
        return {"role": self.started.role, "adapter": self.started.adapter}

    @property
    def is_over(self) -> bool:
        """Whether it is promoted or rolled back."""
        return self.phase in (RolloutPhase.PROMOTED, RolloutPhase.ROLLED_BACK)

    def start(self, context: Context, **fields: Any) -> None:
        """Give the canary its first share; the fields are those of ``RolloutStarted``. Idempotent."""
        if self.started is None:
            self._record(RolloutStarted, context, **fields)

    def weigh(self, weight_percent: int, context: Context) -> None:
        """Raise the canary's share of the runs that begin from now on."""
        if self.phase == RolloutPhase.PROGRESSING and weight_percent > self.weight_percent:
            self._set_weight(weight_percent, context)

    def share(self, weight_percent: int, reason: str, context: Context, sent_as: str | None = None) -> None:
        """Set the canary's share by hand, 1 to 99 %; the ramp no longer changes it.

        What was ``sent_as`` the same before sets nothing.
        Raises ``NotPossible`` where the rollout is over or the share is out of range.
        """
        names = self._names
        if self.is_over:
            raise NotPossible(f"{names['adapter']} is no longer a canary: {self.say_latest()}")
        if not 1 <= weight_percent <= 99:
            raise NotPossible(
                f"a canary's share cannot be {weight_percent} %; it takes 1 to 99; promoting gives 100 %, aborting gives 0 %"
            )
        if sent_as not in self.sent:
            self._set_weight(weight_percent, context, reason, sent_as)

    def _set_weight(self, weight_percent: int, context: Context, reason: str = "", sent_as: str | None = None) -> None:
        shares = {"old_percent": self.weight_percent, "weight_percent": weight_percent}
        self._record(CanaryWeightSet, context, **shares, reason=reason, sent_as=sent_as, **self._names)

    def assess(self, verdict: Verdict, up_to: int, context: Context) -> None:
        """Record a verdict on the canary if it comes after the last one and is news (``is_news``).

        Its cause is the rollout's start, so causes lead back to the training; ``up_to`` is the log position that it
        was made after.
        """
        names = self._names
        assert self.started is not None
        is_late = self.assessed is not None and up_to <= self.assessed.up_to
        if is_late or not is_news(verdict, self.phase, self.last_verdict):
            return
        self._record(
            CanaryAssessed,
            replace(context, caused_by=self.started.reference),
            verdict=verdict.verdict,
            reason=verdict.reason,
            message=verdict.message,
            numbers=verdict.numbers,
            up_to=up_to,
            **names,
        )

    def promote(self, reason: str, context: Context, *, cause: RolloutCause = RolloutCause.PERSON) -> None:
        """Make the adapter live, with all the traffic. Raises ``NotPossible`` when it is rolled back."""
        self._require_undecided("promoted")
        if self.phase == RolloutPhase.PROMOTED or self.started is None:
            return
        self._go_live(self.started.stable, reason, context, cause)

    def forward(self, live: str | None, reason: str, context: Context) -> None:
        """Make the adapter live after its rollout is over, in place of ``live``. Raises ``NotPossible`` before that."""
        names = self._names
        if not self.is_over:
            raise NotPossible(
                f"the rollout of {names['adapter']} is under way", hint=Hint.PROMOTE, about=names["adapter"]
            )
        if live != names["adapter"]:
            self._go_live(live, reason, context, RolloutCause.FORWARD)

    def _go_live(self, replaced: str | None, reason: str, context: Context, cause: RolloutCause) -> None:
        self._set_weight(100, context)
        self._record(AdapterPromoted, context, replaced=replaced, reason=reason, cause=cause, **self._names)

    def roll_back(
        self,
        reason: str,
        context: Context,
        *,
        to: str | None = "",
        is_live: bool = False,
        cause: RolloutCause = RolloutCause.PERSON,
    ) -> None:
        """Return all traffic to what was live before, also after a promotion. Idempotent.

        ``to`` names another adapter to make live instead; None is the base. ``is_live`` says that the adapter is
        live: one that was rolled back can be live again.
        """
        names = self._names
        if self.started is None or (self.phase == RolloutPhase.ROLLED_BACK and not is_live):
            return
        stable = self.replaced if to == "" else to
        self._set_weight(0, context)
        self._record(AdapterRolledBack, context, stable=stable, reason=reason, cause=cause, **names)

    def pause(self, reason: str, context: Context, *, cause: RolloutCause = RolloutCause.PERSON) -> None:
        """Stop automatic decisions; the share stays until a person decides."""
        if self.phase == RolloutPhase.PROGRESSING:
            self._record(RolloutPaused, context, reason=reason, cause=cause, **self._names)

    def resume(self, reason: str, context: Context) -> None:
        """Continue automatic decisions; the next verdict is recorded whatever it says."""
        if self.phase == RolloutPhase.PAUSED:
            self._record(RolloutResumed, context, reason=reason, **self._names)

    def approve(self, reason: str, context: Context) -> None:
        """Take the step that waits for approval: the promotion or a larger share. Raises ``NotPossible`` where none
        waits."""
        names, verdict = self._names, self.assessed
        share = verdict.next_share if verdict is not None else None
        if (
            self.phase != RolloutPhase.PAUSED
            or verdict is None
            or (verdict.verdict != Decision.PROMOTE and share is None)
        ):
            raise NotPossible(f"{names['adapter']} does not wait for approval; {self.say_latest()}")
        if verdict.verdict == Decision.PROMOTE:
            self.promote(reason, context)
        else:
            self.resume(reason, context)
            self.weigh(share or 0, context)

    def _require_undecided(self, wanted: str) -> None:
        names = self._names
        if self.is_over and self.phase != wanted:
            raise NotPossible(f"{names['adapter']} is already {self.phase}; {self.say_latest()}")

    def say_latest(self) -> str:
        """The newest decision in words: what, by whom, when and why."""
        if self.latest is None:
            return f"{self._names['adapter']} has no decision yet"
        return say_decision(self.latest)

    def _apply(self, event: Event) -> None:
        if isinstance(event, DECISIONS) or (isinstance(event, CanaryWeightSet) and event.reason):
            self.latest = event
        match event:
            case RolloutStarted():
                self.started, self.phase, self.weight_percent = event, RolloutPhase.PROGRESSING, event.weight_percent
                self.replaced = event.stable
            case CanaryWeightSet():
                self.weight_percent = event.weight_percent
                self.is_share_by_hand = self.is_share_by_hand or bool(event.reason)
                self.sent |= {event.sent_as} if event.sent_as is not None else set()
            case CanaryAssessed():
                self.assessed, self.last_verdict = event, in_short(event)
            case RolloutPaused():
                self.phase = RolloutPhase.PAUSED
            case RolloutResumed():
                self.phase, self.last_verdict = RolloutPhase.PROGRESSING, None
            case AdapterPromoted():
                self.phase, self.replaced = RolloutPhase.PROMOTED, event.replaced
            case AdapterRolledBack():
                self.phase = RolloutPhase.ROLLED_BACK
