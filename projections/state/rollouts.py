"""The traffic: for each role the live adapter, the canary with its share, and the open cycle."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from msgspec import field

from ...domain.aggregates.rollout import ShortVerdict, in_short
from ...domain.events import (
    AdapterPromoted,
    AdapterRolledBack,
    CanaryAssessed,
    CanaryWeightSet,
    CycleClosed,
    CycleOpened,
    Event,
    RatingThresholdBreached,
    RolloutEvent,
    RolloutResumed,
    RolloutStarted,
    TaskStarted,
)
from ...domain.rules.routing import Traffic
from ...domain.verdict import Times
from ...domain.vocabulary import RolloutPhase, Unit
from .rings import PAIRS, StickyAssignments
from .shards import SavedParts, StateShards, StateValue, encode
from .transitions import rollout_phase

LONGEST_BAKE_GAP_S = 60.0
"""The most seconds between two events that count as baking time; chosen, so that a jump of the clock promotes nothing."""

LONGEST_WAIT_GAP_S = 4 * 3600.0
"""The same for the time after which a rollout is given up; longer where ``schedule.every_s`` is."""


class Rollout(StateValue):
    """One rollout."""

    id: str
    role: str
    adapter: str
    stable: str | None
    """The adapter that was live when it began; None is the base."""
    rule: str
    """As in ``RolloutStarted``."""
    unit: str
    """The randomization unit: ``run`` or ``session``."""
    phase: RolloutPhase
    weight_percent: int
    started: str
    position: int
    """The position of its start."""
    verdict: str | None = None
    """The last recorded verdict on its canary; None before the first. ``reason`` and ``message`` belong to it."""
    reason: str = ""
    last_verdict: ShortVerdict | None = None
    """The last recorded verdict, in short, since the start or the last resumption."""
    message: str = ""
    """The verdict's sentence; of a decided rollout the reason of the decision."""
    assessed: str | None = None
    """When the last verdict was recorded."""
    baked_s: float = 0.0
    at_share_s: float = 0.0
    waited_s: float = 0.0
    was_live: bool = False
    """Whether its adapter was ever promoted."""

    @property
    def uuid(self) -> UUID:
        """The id of its aggregate."""
        return UUID(self.id)

    @property
    def is_over(self) -> bool:
        """Whether it has been decided."""
        return self.phase in (RolloutPhase.PROMOTED, RolloutPhase.ROLLED_BACK)


class Cycle(StateValue):
    """An open cycle of improvement."""

    opened_by: str
    """The reference of the event that opened it."""
    position: int
    """The position of that event."""


class RoleState(StateValue):
    """One role: where its runs go, and its cycle."""

    stable: str | None = None
    """The live adapter; None is the base."""
    rollout: str | None = None
    """The id of the undecided rollout."""
    cycle: Cycle | None = None
    """The open cycle; None where there is none."""
    last_outcome: str | None = None
    """A ``vocabulary.CycleOutcome``, as it is recorded; None before the first cycle is closed."""


class _Saved(StateValue):
    roles: dict[str, RoleState] = field(default_factory=dict)
    rollouts: list[Rollout] = field(default_factory=list)


