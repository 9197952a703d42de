"""How a step was made, as this program exports it: under the key ``grokputer`` of a step, which no other program has.

Steps without the key are acts without a plan, as all were in exports of 0.1.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ...domain.events import StepTaken
from ...domain.rules.imported import IMPORTED
from ...domain.vocabulary import Finding, StepKind
from .values import Values

KEY = "grokputer"
KEYS = ("kind", "goal", "found", "model", "confidence")


@dataclass(frozen=True)
class Made:
    """The fields of ``StepTaken`` of the same names."""

    kind: StepKind = StepKind.ACT
    goal: int = 0
    found: str = ""
    model: str | None = None
    confidence: float | None = None


USUAL = Made()
"""An act without a plan, of which nothing more is known."""


def write_made(step: StepTaken, base: str) -> dict[str, Any]:
    """What the step's object says under ``KEY``; empty for an act of which nothing is known. ``base`` made the run."""
    model = step.model or (None if base == IMPORTED else base)
    row = {"kind": step.kind, "goal": step.goal, "found": step.found, "model": model, "confidence": step.confidence}
    usual = asdict(USUAL)
    return {key: value for key, value in row.items() if value != usual[key]}


def read_made(values: Values, step: Mapping[str, Any]) -> Made:
    """How the step was made. Raises ``InvalidSession``."""
    row = step.get(KEY)
    if row is None:
        return USUAL
    if not isinstance(row, dict):
        values.refuse(f"iterations[].{KEY}", row, f"an object with {', '.join(KEYS)}")
    within = f"iterations[].{KEY}."
    values.note_unknown(row, KEYS, within)
    kind, found, sure = row.get("kind", StepKind.ACT), row.get("found", ""), row.get("confidence")
    if kind not in tuple(StepKind):
        values.refuse(f"{within}kind", kind, ", ".join(StepKind))
    if found not in ("", *Finding):
        values.refuse(f"{within}found", found, ", ".join(Finding))
    if sure is not None and not (isinstance(sure, int | float) and not isinstance(sure, bool) and 0 <= sure <= 1):
        values.refuse(f"{within}confidence", sure, "a number from 0 to 1")
    goal = values.count(f"{within}goal", row.get("goal", 0), "the number of a goal, or 0")
    model = values.text(f"{within}model", row.get("model"))
    return Made(StepKind(kind), goal, found, model, None if sure is None else float(sure))
