"""Tables for SQL users: one row per run, rating, grade, correction, training, adapter, service, rollout, look and comparison.

The tables are in the log's file, and everything in them follows from the log: dropped tables are built again. Each event
becomes a partial row. Rows with one key are merged in the order of the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ...domain.events import (
    EVENTS,
    AdapterEvent,
    AdapterPromoted,
    AdapterRegistered,
    AdapterRejected,
    AdapterRolledBack,
    AdapterServed,
    AdapterUnserved,
    AttemptInterrupted,
    CanaryAssessed,
    CanaryWeightSet,
    ComparisonEvent,
    CorrectionWithdrawn,
    DatasetBuilt,
    DatasetSent,
    Event,
    HeldOutJudged,
    RolloutEvent,
    RolloutPaused,
    RolloutResumed,
    RolloutStarted,
    SentDatasetDeleted,
    SessionImported,
    TaskAnswered,
    TaskCorrected,
    TaskEnded,
    TaskFailed,
    TaskGraded,
    TaskJudged,
    TaskRated,
    TaskStarted,
    TaskSucceeded,
    Timestamped,
    TrainingCompleted,
    TrainingDeclined,
    TrainingEvent,
    TrainingFailed,
    TrainingHeld,
    TrainingPending,
    TrainingProgressed,
    TrainingRequested,
    TrainingStarted,
    TuningSubmitted,
)
from ...domain.vocabulary import FailureReason
from ..state.transitions import adapter_status, rollout_phase, status_of_another, training_status
from .comparisons import COMPARISONS, row_of_comparison
from .corrections import CORRECTIONS, row_of_correction, row_of_withdrawal
from .ratings import GRADES, RATINGS, row_of_grade, row_of_rating
from .services import SERVICES, row_of_service

TABLES: dict[str, dict[str, type]] = {
    "runs": {
        "id": str,
        "position": int,
        "started": str,
        "role": str,
        "roles": str,
        "environment": str,
        "task": str,
        "seed": int,
        "arm": str,
        "adapter": str,
        "rollout": str,
        "session": str,
        "base": str,
        "status": str,
        "reason": str,
        "succeeded": int,
        "steps": int,
        "duration_ms": int,
        "reward": float,
        "implicit_stars": int,
        "stars": int,
        "fault": str,
        "corrected_by": str,
        "ended_position": int,
    },
    "ratings": RATINGS,
    "grades": GRADES,
    "corrections": CORRECTIONS,
    "trainings": {
        "id": str,
        "position": int,
        "requested": str,
        "role": str,
        "status": str,
        "reason": str,
        "dataset": str,
        "examples": int,
        "runs": int,
        "weights": str,
        "steps": int,
        "tokens": int,
        "final_loss": float,
        "duration_s": float,
        "peak_memory_bytes": int,
    },
    "adapters": {
        "name": str,
        "id": str,
        "position": int,
        "registered": str,
        "role": str,
        "status": str,
        "weights": str,
        "dataset": str,
        "base": str,
        "parent": str,
        "training": str,
        "reason": str,
    },
    "gates": {
        "position": int,
        "time": str,
        "adapter": str,
        "parent": str,
        "verdict": str,
        "reason": str,
        "message": str,
        **{f"{side}_{figure}": int for side in ("failed", "worked") for figure in ("runs", "adapter", "parent")},
        **{
            f"{side}_{figure}": kind
            for side in ("failed", "worked")
            for figure, kind in (("answers", int), ("adapter_loss", float), ("parent_loss", float))
        },
    },
    "services": SERVICES,
    "rollouts": {
        "id": str,
        "position": int,
        "started": str,
        "role": str,
        "adapter": str,
        "stable": str,
        "phase": str,
        "weight_percent": int,
        "decided": str,
        "decided_by": str,
        "reason": str,
    },
    "assessments": {
        "position": int,
        "time": str,
        "rollout": str,
        "adapter": str,
        "verdict": str,
        "reason": str,
        "message": str,
    },
    "comparisons": COMPARISONS,
}
"""Each table's columns and their types; the first column is the key."""

Row = tuple[str, dict[str, Any]]


def rows_of(position: int, event: Event | Timestamped) -> list[Row]:
    """The partial rows (table, columns) that the event adds or changes."""
    rows = _BY_KIND.get(type(event))
    if rows is None or not isinstance(event, Event):
        return []
    return rows(position, event, event.originator_id.hex, event.time.isoformat())


