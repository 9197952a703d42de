"""Comparisons for SQL users: one row for each, with its figures once it is concluded."""

from __future__ import annotations

from typing import Any

from ...domain.events import ComparisonConcluded, ComparisonEvent, ComparisonStarted

FIGURES = {"success": "success", "stars": "stars", "latency_ms": "latency"}
"""The name of each figure among the numbers of a conclusion, and its name in the columns."""

COMPARISONS: dict[str, type] = {
    "id": str,
    "position": int,
    "started": str,
    "role": str,
    "a": str,
    "b": str,
    "base": str,
    "tasks": str,
    "episodes": int,
    "seed": int,
    "verdict": str,
    "reason": str,
    "message": str,
    "pairs": int,
    **{f"{name}_{part}": float for name in FIGURES.values() for part in ("a", "b", "difference", "low", "high")},
}
"""The columns and their types; the first is the key."""


def row_of_comparison(position: int, event: ComparisonEvent) -> dict[str, Any]:
    """The partial row that the event adds or changes."""
    row: dict[str, Any] = {"id": event.originator_id.hex}
    match event:
        case ComparisonStarted():
            names = ("role", "a", "b", "base", "episodes", "seed")
            row |= {"position": position, "started": event.time.isoformat(), "tasks": ", ".join(event.tasks)}
            row |= {name: getattr(event, name) for name in names}
        case ComparisonConcluded():
            row |= {"verdict": event.verdict, "reason": event.reason, "message": event.message}
            row["pairs"] = event.numbers.get("pairs")
            for figure, name in FIGURES.items():
                for part, value in (event.numbers.get(figure) or {}).items():
                    if part != "pairs":
                        row[f"{name}_{part}"] = value
    return row
