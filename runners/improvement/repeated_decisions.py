"""Replaying every decision of the log, from the log alone, to compare the results with the recorded ones.

Each decision is repeated by the same functions, on the state at the position that it was made after. Its basis is in
the log: outcomes, ratings, settings, terms, measurements. Measurements (a training, the proof, the runs of a gate) are
facts, not decisions; they are taken as recorded.
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
    CanaryAssessed,
    CanaryWeightSet,
    ComparisonConcluded,
    CycleClosed,
    DatasetBuilt,
    Event,
    HeldOutJudged,
    RatingThresholdBreached,
    RolloutPaused,
    RolloutStarted,
    TaskJudged,
    TaskStarted,
    TaskSucceeded,
    TrainingDeclined,
    TrainingRequested,
    TriggerSuppressed,
)
from ...domain.process.commands import Command, StartRollout
from ...domain.process.improvement import decide, rollout_unit
from ...domain.rules.routing import DRAWN_BY, EDITION, route
from ...domain.settings.recipe import current_figures
from ...domain.settings.settings import Policy
from ...domain.vocabulary import Arm
from ...projections.state.state import State
from ..lessons.datasets import dataset_for
from ..store.codec import Recorded, encode
from ..store.log import Log, LogAsOf
from ..store.texts.content import Erasures
from .ab.results import load_result
from .gate import Row, judge_rows
from .process_manager import NAME, carry_out

DECIDED = (
    RatingThresholdBreached,
    TriggerSuppressed,
    TaskJudged,
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
"""The events that the improvement process decides."""

NOT_RECORDED: dict[type[Event], dict[str, Any]] = {
    RolloutPaused: {"cause": ""},
    AdapterPromoted: {"cause": ""},
    AdapterRolledBack: {"cause": ""},
    AlertRaised: {"by": ""},
}
"""Fields that earlier programs did not record, with the value that they are read as: such a field is not compared."""


@dataclass(frozen=True)
class RepeatedDecision:
    """A decision of the log, made again."""

    position: int
    """Position of the recorded decision; where none is recorded, of the event that it should follow."""
    kind: str
    """The recorded event's name; ``arm`` for a run's assigned arm."""
    difference: str
    """How the results differ; empty where they are equal bit for bit."""
    erased_at: int = 0
    """Where the result differs and depends on texts that were erased later: the position of the last such erasure. The
    decision cannot be repeated then, so the difference means nothing."""


def decide_again(log: Log) -> Iterator[RepeatedDecision]:
    """Every decision of the log in order, each made again. Reads the whole log; writes nothing.

    Raises ``LogError`` where the log is damaged.
    """
    again = _Again(log)
    for recorded in log.read():
        yield from again.decide(recorded)


class _Again:
    """The state before the present event, and the expected decisions of the improvement process."""

    def __init__(self, log: Log) -> None:
        self.log, self.past = log, LogAsOf(log.database)
        self.tracked = log.tracked(NAME)
        with log.reading() as connection:
            self.erasures = Erasures.read(connection)
        self.state = State()
        self.decided: dict[str | None, list[Recorded]] = {}
        """The process's own decisions, by the reference of the event that they follow."""
        for recorded in log.read(1, None, [kind.TOPIC for kind in DECIDED]):
            if recorded.event.actor == ACTOR:
                self.decided.setdefault(self._occasion(recorded.event), []).append(recorded)
        self.expected: dict[int, Event] = {}
        """The repeated decisions by position, until the recorded one comes."""
        self.latest = 0
        """The position of the latest decision that followed from earlier events."""

    def _occasion(self, event: Event) -> str | None:
        """The reference of the event after which the process decided. A verdict's cause is its rollout, not that event."""
        if isinstance(event, CanaryAssessed) and 0 < event.up_to <= self.log.position:
            return self.log.at(event.up_to).event.reference
        return event.caused_by

    def decide(self, recorded: Recorded) -> Iterator[RepeatedDecision]:
        """The decisions that the event records, or should have caused."""
        event, position = recorded.event, recorded.position
        match event:
            case TaskStarted():
                yield from self._arms(position, event)
            case HeldOutJudged():
                yield RepeatedDecision(position, event.TOPIC, self._judge(position, event))
            case ComparisonConcluded():
                yield RepeatedDecision(position, event.TOPIC, self._conclude(event))
            case _ if position in self.expected:
                yield RepeatedDecision(position, event.TOPIC, _difference(self.expected.pop(position), event))
            case DatasetBuilt() | TrainingDeclined():
                yield self._build(position, event)
            case AdapterRejected() if event.actor == ACTOR:
                pass  # by measurements of its weights
            case _ if isinstance(event, DECIDED) and event.actor == ACTOR:
                yield RepeatedDecision(position, event.TOPIC, "it does not follow any more")
        self.state.apply(position, event)
        if position <= self.tracked:
            yield from self._react(recorded)

    def _react(self, recorded: Recorded) -> Iterator[RepeatedDecision]:
        """Repeat the reaction of the improvement process; its decisions are expected where they were recorded."""
        commands = decide(recorded.event, self.state)
        if not commands:
            return
        made = self.decided.get(recorded.event.reference, [])
        before = made[0].position - 1 if made else max(recorded.position, self.latest)
        self.latest = max([self.latest, *(old.position for old in made)])
        for command in (_as_then(command, made, self.state.policy) for command in commands):
            self.past.until = before
            wanted = self._carry_out(command, made, recorded)
            there = [old for old in made if wanted and old.event.originator_id == wanted[0].originator_id]
            for event, old in zip(wanted, there, strict=False):
                self.expected[old.position] = _caused(event, old.event, recorded.event.reference)
            if len(wanted) > len(there) and not self._is_done_later(command, recorded):
                yield RepeatedDecision(
                    recorded.position, wanted[len(there)].TOPIC, "it follows now, and is not in the log"
                )

    def _carry_out(self, command: Command, made: list[Recorded], cause: Recorded) -> list[Event]:
        time = made[0].event.time if made else cause.event.time
        context = Context(time, ACTOR, cause.event.reference)
        return carry_out(self.past, command, self.state.policy, context).collect_events()

    def _is_done_later(self, command: Command, cause: Recorded) -> bool:
        """Whether the decision was made by another event: by the end of the log nothing remains to do."""
        self.past.until = None
        return not self._carry_out(command, [], cause)

    def _arms(self, position: int, event: TaskStarted) -> Iterator[RepeatedDecision]:
        """The assigned arm of each role, by the share at the run's start."""
        for assignment in event.assignments:
            rollout, role = self.state.undecided.get(assignment["rollout"] or ""), assignment["role"]
            if assignment["arm"] == Arm.PINNED or rollout is None or not rollout.rule or DRAWN_BY in event.policy:
                continue  # not assigned by traffic, or by an older program or a proxy
            own = "" if role == event.role else f"{role}."
            weight: int = event.policy.get(f"{own}canary_weight_percent", rollout.weight_percent)
            traffic = replace(self.state.traffic(role), weight_percent=weight)
            drawn = route(traffic, event.originator_id.hex, event.session)
            now = f"{drawn.arm} with {drawn.adapter or 'the base'}"
            recorded = (assignment["arm"], assignment["adapter"])
            is_same = (drawn.arm, drawn.adapter) == recorded
            if not is_same and traffic.sessions:
                # A parallel run of a session, begun before the other was recorded.
                first = route(replace(traffic, sessions={}), event.originator_id.hex, event.session)
                is_same = (first.arm, first.adapter) == recorded
            yield RepeatedDecision(position, "arm", "" if is_same else f"now {now}, then {assignment['arm']}")

    def _judge(self, position: int, event: HeldOutJudged) -> str:
        """The gate's verdict, from its recorded runs and its measured losses."""
        if event.reason == "off":
            return ""
        measured = self.log.get_content(event.measured)
        if measured is None:
            return "its measurements are no longer in the content store"
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

    def _build(self, position: int, event: DatasetBuilt | TrainingDeclined) -> RepeatedDecision:
        """The dataset, and whether it had enough examples."""
        self.past.lacking.clear()
        found = self._build_again(position, event)
        erased_at = self.erasures.latest(self.past.lacking)
        return RepeatedDecision(position, event.TOPIC, found, erased_at if found and erased_at > position else 0)

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
    """The command by the rules of the program that carried it out: a rollout keeps the edition that it began with."""
    if not isinstance(command, StartRollout):
        return command
    begun = (recorded.event for recorded in made if recorded.event.originator_id == command.rollout)
    edition = next((beginning.edition for beginning in begun if isinstance(beginning, RolloutStarted)), EDITION)
    return replace(command, edition=edition, unit=rollout_unit(policy, command.role, edition))


