"""A reading as a person corrects it: each word of its lines has the place where it was read."""

from __future__ import annotations

import pytest

from grokputer.domain.page.messages import Box
from grokputer.domain.page.spelling import correct_words, spell
from grokputer.domain.page.words import Word

SAVE = Word("Save", 0.98, Box(10, 30, 30, 12))
BJORN = Word("Bjorn", 0.9, Box(90, 30, 30, 12))
STRAY = Word("7x", 0.6, Box(0, 90, 20, 12))
WORDS = (SAVE, BJORN, STRAY)
LINES = ("entry=Björn:Name[1]", "button disabled:Save[2]", "cell*:Icon[3]")


def test_a_word_lies_where_the_same_was_read_or_else_what_is_like_it() -> None:
    entry, button, cell, left = spell(LINES, WORDS)
    assert [(word.text, word.word) for word in entry.words] == [("Björn", BJORN), ("Name", None)]
    assert (button.kind, button.text[0].word) == ("button disabled", SAVE)
    assert (cell.kind, cell.text[0].word) == ("cell*", None)
    assert (left.kind, left.text) == ("", ((STRAY.text, STRAY),))


def test_the_same_words_and_kinds_give_the_same_lines_without_what_no_line_has() -> None:
    spelled = spell(LINES, WORDS)
    words = [word.text for line in spelled for word in line.words]
    assert correct_words(spelled, [line.kind for line in spelled], words) == list(LINES)


def test_words_and_kinds_are_changed_added_and_left_out() -> None:
    spelled = spell(LINES, WORDS)
    corrected = correct_words(spelled, ["entry", "button*", "", "label"], ["Bob", "", "Save all", "Icon", "7%"])
    assert corrected == ["entry=Bob[1]", "button*:Save all[2]", "label:7%[3]"]


def test_one_word_on_the_picture_is_the_place_of_one_word_alone() -> None:
    first, second = spell(("text:Save[1]", "text:Save[2]"), (SAVE,))
    assert (first.text[0].word, second.text[0].word) == (SAVE, None)


@pytest.mark.parametrize(("kinds", "words"), [(["text"] * 3, ["a"] * 5), (["text"] * 4, ["a"] * 4)])
def test_words_of_other_lines_are_refused(kinds: list[str], words: list[str]) -> None:
    with pytest.raises(ValueError, match="not those of the lines"):
        correct_words(spell(LINES, WORDS), kinds, words)
