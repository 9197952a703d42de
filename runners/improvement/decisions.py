"""Making every decision of the log again, from the log alone, to hold what comes of it against what is recorded.

Each decision is made as it was: by the same functions, on what was known at the position that it was made after. What a
decision rests on is in the log: outcomes, ratings, settings, terms, measurements. The measurements themselves (a training, the
proof, the runs of a gate) are facts and not decisions; they are taken as they stand.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from ...domain.aggregates.base import ACTOR, Context
from ...domain.aggregates.run import TaskRun
from ...domain.aggregates.training import TrainingJob
from ...domain.events import (
    AdapterPromoted,
    AdapterRegistered,
    AdapterRejected,
    AdapterRolledBack,
    AlertRaised,
    AlertResolved,
    BreachSuppressed,
    CanaryAssessed,
    CanaryWeightSet,
    ComparisonConcluded,
    CycleClosed,
    DatasetBuilt,
    Event,
    GateJudged,
    RatingThresholdBreached,
    RolloutPaused,
    RolloutStarted,
    TaskStarted,
    TaskSucceeded,
    TrainingDeclined,
    TrainingRequested,
)
from ...domain.process.commands import Command, StartRollout
from ...domain.process.improvement import decide, rollout_unit
from ...domain.rules.routing import EDITION, route
from ...domain.settings.recipe import current_figures
from ...domain.settings.settings import Policy
from ...domain.vocabulary import Arm
from ...projections.state.state import State
from ..ab.results import load_result
from ..store.codec import Recorded, encode
from ..store.content import Erasures
from ..store.log import Log, LogAsOf
from .gate import Row, judge_rows
from .process_manager import NAME, carry_out
from .trainings import dataset_for

DECIDED = (
    RatingThresholdBreached,
    BreachSuppressed,
    TrainingRequested,
    TrainingDeclined,
    AdapterRegistered,
    AdapterRejected,
    RolloutStarted,
    CanaryAssessed,
    CanaryWeightSet,
    RolloutPaused,
    AdapterPromoted,
    AdapterRolledBack,
    CycleClosed,
    AlertRaised,
    AlertResolved,
)
"""What the improvement process decides."""

NOT_RECORDED: dict[type[Event], dict[str, Any]] = {
    RolloutPaused: {"cause": ""},
    AdapterPromoted: {"cause": ""},
    AdapterRolledBack: {"cause": ""},
    AlertRaised: {"by": ""},
}
"""Fields that earlier programs did not record, and what they are read as: such a field is not compared."""


@dataclass(frozen=True)
class Decision:
    """A decision of the log, made again."""

    position: int
    """Of what is recorded; of what it should have followed from, where nothing is."""
    kind: str
    """The recorded event's name; ``arm`` for the arm that a run was drawn for."""
    difference: str
    """What came of it now and not then, or then and not now; empty where both are equal to the bit."""
    erased_at: int = 0
    """Where it differs and rests on words that were erased after it: the position of the last such erasure. It cannot be made
    again then, and the difference says nothing of it."""


def decide_again(log: Log) -> Iterator[Decision]:
    """Every decision of the log in order, each made again. Reads the whole log; writes nothing.

    Raises ``LogError`` where the log is damaged.
    """
    again = _Again(log)
    for recorded in log.read():
        yield from again.decide(recorded)


