"""A comparison in the log: the runs made so far, and its result with all ratings since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

from ....domain.ab.decision import Bars, judge
from ....domain.ab.pairs import ArmResult, Pair, Summary
from ....domain.aggregates.comparison import Arm, Comparison, Design, Place
from ....domain.aggregates.run import TaskRun
from ....domain.errors import NotPossible
from ....domain.events import ComparisonConcluded, ComparisonStarted, TaskFailed, TaskStarted
from ....domain.verdict import Verdict
from ....domain.vocabulary import FailureReason
from ...agent.attempts import ATTEMPTS, attempts
from ...store.texts.ahead import LogAhead

if TYPE_CHECKING:
    from ...store.log import Log

SYSTEM_FAULTS = (FailureReason.ERROR, FailureReason.ENVIRONMENT)
"""Failures after which a run is repeated; see ``TaskFailed``."""


def session_of(comparison: UUID) -> str:
    """The session label of its runs."""
    return f"ab/{comparison.hex[:8]}"


@dataclass(frozen=True)
class ComparisonResult:
    """The current result of a comparison."""

    id: UUID
    started: ComparisonStarted
    design: Design
    pairs: Sequence[Pair]
    left_out: int
    """Pairs of which an arm lost its browser, or both met an error of the system, in every attempt."""
    verdict: Verdict
    """The verdict with all ratings up to ``up_to``."""
    concluded: ComparisonConcluded | None
    """The verdict recorded when its runs were done; None before that."""
    up_to: int


def load_result(log: Log, id: UUID) -> ComparisonResult:
    """The comparison from its events, its runs and their ratings. Raises ``NotPossible`` where there is none."""
    comparison = log.get(Comparison, id)
    if comparison.started is None:
        raise NotPossible(f"comparison {id.hex} has not started")
    design, up_to = Design.of(comparison.started), log.position
    bars = Bars(**comparison.started.bars)
    pairs, left_out, ahead = [], 0, LogAhead(log)
    ahead.foresee_all([design.run_id(place, arm, 1) for place in design.places() for arm in place.order])
    for place in design.places():
        runs = find_pair(ahead, design, place)
        if runs is not None:
            pairs.append(Pair(place.task, place.seed, *map(_arm_result, runs)))
        else:
            left_out += all(next_run(ahead, design, place, arm) is None for arm in place.order)
    judged = judge(Summary.of(pairs, bars.minimum), bars)
    verdict = Verdict(judged.verdict, judged.reason, judged.message, judged.numbers | {"left_out": left_out})
    return ComparisonResult(id, comparison.started, design, pairs, left_out, verdict, comparison.concluded, up_to)


def next_run(log: Log, design: Design, place: Place, arm: Arm) -> UUID | None:
    """The id of the next run to make; None where the run exists, or its attempts are used up."""
    for run, id in attempts(log, partial(design.run_id, place, arm)):
        if run is None:
            return id
        if _fault(run) not in SYSTEM_FAULTS:
            return None
    return None


def find_pair(log: Log, design: Design, place: Place) -> tuple[TaskRun, TaskRun] | None:
    """A's and B's run of the page; None where one is missing, or both failed with an error of the system."""
    a, b = _find_run(log, design, place, "a"), _find_run(log, design, place, "b")
    if a is None or b is None or _fault(a) == _fault(b) == FailureReason.ERROR:
        return None
    return a, b


def _find_run(log: Log, design: Design, place: Place, arm: Arm) -> TaskRun | None:
    """The arm's run of the page. One with an error of the system counts once all attempts had that error."""
    made = [run for run, _ in attempts(log, partial(design.run_id, place, arm)) if run is not None]
    good = [run for run in made if _fault(run) not in SYSTEM_FAULTS]
    if not good and len(made) == ATTEMPTS:
        good = [run for run in made if _fault(run) == FailureReason.ERROR]
    return good[-1] if good else None


def _fault(run: TaskRun) -> str:
    """The reason of its failure; empty for a success."""
    return run.ended.reason if isinstance(run.ended, TaskFailed) else ""


def _arm_result(run: TaskRun) -> ArmResult:
    return ArmResult(
        bool(run.succeeded),
        sum((step.model_ms or 0) + step.environment_ms for step in run.steps),
        {(rating.source, rating.actor): rating.stars for rating in run.ratings},
    )


def count_played(log: Log, design: Design) -> int:
    """Number of its pages that the log has other runs of: an adapter may have been trained on them."""
    own = {(place.task, place.seed) for place in design.places()}
    session = session_of(design.id)
    played = {
        (event.task, event.seed)
        for recorded in log.read(1, None, (TaskStarted.TOPIC,))
        if isinstance(event := recorded.event, TaskStarted) and event.session != session
    }
    return len(own & played)
