"""The rows of the table ``corrections``: what a run should have done, and whether that still stands."""

from __future__ import annotations

from typing import Any

from ...domain.events import CorrectionWithdrawn, TaskCorrected

CORRECTIONS: dict[str, type] = {
    "id": str,
    "position": int,
    "run": str,
    "time": str,
    "actor": str,
    "source": str,
    "role": str,
    "steps": int,
    "is_verified": int,
    "withdrawn": str,
    "withdrawn_by": str,
}
"""The table's columns."""


def row_of_correction(position: int, event: TaskCorrected) -> dict[str, Any]:
    """The correction, which stands as long as no row says otherwise."""
    return {
        "id": event.reference,
        "position": position,
        "run": event.originator_id.hex,
        "time": event.time.isoformat(),
        "actor": event.actor,
        "source": event.source,
        "role": event.role,
        "steps": event.steps,
        "is_verified": int(event.is_verified),
    }


def row_of_withdrawal(event: CorrectionWithdrawn) -> dict[str, Any]:
    """When and by whom the correction was withdrawn, to be laid over its row."""
    return {"id": event.correction, "withdrawn": event.time.isoformat(), "withdrawn_by": event.actor}