class _Again:
    """The state as of the event before, and the decisions of the improvement process that are expected."""

    def __init__(self, log: Log) -> None:
        self.log, self.past = log, LogAsOf.open(log.path)
        self.tracked = log.tracked(NAME)
        with log.reading() as connection:
            self.erasures = Erasures.read(connection)
        self.state = State()
        self.decided: dict[str | None, list[Recorded]] = {}
        """The process's own decisions, by the reference of what they followed from."""
        for recorded in log.read(1, None, [kind.TOPIC for kind in DECIDED]):
            if recorded.event.actor == ACTOR:
                self.decided.setdefault(self._occasion(recorded.event), []).append(recorded)
        self.expected: dict[int, Event] = {}
        """By position: what the process decides again, until the recorded one comes."""
        self.latest = 0
        """The position of the latest decision that followed from what came before."""

    def _occasion(self, event: Event) -> str | None:
        """The reference of the event that the process decided it after. A look's cause is its rollout, not that event."""
        if isinstance(event, CanaryAssessed) and 0 < event.up_to <= self.log.position:
            return self.log.at(event.up_to).event.reference
        return event.caused_by

    def decide(self, recorded: Recorded) -> Iterator[Decision]:
        """The decisions that the event is, or should have led to."""
        event, position = recorded.event, recorded.position
        match event:
            case TaskStarted():
                yield from self._arms(position, event)
            case GateJudged():
                yield Decision(position, event.TOPIC, self._judge(position, event))
            case ComparisonConcluded():
                yield Decision(position, event.TOPIC, self._conclude(event))
            case _ if position in self.expected:
                yield Decision(position, event.TOPIC, _difference(self.expected.pop(position), event))
            case DatasetBuilt() | TrainingDeclined():
                yield self._build(position, event)
            case AdapterRejected() if event.actor == ACTOR:
                pass  # by what was measured of its weights
            case _ if isinstance(event, DECIDED) and event.actor == ACTOR:
                yield Decision(position, event.TOPIC, "it does not follow now")
        self.state.apply(position, event)
        if position <= self.tracked:
            yield from self._react(recorded)

    def _react(self, recorded: Recorded) -> Iterator[Decision]:
        """Let the improvement process react again; what it decides is awaited where it was recorded."""
        commands = decide(recorded.event, self.state)
        if not commands:
            return
        made = self.decided.get(recorded.event.reference, [])
        before = made[0].position - 1 if made else max(recorded.position, self.latest)
        self.latest = max([self.latest, *(it.position for it in made)])
        for command in (_as_then(it, made, self.state.policy) for it in commands):
            self.past.until = before
            wanted = self._carry_out(command, made, recorded)
            there = [it for it in made if wanted and it.event.originator_id == wanted[0].originator_id]
            for event, it in zip(wanted, there, strict=False):
                self.expected[it.position] = _caused(event, it.event, recorded.event.reference)
            if len(wanted) > len(there) and not self._is_done_later(command, recorded):
                yield Decision(recorded.position, wanted[len(there)].TOPIC, "it follows now, and is not in the log")

    def _carry_out(self, command: Command, made: list[Recorded], cause: Recorded) -> list[Event]:
        time = made[0].event.time if made else cause.event.time
        context = Context(time, ACTOR, cause.event.reference)
        return carry_out(self.past, command, self.state.policy, context).collect_events()

    def _is_done_later(self, command: Command, cause: Recorded) -> bool:
        """Whether another process was first: by the end of the log there is nothing left to do."""
        self.past.until = None
        return not self._carry_out(command, [], cause)

    def _arms(self, position: int, event: TaskStarted) -> Iterator[Decision]:
        """The arm of each role that was drawn: by the share that the run began with."""
        for assignment in event.lanes:
            rollout, role = self.state.undecided.get(assignment["rollout"] or ""), assignment["role"]
            if assignment["arm"] == Arm.PINNED or rollout is None or not rollout.rule:
                continue  # nothing was drawn; or by an older program
            own = "" if role == event.role else f"{role}."
            weight: int = event.policy.get(f"{own}canary_weight_percent", rollout.weight_percent)
            traffic = replace(self.state.traffic(role), weight_percent=weight)
            drawn = route(traffic, event.originator_id.hex, event.session)
            now = f"{drawn.arm} with {drawn.adapter or 'the base'}"
            recorded = (assignment["arm"], assignment["adapter"])
            is_same = (drawn.arm, drawn.adapter) == recorded
            if not is_same and traffic.sessions:
                # One of a session's runs that were begun side by side, before the other was known.
                first = route(replace(traffic, sessions={}), event.originator_id.hex, event.session)
                is_same = (first.arm, first.adapter) == recorded
            yield Decision(position, "arm", "" if is_same else f"now {now}, then {assignment['arm']}")

    def _judge(self, position: int, event: GateJudged) -> str:
        """The gate, from its runs as the log has them and its losses as they were measured."""
        if event.reason == "off":
            return ""
        measured = self.log.get_content(event.measured)
        if measured is None:
            return "what was measured is not in the content store any more"
        rows: list[Row] = json.loads(measured)
        for row in rows:
            if row["by"] == "runs":
                runs = {"adapter": self._run(row["adapter"]), "parent": self._run(row["parent"])}
                row["succeeded"] = {arm: isinstance(run.ended, TaskSucceeded) for arm, run in runs.items()}
        judged = judge_rows(rows, self.state.policy, event.role)
        return _differing(("verdict", "reason", "message", "numbers"), vars(judged), vars(event))

    def _run(self, id: str) -> TaskRun:
        self.past.until = None
        return self.past.get(TaskRun, UUID(id))

    def _conclude(self, event: ComparisonConcluded) -> str:
        self.past.until = event.up_to
        found = load_result(self.past, event.originator_id)
        return _differing(("verdict", "reason", "message", "numbers"), vars(found.verdict), vars(event))

    def _build(self, position: int, event: DatasetBuilt | TrainingDeclined) -> Decision:
        """The dataset, which also says whether there was enough to learn from."""
        self.past.lacking.clear()
        found = self._build_again(position, event)
        erased_at = self.erasures.latest(self.past.lacking)
        return Decision(position, event.TOPIC, found, erased_at if found and erased_at > position else 0)

    def _build_again(self, position: int, event: DatasetBuilt | TrainingDeclined) -> str:
        self.past.until = position - 1
        job = self.past.get(TrainingJob, event.originator_id)
        assert job.requested is not None
        if isinstance(event, TrainingDeclined):
            built = dataset_for(self.past, job.requested, event.up_to or position - 1)
            return _differing(("examples",), {"examples": built.lessons}, vars(event))
        built = dataset_for(self.past, job.requested, event.up_to)
        return _differing(("dataset", "runs"), {"dataset": built.hash, "runs": built.runs}, vars(event))


