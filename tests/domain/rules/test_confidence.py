"""What is doubtful: a low score, two readings, and look-alikes that nothing around them settles."""

from __future__ import annotations

import pytest

from grokputer.domain.rules.confidence import (
    Doubt,
    find_doubt,
    mixes_look_alikes,
    propose_speech_issue,
)
from grokputer.domain.rules.rating import ISSUES, ROLE_OF_ISSUE, propose_fault
from grokputer.domain.settings.settings import ROLES

SETTLED = (
    *(
        "Illness",
        "all",
        "OK",
        "I",
        "III",
        "PDF",
        "PDFs",
        "IDs",
        "10:01",
        "100",
        "1.1.2030",
        "2316.78",
        "A4",
        "F1",
        "mp3",
    ),
    *(
        "v1.0",
        "report10.txt",
        "100px",
        "10th",
        "GitHub",
        "I'll",
        "we\u2019ll",
        "|",
        "IO",
        "snake_oil",
        "Ol\u00e9",
        "50%",
    ),
)
UNSETTLED = (
    *("A1lI8", "X5l17", "B9lO2", "reportl0", "fiIe", "HELlO", "l0", "lI", "1O", "O0", "wor|d", "Z4I03", "10l", "cl1ck"),
)


@pytest.mark.parametrize("text", SETTLED)
def test_words_and_numbers_whose_shape_settles_them_are_not_doubtful(text: str) -> None:
    assert not mixes_look_alikes(text)
    assert find_doubt(text, 0.99, 0.85) is None


@pytest.mark.parametrize("text", UNSETTLED)
def test_look_alikes_that_nothing_settles_are_doubtful_whatever_the_score(text: str) -> None:
    assert find_doubt(text, 1.0, 0.85) == Doubt.LOOK_ALIKES


def test_a_score_under_the_setting_is_doubtful_and_one_at_it_is_not() -> None:
    assert find_doubt("Save", 0.849, 0.85) == Doubt.SCORE
    assert find_doubt("Save", 0.85, 0.85) is None


def test_speech_under_the_setting_is_doubtful() -> None:
    assert propose_speech_issue(0.6, 0.7) and not propose_speech_issue(0.7, 0.7) and not propose_speech_issue(None, 0.7)


def test_an_issue_proposes_the_role_that_it_speaks_of_where_that_role_made_a_step() -> None:
    assert propose_fault(["wrong_action"], ["action", "recovery"]) == "action"
    assert propose_fault(["ocr_confidence_low", "timeout"], ["action", "ocr"]) == "ocr"
    assert propose_fault(["ocr_confidence_low"], ["action"]) is None
    assert propose_fault(["ocr_confidence_low", "wrong_action"], ["action", "ocr"]) is None
    assert propose_fault(["timeout", "own words"], ["action"]) is None


def test_the_table_of_roles_names_known_issues_and_roles_alone() -> None:
    assert set(ROLE_OF_ISSUE) <= set(ISSUES)
    assert set(ROLE_OF_ISSUE.values()) <= set(ROLES)
