"""The rows of the table ``corrections``: the right steps of a run, and whether the correction was withdrawn."""

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
    """The row of a correction that is not withdrawn."""
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
    """When and by whom the correction was withdrawn, to be merged into its row."""
    return {"id": event.correction, "withdrawn": event.time.isoformat(), "withdrawn_by": event.actor}