def _difference(now: Event, then: Event) -> str:
    """Empty where both are equal as stored, except for the time, which comes from the clock."""
    if type(now) is type(then):
        blank = {name: item for name, item in NOT_RECORDED.get(type(then), {}).items() if getattr(then, name) == item}
        now = type(now)(**{**vars(now), **blank})
    then = _by_current_names(then)
    now = _without_later_figures(now, then)
    if type(now) is type(then) and encode(now) == encode(_timed(then, now)):
        return ""
    if type(now) is not type(then):
        return f"now {now.TOPIC}, then {then.TOPIC}"
    return (
        _differing([name for name in vars(then) if name != "time"], vars(now), vars(then)) or "it is stored otherwise"
    )


def _by_current_names(event: Event) -> Event:
    """The event, with a recipe's figures under their current names."""
    if not isinstance(event, TrainingRequested):
        return event
    return TrainingRequested(**{**vars(event), "recipe": current_figures(event.recipe)})


def _without_later_figures(now: Event, then: Event) -> Event:
    """The event, without the recipe's figures that the earlier program did not have."""
    if not isinstance(now, TrainingRequested) or not isinstance(then, TrainingRequested):
        return now
    figures = {name: value for name, value in now.recipe.items() if name in then.recipe}
    return TrainingRequested(**{**vars(now), "recipe": figures})


def _caused(now: Event, then: Event, occasion: str) -> Event:
    """A verdict with the cause that older programs recorded (the event before it), where the recorded one has that."""
    if isinstance(then, CanaryAssessed) and then.caused_by == occasion:
        return type(now)(**{**vars(now), "caused_by": occasion})
    return now


def _timed(event: Event, like: Event) -> Event:
    return type(event)(**{**vars(event), "time": like.time})


def _differing(names: Iterable[str], now: dict[str, Any], then: dict[str, Any]) -> str:
    """The figures that differ, with both values, compared as stored."""
    differing = []
    for name in names:
        value, earlier = (json.loads(json.dumps(event[name], default=str)) for event in (now, then))
        if value != earlier:
            differing.append(f"{name}: now {str(value)[:80]}, then {str(earlier)[:80]}")
    return "; ".join(differing)
