"""A reading on the page of its run: its words on the picture, and the form in which a person corrects them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....domain.aggregates.run import TaskRun
from ....domain.errors import BadArgument
from ....domain.page.spelling import SpelledLine, correct_words, spell
from ....domain.page.words import Word
from ....domain.rules.confidence import find_doubt
from ....domain.vocabulary import StepKind
from ....projections.wording.sentences import short_id
from ...feedback.readings import is_reading, lines_so_far, words_of
from ...store.states import load_state
from ...use_cases import corrections
from ...use_cases.lookups import find_run
from ..site.visit import Done, Visit

if TYPE_CHECKING:
    from ...store.log import Log

FIELDS = ("step", "line", "kind", "word", "more")


def describe_words(log: Log, run: TaskRun) -> dict[int, list[dict[str, Any]]]:
    """The words of each step that read, with their places on its picture, by the step's number."""
    reads = [step for step in run.steps if step.kind == StepKind.READ]
    least = load_state(log).policy.read.min_confidence if reads else 0
    return {step.step: [_describe(word, least) for word in words_of(log, step)] for step in reads}


def describe_form(log: Log, run: TaskRun, number: int | None) -> dict[str, Any] | None:
    """The form for the reading of the step: its lines, each with its words. None for a step that does not read."""
    if number is None or not is_reading(run, number):
        return None
    least, reading = load_state(log).policy.read.min_confidence, run.steps[number - 1]
    words, lines = words_of(log, reading), lines_so_far(log, run, reading)
    places = {word: place for place, word in enumerate(words)}
    spelled = [_describe_line(line, places, least) for line in spell(lines, words)]
    return {"step": number, "lines": lines, "spelled": spelled}


def save(visit: Visit) -> Done:
    """Record the words of the form as the right lines of the reading. Raises ``BadArgument``, ``BadCorrection``."""
    run = visit.ledger.get(TaskRun, find_run(visit.ledger, visit.name("run")))
    form, number = visit.form, visit.form.number("step", 1, 10_000)
    if not is_reading(run, number):
        reads = [str(step.step) for step in run.steps if step.kind == StepKind.READ]
        has = f"its steps that read are {', '.join(reads)}" if reads else "none of its steps reads"
        raise BadArgument(f"step {number or 'none'} of run {short_id(run.id.hex)} does not read; {has}")
    assert number is not None
    lines = form.several("line")
    if form.several("kind"):
        spelled = spell(lines, words_of(visit.ledger, run.steps[number - 1]))
        try:
            lines = correct_words(spelled, form.several("kind"), form.several("word"))
        except ValueError:
            raise BadArgument("the words are not those of the lines; load the page again") from None
    lines += form.one("more").replace("\r\n", "\n").split("\n")
    way = corrections.Answer("\n".join(lines), number)
    corrected = corrections.correct(visit.ledger, run.id, way, actor=visit.visitor.name)
    said = f"saved: the lines of step {number}" if corrected.is_new else f"the lines of step {number} are as they were"
    data = {"run": run.id.hex, "step": number, "position": corrected.position, "is_new": corrected.is_new}
    return Done(f"/runs/{run.id.hex}?reading={number}", said, data=data)


def _describe(word: Word, least: float) -> dict[str, Any]:
    doubt = find_doubt(word.text, word.score, least)
    return {"text": word.text, "score": word.score, "box": list(word.box), "doubt": doubt and str(doubt)}


def _describe_line(line: SpelledLine, places: dict[Word, int], least: float) -> dict[str, Any]:
    words = [
        {
            "text": spelled.text,
            "place": None if spelled.word is None else places[spelled.word],
            "read": None if spelled.word is None else _describe(spelled.word, least),
        }
        for spelled in line.words
    ]
    return {"kind": line.kind, "words": words}