def _row_of_start(position: int, event: TaskStarted, key: str, time: str) -> list[Row]:
    row = {
        "id": key,
        "position": position,
        "started": time,
        "role": event.role,
        "roles": event.role,
        "environment": event.environment,
        "task": event.task,
        "seed": event.seed,
        "arm": event.arm,
        "adapter": event.adapter,
        "rollout": event.rollout,
        "session": event.session,
        "base": event.base,
        "status": "running",
    }
    return [("runs", row)]


def _row_of_session(position: int, event: SessionImported, key: str, time: str) -> list[Row]:
    """A session of another program has its own start time, not that of its import."""
    return [] if event.started is None else [("runs", {"id": key, "started": event.started})]


def _row_of_end(position: int, event: TaskEnded, key: str, time: str) -> list[Row]:
    fault, reason = (event.fault, event.reason) if isinstance(event, TaskFailed) else (None, None)
    is_answer = isinstance(event, TaskAnswered)
    row = {
        "id": key,
        "status": "answered" if is_answer else "succeeded" if reason is None else "failed",
        "ended_position": position,
        "roles": ", ".join(assignment["role"] for assignment in event.assignments),
        "fault": fault,
        "reason": reason,
        "succeeded": isinstance(event, TaskSucceeded) if event.is_known else None,
        "steps": event.steps,
        "duration_ms": event.duration_ms,
        "reward": None if isinstance(event, TaskAnswered) else event.reward,
        "implicit_stars": None if isinstance(event, TaskAnswered) else event.implicit_stars,
    }
    return [("runs", row)]


def _row_of_judgement(position: int, event: TaskJudged, key: str, time: str) -> list[Row]:
    reason = None if event.succeeded else FailureReason.WRONG
    status = "succeeded" if event.succeeded else "failed"
    return [("runs", {"id": key, "status": status, "reason": reason, "succeeded": event.succeeded})]


def _rows_of_rating(position: int, event: TaskRated, key: str, time: str) -> list[Row]:
    run = {"id": key, "stars": event.stars, "fault": event.fault}
    return [("runs", run), ("ratings", row_of_rating(position, event, time))]


def _row_of_grade(position: int, event: TaskGraded, key: str, time: str) -> list[Row]:
    return [("grades", row_of_grade(position, event, time))]


def _rows_of_correction(position: int, event: TaskCorrected, key: str, time: str) -> list[Row]:
    return [("runs", {"id": key, "corrected_by": event.source}), ("corrections", row_of_correction(position, event))]


def _rows_of_withdrawal(position: int, event: CorrectionWithdrawn, key: str, time: str) -> list[Row]:
    return [("runs", {"id": key, "corrected_by": event.corrected_by}), ("corrections", row_of_withdrawal(event))]


def _row_of_comparison(position: int, event: ComparisonEvent, key: str, time: str) -> list[Row]:
    return [("comparisons", row_of_comparison(position, event))]


_UNDER_WAY = (
    *(TrainingStarted, TrainingProgressed, AttemptInterrupted, TrainingPending),
    *(DatasetSent, TuningSubmitted, SentDatasetDeleted),
)


def _rows_of_training(position: int, event: TrainingEvent, key: str, time: str) -> list[Row]:
    if isinstance(event, _UNDER_WAY):
        return []  # the table has no status for a training under way, and no row for its progress
    row: dict[str, Any] = {"id": key, "status": training_status(event)}
    match event:
        case TrainingRequested():
            row |= {"position": position, "requested": time, "role": event.role}
        case DatasetBuilt():
            row |= {"dataset": event.dataset, "examples": event.examples, "runs": event.runs}
        case TrainingCompleted():
            row |= {
                "weights": event.weights,
                "steps": event.steps,
                "tokens": event.tokens,
                "final_loss": event.final_loss,
                "duration_s": event.duration_s,
                "peak_memory_bytes": event.peak_memory_bytes,
            }
        case TrainingDeclined():
            row |= {"reason": event.reason, "examples": event.examples}
        case TrainingFailed() | TrainingHeld():
            row |= {"reason": event.reason}
    return [("trainings", row)]


