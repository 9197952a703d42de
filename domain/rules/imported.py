"""Imported runs: the marks of a run that another program made."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from ..events import Assignment
from ..vocabulary import Arm

IMPORTED = "imported"
"""The base of an imported run, and the beginning of its adapter's name. This program never names an adapter so."""


class Unknown(StrEnum):
    """The type of ``UNKNOWN``. An adapter is never named so."""

    ADAPTER = "unknown"


UNKNOWN: Final = Unknown.ADAPTER
"""In place of an adapter's name: it is not known what made the run. The text ``unknown`` means the same."""

RECORDED = "recorded"
"""Marks, in settings and base, a run that another program made and recorded here step by step."""


def is_imported(assignment: Assignment) -> bool:
    """Whether another program made the steps of the assignment."""
    adapter = assignment["adapter"] or ""
    return assignment["arm"] == Arm.PINNED and (adapter == IMPORTED or adapter.startswith(f"{IMPORTED}:"))