def _as_then(command: Command, made: Sequence[Recorded], policy: Policy) -> Command:
    """The command by the rules of the program that carried it out: a rollout keeps those that it began with."""
    if not isinstance(command, StartRollout):
        return command
    begun = (it.event for it in made if it.event.originator_id == command.rollout)
    edition = next((it.edition for it in begun if isinstance(it, RolloutStarted)), EDITION)
    return replace(command, edition=edition, unit=rollout_unit(policy, command.role, edition))


def _difference(now: Event, then: Event) -> str:
    """Empty where both are stored alike to the bit, but for the time, which is the clock's."""
    if type(now) is type(then):
        blank = {name: it for name, it in NOT_RECORDED.get(type(then), {}).items() if getattr(then, name) == it}
        now = type(now)(**{**vars(now), **blank})
    then = _by_current_names(then)
    if type(now) is type(then) and encode(now) == encode(_timed(then, now)):
        return ""
    if type(now) is not type(then):
        return f"now {now.TOPIC}, then {then.TOPIC}"
    return (
        _differing([name for name in vars(then) if name != "time"], vars(now), vars(then)) or "it is stored otherwise"
    )


def _by_current_names(event: Event) -> Event:
    """The event, with a recipe's figures called what they are called now."""
    if not isinstance(event, TrainingRequested):
        return event
    return TrainingRequested(**{**vars(event), "recipe": current_figures(event.recipe)})


def _caused(now: Event, then: Event, occasion: str) -> Event:
    """A look with the cause that older programs recorded, the event it was made after, where the recorded one has that."""
    if isinstance(then, CanaryAssessed) and then.caused_by == occasion:
        return type(now)(**{**vars(now), "caused_by": occasion})
    return now


def _timed(event: Event, like: Event) -> Event:
    return type(event)(**{**vars(event), "time": like.time})


def _differing(names: Iterable[str], now: dict[str, Any], then: dict[str, Any]) -> str:
    """Which of the figures differ, with both values; compared as they are stored."""
    differing = []
    for name in names:
        one, other = (json.loads(json.dumps(it[name], default=str)) for it in (now, then))
        if one != other:
            differing.append(f"{name}: now {str(one)[:80]}, then {str(other)[:80]}")
    return "; ".join(differing)
