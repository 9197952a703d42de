"""Imported runs: the marks of a run that another program made."""

from __future__ import annotations

from ..events import Assignment
from ..vocabulary import Arm

IMPORTED = "imported"
"""The base of an imported run, and the beginning of its adapter's name. This program never names an adapter so."""

RECORDED = "recorded"
"""Marks, in settings and base, a run that another program made and recorded here step by step."""


def is_imported(assignment: Assignment) -> bool:
    """Whether another program made the steps of the assignment."""
    adapter = assignment["adapter"] or ""
    return assignment["arm"] == Arm.PINNED and (adapter == IMPORTED or adapter.startswith(f"{IMPORTED}:"))
