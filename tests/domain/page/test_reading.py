"""Role ``ocr``: its prompt is a function of the words, its answer is read strictly, and lines are compared without numbers."""

from __future__ import annotations

import pytest

from grokputer.domain.page.messages import Box
from grokputer.domain.page.reading import (
    LINES_INSTRUCTIONS,
    MOST_LINES,
    MOST_WORDS,
    LineShare,
    compare_lines,
    read_lines,
    read_words,
    write_lines_prompt,
    write_words,
)
from grokputer.domain.page.words import Layout, Word

NAME = Word("Name", 0.999, Box(10, 40, 30, 14))
BOB = Word("Bob", 0.7, Box(90, 40, 21, 14))
OK = Word("OK", 0.95, Box(60, 80, 14, 14))
WORDS = (NAME, BOB, OK)


def test_a_prompt_has_the_task_before_and_after_the_words_with_places_and_scores() -> None:
    system, user = write_lines_prompt("Press\nOK", (OK, BOB, NAME))
    assert system["content"] == LINES_INSTRUCTIONS
    assert user["content"] == (
        "task: Press OK\ntext:Name[1] 10 40 30 14 99\ntext:Bob[2] 90 40 21 14 70\ntext:OK[3] 60 80 14 14 95\n"
        "task: Press OK\nlines: "
    )


def test_the_order_in_which_words_come_does_not_change_the_prompt() -> None:
    assert write_lines_prompt("Press OK", WORDS) == write_lines_prompt("Press OK", WORDS[::-1])


def test_a_word_cannot_break_its_line_and_a_prompt_is_bounded() -> None:
    assert write_words([Word("a\nb[7]", 1.0, Box(0, 0, 9, 9))]) == ["text:ab(7)[1] 0 0 9 9 100"]
    many = [Word("x", 1.0, Box(20 * (n % 20), 20 * (n // 20), 9, 9)) for n in range(MOST_WORDS + 50)]
    prompt = write_lines_prompt("", many)
    assert len(read_words(prompt)) == MOST_WORDS


def test_the_words_of_a_line_stand_together_with_a_place_each_and_are_read_back() -> None:
    words = (Word("Save", 0.98, Box(10, 30, 30, 12)), Word("As...", 0.7, Box(44, 30, 32, 12)), OK)
    assert write_words(words)[0] == "text:Save As...[1] 10 30 30 12 98 44 30 32 12 70"
    assert read_words(write_lines_prompt("text:Save[1] 1 2 3 4", words)) == words


def test_an_answer_is_numbered_and_lies_where_its_words_are() -> None:
    assert read_lines("entry=Bob:Name[7]\nbutton:OK[9]\n", WORDS) == Layout(
        ("entry=Bob:Name[1]", "button:OK[2]"), (Box(10, 40, 101, 14), Box(60, 80, 14, 14)), (0.7, 0.95)
    )


def test_a_word_that_stands_twice_is_used_from_the_top() -> None:
    below = OK._replace(box=Box(60, 120, 14, 14))
    read = read_lines("button:OK[1]\nbutton:OK[2]\nbutton:OK[3]", (below, OK))
    assert read is not None
    assert read.boxes == (OK.box, below.box, None)


def test_a_line_that_was_made_up_has_no_place_and_no_confidence() -> None:
    read = read_lines("text:Pay now[1]", WORDS)
    assert read is not None
    assert (read.boxes, read.confidence) == ((None,), 0.0)


@pytest.mark.parametrize(
    "answer",
    ["", "  \n", "Name is Bob", "button:OK", "button:OK[1] and more", "CLICKbutton:OK[1]", "button:OK[1]\n\nx", "[1]"],
)
def test_an_answer_with_anything_but_lines_is_no_answer(answer: str) -> None:
    assert read_lines(answer, WORDS) is None


def test_an_answer_with_too_many_lines_is_no_answer() -> None:
    assert read_lines("\n".join(f"text:x[{n}]" for n in range(MOST_LINES + 1)), WORDS) is None


def test_lines_are_compared_without_numbers_order_and_white_space() -> None:
    tree = ["menu:Save  As...[4]", "entry=Bob:Name[9]", "button:OK[12]", "button:OK[13]"]
    assert compare_lines(tree, ["button:OK[1]", "menu:Save As...[2]", "entry=Bob:Name[3]"]) == LineShare(3, 4, 3)
    assert compare_lines(tree, ["text:OK[1]"]).right == 0
    assert compare_lines(tree, ["text:OK[1]", "text:Bob Name[2]"], by_text=True).right == 2


def test_neither_silence_nor_guesses_raise_the_share() -> None:
    assert compare_lines(["button:OK[1]", "text:a[2]"], []).share == 0
    assert compare_lines(["button:OK[1]"], ["button:OK[1]", "text:a[2]", "text:b[3]", "text:c[4]"]).share == 0.25
    assert compare_lines([], []).share == 1
    assert compare_lines(["a:b[1]", "a:c[2]"], ["a:c[1]", "a:b[2]"]).share == 1
