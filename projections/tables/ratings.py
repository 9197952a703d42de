"""The tables of ratings and of grades: what people and reviewers rated, and apart from it what judge models graded."""

from __future__ import annotations

from typing import Any

from ...domain.events import TaskGraded, TaskRated

RATINGS: dict[str, type] = {
    "position": int,
    "run": str,
    "time": str,
    "actor": str,
    "source": str,
    "role": str,
    "arm": str,
    "adapter": str,
    "stars": int,
    "step": int,
    "fault": str,
    "issues": str,
}

GRADES: dict[str, type] = {
    "position": int,
    "run": str,
    "time": str,
    "judge": str,
    "criteria": str,
    "role": str,
    "arm": str,
    "adapter": str,
    "stars": int,
}


def row_of_rating(position: int, event: TaskRated, time: str) -> dict[str, Any]:
    """The rating as one row."""
    return {
        "position": position,
        "run": event.originator_id.hex,
        "time": time,
        "actor": event.actor,
        "source": event.source,
        "role": event.role,
        "arm": event.arm,
        "adapter": event.adapter,
        "stars": event.stars,
        "step": event.step,
        "fault": event.fault,
        "issues": ", ".join(event.issues),
    }


def row_of_grade(position: int, event: TaskGraded, time: str) -> dict[str, Any]:
    """The grade as one row. It changes no row of a run, whose stars are a person's."""
    return {
        "position": position,
        "run": event.originator_id.hex,
        "time": time,
        "judge": event.judge,
        "criteria": event.criteria,
        "role": event.role,
        "arm": event.arm,
        "adapter": event.adapter,
        "stars": event.stars,
    }