def _rows_of_adapter(position: int, event: AdapterEvent, key: str, time: str) -> list[Row]:
    row = _status_row(event)
    match event:
        case AdapterRegistered():
            row |= {
                "id": key,
                "position": position,
                "registered": time,
                "role": event.role,
                "weights": event.weights,
                "dataset": event.dataset,
                "base": event.base,
                "parent": event.parent,
                "training": event.training,
            }
        case HeldOutJudged():
            return [("adapters", row), ("gates", _gate_row(position, event, time))]
        case AdapterRejected():
            row["reason"] = event.reason
        case AdapterServed() | AdapterUnserved():
            return [("services", row_of_service(position, event, time))]
    return [("adapters", row)]


def _status_row(event: AdapterEvent | RolloutEvent) -> dict[str, Any]:
    """The event's adapter, with its new status where the event changes it."""
    status = adapter_status(event)
    return {"name": event.adapter} if status is None else {"name": event.adapter, "status": status}


def _gate_row(position: int, event: HeldOutJudged, time: str) -> dict[str, Any]:
    names = ("adapter", "parent", "verdict", "reason", "message")
    row = {"position": position, "time": time, **{name: getattr(event, name) for name in names}}
    for side in ("failed", "worked"):
        measured = event.numbers.get(side, {})
        runs, losses = measured.get("runs", {}), measured.get("losses", {})
        row[f"{side}_runs"], row[f"{side}_answers"] = runs.get("instances"), losses.get("instances")
        for arm in ("adapter", "parent"):
            row[f"{side}_{arm}"], row[f"{side}_{arm}_loss"] = runs.get(arm), losses.get(arm)
    return row


def _rows_of_rollout(position: int, event: RolloutEvent, key: str, time: str) -> list[Row]:
    if isinstance(event, CanaryAssessed):
        return [("assessments", _assessment_row(position, event, key, time))]
    row: dict[str, Any] = {"id": key}
    if (phase := rollout_phase(event)) is not None:
        row["phase"] = phase
    match event:
        case RolloutStarted():
            row |= {
                "position": position,
                "started": time,
                "role": event.role,
                "adapter": event.adapter,
                "stable": event.stable,
                "weight_percent": event.weight_percent,
            }
        case CanaryWeightSet():
            row["weight_percent"] = event.weight_percent
        case RolloutPaused() | RolloutResumed():
            row["reason"] = event.reason
        case AdapterPromoted() | AdapterRolledBack():
            row |= {"reason": event.reason, "decided": time, "decided_by": event.actor}
    rows: list[Row] = [("rollouts", row)]
    if adapter_status(event) is not None:
        rows.append(("adapters", _status_row(event)))
    if (another := status_of_another(event)) is not None:
        rows.append(("adapters", {"name": another[0], "status": another[1]}))
    return rows


def _assessment_row(position: int, event: CanaryAssessed, key: str, time: str) -> dict[str, Any]:
    return {
        "position": position,
        "time": time,
        "rollout": key,
        "adapter": event.adapter,
        "verdict": event.verdict,
        "reason": event.reason,
        "message": event.message,
    }


Rows = Callable[[int, Any, str, str], list[Row]]
"""A function from position, event, id of the aggregate and time to the rows of the event."""

_ROWS: dict[type | tuple[type, ...], Rows] = {
    TaskStarted: _row_of_start,
    SessionImported: _row_of_session,
    (TaskSucceeded, TaskFailed, TaskAnswered): _row_of_end,
    (TaskJudged,): _row_of_judgement,
    TaskRated: _rows_of_rating,
    TaskGraded: _row_of_grade,
    TaskCorrected: _rows_of_correction,
    CorrectionWithdrawn: _rows_of_withdrawal,
    TrainingEvent: _rows_of_training,
    AdapterEvent: _rows_of_adapter,
    RolloutEvent: _rows_of_rollout,
    ComparisonEvent: _row_of_comparison,
}
_BY_KIND: dict[type, Rows] = {
    kind: rows for kind in EVENTS.values() for kinds, rows in _ROWS.items() if issubclass(kind, kinds)
}
HANDLED = frozenset(topic for topic, kind in EVENTS.items() if kind in _BY_KIND)
"""The topics of the events that add or change a row."""


def merge(rows: Iterable[Row]) -> dict[str, dict[Any, dict[str, Any]]]:
    """The partial rows merged by table and key: table to key to columns."""
    merged: dict[str, dict[Any, dict[str, Any]]] = {}
    for table, row in rows:
        key = row[next(iter(TABLES[table]))]
        merged.setdefault(table, {}).setdefault(key, {}).update(row)
    return merged
