"""Runs that another program made and that were imported as sessions: how a run's adapter says so."""

from __future__ import annotations

from ..events import Assignment
from ..vocabulary import Arm

IMPORTED = "imported"
"""The base of such a run, and the beginning of its adapter's name. Numbered adapters of this program never begin so."""

RECORDED = "recorded"
"""Stands among a run's settings, and for its base, where another program made the run and recorded it here as it went."""


def is_imported(lane: Assignment) -> bool:
    """Whether another program made the steps of the lane."""
    adapter = lane["adapter"] or ""
    return lane["arm"] == Arm.PINNED and (adapter == IMPORTED or adapter.startswith(f"{IMPORTED}:"))