class Rollouts:
    """Fold of rollouts and cycles, and of the time of each undecided rollout. Its items are all rollouts.

    Time is the sum of the gaps between events. Each gap counts up to a limit, and a step back counts as zero. So a clock that
    jumps neither promotes a canary nor gives it up early.
    """

    HANDLES = (TaskStarted, RatingThresholdBreached, CycleOpened, CycleClosed, RolloutEvent)

    def __init__(self) -> None:
        self.time: datetime | None = None
        """The time of the last event; None before the first."""
        self.longest_wait_gap_s = LONGEST_WAIT_GAP_S
        """The most seconds of a gap that count for the time after which a rollout is given up."""
        self._roles: dict[str, RoleState] = {}
        self._rollouts: dict[str, Rollout] = {}
        self._drawn: StateShards[list[tuple[str, str]]] = StateShards(form=PAIRS)
        """The arms of the sessions that were drawn, by rollout."""
        self._sessions: dict[str, StickyAssignments] = {}
        self.undecided: dict[str, Rollout] = {}
        """The rollouts under way, by their ids; at most one for each role."""

    @classmethod
    def load(cls, saved: SavedParts, time: datetime | None) -> Rollouts:
        """The fold that ``dump`` saved. Raises ``LogError`` where the saved parts are damaged."""
        rollouts, known = cls(), saved.one("rollouts", _Saved)
        rollouts.time, rollouts._roles = time, known.roles
        rollouts._rollouts = {rollout.id: rollout for rollout in known.rollouts}
        rollouts._drawn = saved.shards("drawn", PAIRS)
        rollouts._find_undecided()
        return rollouts

    def dump(self) -> dict[str, bytes]:
        """The fold as saved parts, by name, without the time."""
        saved = _Saved(self._roles, list(self._rollouts.values()))
        return {"rollouts": encode(saved), **self._drawn.dump("drawn")}

    def __iter__(self) -> Iterator[Rollout]:
        return iter(self._rollouts.values())

    def of(self, id: str) -> Rollout:
        """The rollout of this id, hex. Raises ``KeyError``."""
        return self._rollouts[id]

    def get(self, id: str) -> Rollout | None:
        """The rollout of this id, hex; None where there is none."""
        return self._rollouts.get(id)

    def of_adapter(self, adapter: str) -> Rollout | None:
        """The rollout of the adapter; None where it has none."""
        return next((rollout for rollout in self if rollout.adapter == adapter), None)

    def apply(self, position: int, event: Event) -> None:
        """Follow one event, after its time has passed."""
        match event:
            case TaskStarted():
                self._pin(event)
            case RatingThresholdBreached() | CycleOpened():
                self._role(event.role).cycle = Cycle(event.reference, position)
            case CycleClosed():
                role = self._role(event.role)
                role.cycle, role.last_outcome = None, event.outcome
            case RolloutEvent():
                self._roll(position, event)
                self._find_undecided()

    def pass_time(self, now: datetime) -> None:
        """Let the time up to the next event, of whatever kind, pass for every undecided rollout.

        A paused one is not given up meanwhile.
        """
        for id, rollout in self.undecided.items():
            times = self.times(id, now)
            rollout.baked_s, rollout.at_share_s, rollout.waited_s = times.baked, times.at_share, times.waited
        self.time = now

    def times(self, id: str, now: datetime | None = None) -> Times:
        """The seconds that the undecided rollout has had up to the last event, or up to one that came now."""
        rollout, gap = self.undecided[id], 0.0 if now is None else self.gap(now)
        bake = min(gap, LONGEST_BAKE_GAP_S)
        wait = min(gap, self.longest_wait_gap_s) if rollout.phase == RolloutPhase.PROGRESSING else 0.0
        return Times(rollout.baked_s + bake, rollout.at_share_s + bake, rollout.waited_s + wait)

    def gap(self, now: datetime) -> float:
        """Seconds from the last event until now, 0 where the clock went backwards and before the first event."""
        return 0.0 if self.time is None else max(0.0, (now - self.time).total_seconds())

    def _find_undecided(self) -> None:
        ids = (role.rollout for role in self._roles.values())
        self.undecided = {id: self._rollouts[id] for id in ids if id is not None}

    def _pin(self, event: TaskStarted) -> None:
        """Keep the arm that a session was drawn for: a later change of the share does not move the session."""
        if event.session is None:
            return
        for assignment in event.assignments if self.undecided else ():
            rollout = self.undecided.get(assignment["rollout"] or "")
            if rollout is not None and rollout.unit == Unit.SESSION:
                self.sessions(rollout.id).assign(event.session, assignment["arm"])

    def _roll(self, position: int, event: RolloutEvent) -> None:
        role, id = self._role(event.role), event.originator_id.hex
        if isinstance(event, RolloutStarted):
            self._rollouts[id] = _begun(position, event)
            role.rollout = id
        rollout = self._rollouts[id]
        rollout.phase = rollout_phase(event) or rollout.phase
        match event:
            case CanaryWeightSet():
                rollout.weight_percent, rollout.at_share_s = event.weight_percent, 0.0
            case CanaryAssessed():
                rollout.verdict, rollout.reason, rollout.message = event.verdict, event.reason, event.message
                rollout.last_verdict, rollout.assessed = in_short(event), event.time.isoformat()
            case RolloutResumed():
                rollout.waited_s, rollout.last_verdict = 0.0, None
            case AdapterPromoted():
                rollout.message, rollout.was_live = event.reason, True
                role.stable = event.adapter
            case AdapterRolledBack():
                rollout.message = event.reason
                if role.stable == event.adapter:  # a person took the promotion back
                    self._give_back(role, event)
        if rollout.is_over:
            self.sessions(id).clear()
            del self._sessions[id]
            if role.rollout == id:
                role.rollout = None

    def _give_back(self, role: RoleState, event: AdapterRolledBack) -> None:
        """Make live again what the event names: the rollout of that adapter counts as promoted."""
        role.stable = event.stable
        for rollout in self:
            if (rollout.role, rollout.adapter) == (event.role, event.stable):
                rollout.phase, rollout.weight_percent = RolloutPhase.PROMOTED, 100

    def _role(self, role: str) -> RoleState:
        if role not in self._roles:
            self._roles[role] = RoleState()
        return self._roles[role]

    def traffic(self, role: str) -> Traffic:
        """Where the role's runs go now."""
        known = self._roles.get(role)
        if known is None:
            return Traffic()
        if known.rollout is None:
            return Traffic(stable=known.stable)
        rollout = self._rollouts[known.rollout]
        sessions = self.sessions(rollout.id) if rollout.unit == Unit.SESSION else None
        return Traffic(known.stable, rollout.adapter, rollout.id, rollout.weight_percent, sessions)

    def sessions(self, id: str) -> StickyAssignments:
        """The arms of the sessions that were drawn in the undecided rollout."""
        if id not in self._sessions:
            self._sessions[id] = StickyAssignments(self._drawn, id)
        return self._sessions[id]

    def live(self, role: str) -> str | None:
        """The adapter that serves the role's runs, None for the base."""
        known = self._roles.get(role)
        return known.stable if known is not None else None

    def once_live(self, role: str) -> list[str]:
        """The adapters that were ever live in the role, in the order of their rollouts."""
        return [rollout.adapter for rollout in self if rollout.role == role and rollout.was_live]

    def cycle(self, role: str) -> Cycle | None:
        """The open cycle; None where there is none."""
        known = self._roles.get(role)
        return known.cycle if known is not None else None

    def last_outcome(self, role: str) -> str | None:
        """The outcome of the role's last closed cycle; None before the first."""
        known = self._roles.get(role)
        return known.last_outcome if known is not None else None


def _begun(position: int, event: RolloutStarted) -> Rollout:
    return Rollout(
        id=event.originator_id.hex,
        role=event.role,
        adapter=event.adapter,
        stable=event.stable,
        rule=event.rule,
        unit=event.unit,
        phase=RolloutPhase.PROGRESSING,
        weight_percent=event.weight_percent,
        started=event.time.isoformat(),
        position=position,
    )
