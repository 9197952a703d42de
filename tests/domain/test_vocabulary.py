"""The words of verdicts, phases and statuses: closed sets, stored as they always were."""

from __future__ import annotations

import ast
import json
from enum import StrEnum

import pytest
from places import ROOT, TESTS

from grokputer.domain import vocabulary
from grokputer.domain.aggregates.run import CORRECTION_SOURCES
from grokputer.domain.events import EVENTS
from grokputer.domain.rules.rating import SOURCES
from grokputer.domain.vocabulary import Arm, Backend, CycleOutcome, Decision, FailureReason, RatingSource

ENUMS = [
    value
    for value in vars(vocabulary).values()
    if isinstance(value, type) and issubclass(value, StrEnum) and value is not StrEnum
]
ONLY_THERE = {
    *(
        "roll back",
        "no-go",
        "progressing",
        "dataset built",
        "most runs",
        "few runs",
        "few stable runs",
        "no worse so far",
    ),
    *("nothing held out", "few pairs", "few ratings", "no evidence", "pinned", "proven", "judged"),
}
"""Words that mean one thing alone: of these no free text stands in a rule or a fold."""


@pytest.mark.parametrize("kind", ENUMS)
def test_a_word_is_its_own_text_in_json_in_a_sentence_and_as_a_key(kind: type[StrEnum]) -> None:
    for word in kind:
        assert json.dumps(word) == json.dumps(word.value)
        assert f"{word}" == word.value
        assert word == word.value and hash(word) == hash(word.value)
        is_named_otherwise = word is Decision.NO_GO or word is Backend.ENDPOINT  # values that logs have
        assert word.value == word.name.lower().replace("_", " ") or is_named_otherwise


def test_what_earlier_programs_stored_is_in_the_vocabulary() -> None:
    lines = (TESTS / "earlier_log.jsonl").read_text(encoding="utf-8").splitlines()
    stored = [(row["topic"], json.loads(row["state"])) for row in map(json.loads, lines)]
    fields = {
        "CanaryAssessed": ("verdict", Decision), "CycleClosed": ("outcome", CycleOutcome),
        "TaskFailed": ("reason", FailureReason), "TaskStarted": ("arm", Arm), "TaskRated": ("source", RatingSource),
    }  # fmt: skip
    found = {(topic, state[fields[topic][0]]) for topic, state in stored if topic in fields}
    assert {topic for topic, _ in found} == fields.keys()
    for topic, word in found:
        assert word in list(fields[topic][1])


def test_a_class_of_events_has_the_name_of_its_topic() -> None:
    assert {topic: kind.__name__ for topic, kind in EVENTS.items()} == {topic: topic for topic in EVENTS}


def test_sources_are_those_that_logs_have() -> None:
    assert SOURCES == ("human", "reviewer")
    assert CORRECTION_SOURCES == ("human", "reviewer", "retry", "teacher")


@pytest.mark.parametrize("folder", ["domain", "projections/state"])
def test_rules_and_folds_take_their_words_from_the_vocabulary(folder: str) -> None:
    for path in (ROOT / folder).rglob("*.py"):
        if path.stem == "vocabulary":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert node.value not in ONLY_THERE, (
                    f"{path.relative_to(ROOT)}:{node.lineno} has the word {node.value!r}"
                )
