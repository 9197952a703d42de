"""Words that were read on a picture, and the page lines that they make.

A window without a tree of elements is acted on by its words: each line is ``text:Save As...[3]``, with its place, so an
action can name it as it names any element.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .line import write
from .messages import Box

WIDE_GAP = 1.7
"""A gap that parts two texts of one row, in widths of the row's mean character; measured on windows of GTK and Qt, where a
space of prose has 0.6 to 1.3 and the gap between two menus 2."""

ALIGNED_PX = 3
"""Two texts begin at the same place when they differ by this much at most, in pixels; chosen: a stroke's width."""

NEIGHBOURS = 4
"""Rows above and below in which a column shows; chosen."""

STRAY_SCORE = 0.6
"""A word with other signs than Latin ones under this score is an icon; measured: icons come out as signs with 0.2 to 0.7."""

LAST_LATIN = 0x24F
"""The last sign of the alphabets of Europe in Unicode."""

KIND = "text"
"""The kind of a line that was read and not told by a tree."""


class Word(NamedTuple):
    """One word on a picture."""

    text: str
    score: float
    """0 to 1: the lowest certainty of its characters."""
    box: Box


class TextLine(NamedTuple):
    """Words that belong together: a label, an item of a menu, a cell, a line of prose."""

    words: tuple[Word, ...]

    @property
    def text(self) -> str:
        """The words with one space between."""
        return " ".join(word.text for word in self.words)

    @property
    def score(self) -> float:
        """The lowest score of its words."""
        return min(word.score for word in self.words)

    @property
    def box(self) -> Box:
        """The smallest box around its words."""
        return surround([word.box for word in self.words])


class Layout(NamedTuple):
    """What was read, as parts of a page: ``lines[i]`` ends with ``[i + 1]`` and lies at ``boxes[i]``."""

    lines: tuple[str, ...]
    boxes: tuple[Box | None, ...]
    """None for a line whose words are not on the picture."""
    scores: tuple[float, ...]
    """The lowest score of each line's words."""

    @property
    def confidence(self) -> float | None:
        """The lowest score of all; None without a line."""
        return min(self.scores, default=None)


def surround(boxes: Sequence[Box]) -> Box:
    """The smallest box around the boxes, of which there is one at least."""
    x, y = min(box.x for box in boxes), min(box.y for box in boxes)
    right, bottom = max(box.x + box.width for box in boxes), max(box.y + box.height for box in boxes)
    return Box(x, y, right - x, bottom - y)


def is_stray(word: Word) -> bool:
    """Whether the word is an icon that was taken for text."""
    is_odd = any(ord(sign) > LAST_LATIN for sign in word.text) or not any(map(str.isalnum, word.text))
    return not word.text.strip() or (word.score < STRAY_SCORE and is_odd)


def find_lines(words: Iterable[Word]) -> tuple[TextLine, ...]:
    """The lines of the words, row by row from the top, from left to right.

    Words of one row stand apart where the gap is wide, and where a column of the rows around begins.
    """
    rows = [sorted(row, key=lambda word: word.box.x) for row in _rows(words)]
    starts = [_starts(row) for row in rows]
    lines = []
    for number, row in enumerate(rows):
        around = [*starts[max(0, number - NEIGHBOURS) : number], *starts[number + 1 : number + 1 + NEIGHBOURS]]
        columns = [start for others in around for start in others]
        cuts = starts[number] | {word.box.x for word in row if _begins_column(word.box.x, columns)}
        lines += [TextLine(tuple(part)) for part in _cut(row, cuts)]
    return tuple(lines)


def order_words(words: Iterable[Word]) -> tuple[Word, ...]:
    """The words in the order in which they are read."""
    return tuple(word for line in find_lines(words) for word in line.words)


def lay_out(words: Iterable[Word]) -> Layout:
    """The page lines of the words. The same words give the same lines, in whatever order they come."""
    lines = find_lines(words)
    return Layout(
        tuple(write(number, KIND, line.text) for number, line in enumerate(lines, 1)),
        tuple(line.box for line in lines),
        tuple(line.score for line in lines),
    )


def _rows(words: Iterable[Word]) -> list[list[Word]]:
    """The words by rows: a word belongs to the row whose first word's middle it covers, or that covers its own."""
    rows: list[list[Word]] = []
    for word in sorted(words, key=lambda word: (_middle(word), word.box.x, word.text)):
        row = next((row for row in reversed(rows[-NEIGHBOURS:]) if _is_beside(row[-1], word)), None)
        if row is None:
            rows.append([word])
        else:
            row.append(word)
    return rows


def _middle(word: Word) -> float:
    return word.box.y + word.box.height / 2


def _is_beside(one: Word, other: Word) -> bool:
    """Whether two words share a row: their middles differ by less than half of the lower height."""
    return abs(_middle(one) - _middle(other)) < min(one.box.height, other.box.height) / 2


def _starts(row: Sequence[Word]) -> set[int]:
    """Where texts of the row begin after a wide gap."""
    wide = WIDE_GAP * sum(word.box.width for word in row) / sum(len(word.text) for word in row)
    starts, right = set(), row[0].box.x
    for word in row:
        if word.box.x - right > wide:
            starts.add(word.box.x)
        right = max(right, word.box.x + word.box.width)
    return starts


def _begins_column(x: int, columns: Sequence[int]) -> bool:
    """Whether a text that begins here begins a column: after wide gaps, two texts of the rows around begin at its place."""
    return sum(abs(x - start) <= ALIGNED_PX for start in columns) >= 2


def _cut(row: Sequence[Word], cuts: set[int]) -> list[list[Word]]:
    parts: list[list[Word]] = []
    for word in row:
        if word.box.x in cuts or not parts:
            parts.append([])
        parts[-1].append(word)
    return parts
