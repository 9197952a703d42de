"""Correcting a reading: the lines that a person reads on the screen in place of those of role ``ocr``."""

from __future__ import annotations

import json

from ...domain.aggregates.run import TaskRun
from ...domain.errors import NotPossible
from ...domain.events import StepTaken
from ...domain.page.reading import MOST_LINES, number_lines, read_lines, read_words
from ...domain.page.words import Word
from ...domain.rules.observing import is_like_tree
from ...domain.vocabulary import CorrectionSource, StepKind
from ..agent.sight import row_of_reading
from ..store.ledger import Ledger
from ..store.log import Log
from .corrected_steps import record_rows
from .corrections import BadCorrection


def is_reading(run: TaskRun, step: int | None) -> bool:
    """Whether the run has this step, and it reads."""
    return step is not None and 1 <= step <= len(run.steps) and run.steps[step - 1].kind == StepKind.READ


def correct_reading(ledger: Ledger, run: TaskRun, step: int, written: str, actor: str) -> TaskRun:
    """Record a person's lines as the right answer of the reading; the other readings keep the corrections that they have.

    Numbers at the ends of the lines may be missing. Nothing can try them, so the person is believed. Raises ``BadCorrection``
    for what are no lines, and ``NotPossible`` where the words of the reading were erased.
    """
    run.require_step(step)
    reading = run.steps[step - 1]
    lines = number_lines(written.split("\n"))
    if read_lines("\n".join(lines), ()) is None:
        raise BadCorrection(
            f"these are no lines of a screen; give 1 to {MOST_LINES}, one a line, each a kind, a colon and the text, as in "
            "button:Ok or entry=Bob:Name"
        )
    prompt = ledger.get_content(reading.prompt)
    if prompt is None:
        raise NotPossible(f"the words of step {step} of run {run.id.hex[:8]} were erased; it cannot be corrected")
    row = row_of_reading(json.loads(prompt), lines, run.role_of(reading))
    others = [other for other in _rows(ledger, run) if other["messages"] != row["messages"]]
    return record_rows(ledger, run, [*others, row], 0, CorrectionSource.HUMAN, actor=actor, is_verified=False)


def words_of(log: Log, reading: StepTaken) -> tuple[Word, ...]:
    """The words that the step read, with their places; none where they were erased."""
    prompt = log.get_content(reading.prompt)
    return () if prompt is None else read_words(json.loads(prompt))


def lines_so_far(log: Log, run: TaskRun, reading: StepTaken) -> list[str]:
    """The right lines of the reading as far as they are known: a person's, else the tree's, else those that were read."""
    prompt = json.loads(log.get_content(reading.prompt) or "[]")
    corrected = next((row["completion"] for row in _rows(log, run) if row["messages"] == prompt), None)
    return str(corrected or log.get_content(reading.answer) or "").splitlines()


def first_misread(log: Log, run: TaskRun) -> int | None:
    """The first step whose reading is unlike the corrected one, kinds included; None without such a step."""
    right = {json.dumps(row["messages"]): str(row["completion"]).splitlines() for row in _rows(log, run)}
    for step in run.steps:
        prompt = log.get_content(step.prompt) if step.kind == StepKind.READ else None
        expected = None if prompt is None else right.get(json.dumps(json.loads(prompt)))
        lines = (log.get_content(step.answer) or "").splitlines()
        if expected is not None and not is_like_tree(expected, lines, by_text=False):
            return step.step
    return None


def _rows(log: Log, run: TaskRun) -> list[dict[str, object]]:
    """The corrected readings so far: those of a person, or else those of the tree."""
    kept = [correction for correction in run.corrections if not correction.steps]
    kept.sort(key=lambda correction: correction.source == CorrectionSource.HUMAN)
    text = log.get_content(kept[-1].correction) if kept else None
    return [] if text is None else list(json.loads(text))
