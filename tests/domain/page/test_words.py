"""Words on a picture become lines: by rows, with columns apart, each with its place and its lowest score."""

from __future__ import annotations

import random

from grokputer.domain.page.line import read
from grokputer.domain.page.messages import Box, Page
from grokputer.domain.page.words import Layout, Word, find_lines, is_stray, lay_out, order_words


def row(y: int, *texts: tuple[int, str], score: float = 0.99) -> list[Word]:
    """Words of one row, 7 pixels a character: each with the place where it begins."""
    return [Word(text, score, Box(x, y, 7 * len(text), 14)) for x, text in texts]


def texts(words: list[Word]) -> list[str]:
    return [line.text for line in find_lines(words)]


def test_words_with_spaces_between_are_one_line_with_its_box_and_lowest_score() -> None:
    words = [*row(10, (20, "Save")), Word("As...", 0.61, Box(55, 11, 35, 14)), *row(40, (20, "Quit"))]
    laid_out = lay_out(words)
    assert laid_out.lines == ("text:Save As...[1]", "text:Quit[2]")
    assert laid_out.boxes == (Box(20, 10, 70, 15), Box(20, 40, 28, 14))
    assert laid_out.scores == (0.61, 0.99)
    assert laid_out.confidence == 0.61


def test_menus_of_one_row_are_lines_of_their_own() -> None:
    assert texts(row(0, (10, "File"), (54, "Edit"), (98, "View"))) == ["File", "Edit", "View"]


def test_a_narrow_column_is_kept_apart_where_the_rows_around_show_that_it_begins_there() -> None:
    words = [
        *row(0, (10, "Name"), (80, "Date")),
        *row(20, (10, "Ada"), (80, "1.2.2030")),
        *row(40, (10, "Elisabeth"), (80, "3.4.2031")),  # ends a space before the date
        *row(60, (10, "Bob"), (80, "today")),
    ]
    assert texts(words) == ["Name", "Date", "Ada", "1.2.2030", "Elisabeth", "3.4.2031", "Bob", "today"]


def test_prose_is_not_cut_where_words_happen_to_stand_under_each_other() -> None:
    words = [*row(0, (10, "The"), (38, "river"), (80, "rose")), *row(20, (10, "and"), (38, "then"), (73, "fell"))]
    assert texts([*words, *row(40, (10, "The"), (38, "end"))]) == ["The river rose", "and then fell", "The end"]


def test_words_that_stand_a_little_higher_share_the_row_and_those_below_do_not() -> None:
    assert texts([*row(0, (10, "one")), *row(4, (38, "two")), *row(12, (10, "three"))]) == ["one two", "three"]


def test_the_order_in_which_words_come_changes_nothing() -> None:
    words = [*row(0, (10, "File"), (54, "Edit")), *row(20, (10, "a"), (24, "b"), (80, "c")), *row(45, (10, "end"))]
    expected = lay_out(words)
    for seed in range(10):
        random.Random(seed).shuffle(words)
        assert lay_out(words) == expected
        assert [word.text for word in order_words(words)] == ["File", "Edit", "a", "b", "c", "end"]


def test_a_line_is_a_page_line_whatever_was_read() -> None:
    page = Page("", lay_out(row(0, (0, "item[3]"), (60, "a=b:c"))).lines)
    [line] = read(page, "text")
    assert (line.text, line.written) == ("item(3) a=b:c", "text:item(3) a=b:c[1]")


def test_a_picture_without_words_has_no_lines_and_no_confidence() -> None:
    assert lay_out([]) == Layout((), (), ())
    assert lay_out([]).confidence is None


def test_icons_that_were_taken_for_text_are_strays_and_words_are_not() -> None:
    def is_dropped(text: str, score: float) -> bool:
        return is_stray(Word(text, score, Box(0, 0, 9, 9)))

    assert (
        is_dropped("\u7f51", 0.55)
        and is_dropped("00\u7f51", 0.27)
        and is_dropped("\u300b", 0.5)
        and is_dropped(" ", 1.0)
    )
    assert not is_dropped("Gr\u00fc\u00dfe", 0.4) and not is_dropped("\u7f51\u7edc", 0.9) and not is_dropped("x", 0.2)
