"""The ended runs of a log as the counts of failures need them, read from the log itself: people may edit the SQL tables."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from uuid import UUID

from ...domain.aggregates.base import ACTOR
from ...domain.events import Event, StepTaken, TaskFailed, TaskRated
from ...domain.events.base import KEY
from ...domain.page.tools import read_stored
from ...domain.rules.roles import GOOD_STARS
from ...domain.vocabulary import Arm, FailureReason
from ...projections.explain.failures.ended_run import EndedRun
from ...projections.explain.failures.trace import Trace, trace_step, trace_without_step
from ...projections.state.ratings import BASE
from .run_list import ReadRun, read_runs

if TYPE_CHECKING:
    from ..store.log import Log
    from .run_filter import RunFilter

RUNNING, LOST, TRIALS = "running", "lost", "trials"
"""Why a run is not counted: it has not ended; the environment was lost, which is no failure of an agent; or the program
played it to judge or to train an adapter, on pages that it chose because runs had failed there."""


@dataclass
class Examined:
    """The runs that were read, the newest first."""

    runs: list[EndedRun] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    """The number of matching runs that are not counted, by reason."""


def examine(log: Log, last: int, wanted: RunFilter) -> Examined:
    """The newest ``last`` runs that meet the conditions, with a trace for each failure. Raises ``LogError``."""
    examined, read = Examined(), 0
    for run in read_runs(log):
        if not wanted(run.row, run.issues):
            continue
        read += 1
        reason = _why_not_counted(run)
        if reason:
            examined.left_out[reason] += 1
        else:
            ended = _end(run)
            examined.runs.append(_with_trace(log, ended) if ended.is_failure else ended)
        if read >= last:
            break
    return examined


def _why_not_counted(run: ReadRun) -> str:
    """Empty for a run that is counted."""
    if run.row["status"] == "running":
        return RUNNING
    if run.row["reason"] == FailureReason.ENVIRONMENT:
        return LOST
    return TRIALS if run.started.arm == Arm.PINNED and run.started.actor == ACTOR else ""


def _end(run: ReadRun) -> EndedRun:
    row, started = run.row, run.started
    succeeded = row["succeeded"]
    return EndedRun(
        id=row["id"],
        position=row["position"],
        family=started.environment if started.is_in_words else f"{started.environment}/{started.task}",
        role=row["role"],
        roles=tuple(row["roles"].split(", ")),
        adapter=row["adapter"] or BASE,
        steps=row["steps"],
        succeeded=None if succeeded is None else bool(succeeded),
        has_failed=row["status"] == "failed",
        stars=row["stars"],
        issues=tuple(dict.fromkeys(run.issues)),
        fault=row["fault"],
        is_corrected=row["corrected_by"] is not None,
    )


def _with_trace(log: Log, run: EndedRun) -> EndedRun:
    """The failure with the step that went wrong: the newest that a low rating names, else the first with an error, else the
    last."""
    events = [recorded.event for recorded in log.history(UUID(run.id))]
    steps = {event.step: event for event in events if isinstance(event, StepTaken)}
    if not steps:
        reason = next((event.reason for event in events if isinstance(event, TaskFailed)), "rated low")
        return replace(run, trace=trace_without_step(reason))
    named = _named(events)
    wrong = next((step.step for step in steps.values() if step.error), max(steps))
    step = steps[named if named in steps else wrong]
    return replace(run, step=step.step, trace=_trace(log, step))


def _named(events: Sequence[Event]) -> int | None:
    """The step that the newest low rating with a step names."""
    named = [
        event.step
        for event in events
        if isinstance(event, TaskRated) and event.step is not None and event.stars < GOOD_STARS
    ]
    return named[-1] if named else None


def _trace(log: Log, step: StepTaken) -> Trace | None:
    """The step's trace; None where a text of it was erased."""
    prompt, answer = log.get_content(step.prompt), log.get_content(step.answer)
    calls = read_stored(step.tool_calls, log.get_content)
    error = log.get_content(step.error) if KEY.fullmatch(step.error) else step.error
    if prompt is None or answer is None or calls is None or error is None:
        return None
    return trace_step(json.loads(prompt), answer, calls, error)
