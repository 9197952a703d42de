"""Layout of tables in the width of a terminal: which columns are left out and which text is wrapped; words are not cut.

Pure: it takes values and a width, and returns lines. ``rendering`` prints them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from unicodedata import combining, east_asian_width

from ...projections.wording.escaping import escape_text

GAP = 2
"""Spaces between two columns."""
LONGEST_WORD = 30
"""Characters after which a word in a table, such as a path or a hash, may be broken; on a wide terminal a third of its
width; chosen."""
SEPARATORS = "/,;:=_-.&?"
"""A word that is too long is broken after one of these, where possible."""


@dataclass(frozen=True)
class Column:
    """A column of a table: its heading, and how it shrinks on a narrow terminal."""

    name: str
    rank: int = 0
    """0 is always shown; of the others the highest rank is left out first."""
    wraps: int = 0
    """The least width in characters to which its text may be wrapped, never within a word; 0 keeps each cell on one line."""


@dataclass(frozen=True)
class Line:
    """One line of a table, its cells padded; ``states`` are the same cells without padding, which decide their colours."""

    cells: tuple[str, ...]
    states: tuple[str, ...]
    is_heading: bool = False


def as_time(time: datetime | str) -> datetime:
    """The time as a cell, which a table shortens where there is little room."""
    return datetime.fromisoformat(time) if isinstance(time, str) else time


def show_time(time: datetime | str) -> str:
    """The time in the local zone, to the second."""
    return f"{as_time(time).astimezone():%Y-%m-%d %H:%M:%S}"


def show_short_time(time: datetime, now: datetime) -> str:
    """The time in the local zone, to the minute; with its year only if that is not the present one."""
    local = time.astimezone()
    if local.year != now.astimezone().year:
        return f"{local:%Y-%m-%d %H:%M}"
    return f"{local:%b} {local.day:>2} {local:%H:%M}"


def show_cell(value: Any, now: datetime | None = None) -> str:
    """A value as a cell: None is a dash, and a time is short where ``now`` is given."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return show_time(value) if now is None else show_short_time(value, now)
    return f"{value:g}" if isinstance(value, float) else escape_text(str(value))


def is_number(cell: str) -> bool:
    """Whether the cell is right-aligned: a number, a percentage or a dash."""
    return cell == "-" or cell.removesuffix(" %").replace(".", "", 1).lstrip("-").isdecimal()


def measure(text: str) -> int:
    """The number of terminal columns that the text takes."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(character) else 2 if east_asian_width(character) in "WF" else 1 for character in text)


def wrap(text: str, width: int, indent: str = "") -> list[str]:
    """The text on lines of at most ``width`` columns, broken between words; lines after the first begin with the indent.

    A word that is longer than a line is broken after a separator, or at the end of the line.
    """
    if measure(text) <= width:
        return [text]
    lines: list[str] = []
    line = ""
    for piece in _pieces(text):
        if measure(line + piece) <= width:
            line += piece
            continue
        if line.strip(" "):
            lines.append(line.rstrip(" "))
            line = indent
        else:
            line += piece[: len(piece) - len(piece.lstrip(" "))]
        word = piece.lstrip(" ")
        while measure(line + word) > width:
            head = _head(word, max(1, width - measure(line)))
            lines.append(line + head)
            word, line = word[len(head) :], indent
        line += word
    return [*lines, line.rstrip(" ")] if line.strip(" ") else lines


def lay_out(columns: Sequence[Column], rows: Sequence[Sequence[Any]], width: int, now: datetime) -> list[Line]:
    """The table in at most ``width`` columns of a terminal.

    Times are shortened first, then columns are left out by their ranks, and text is wrapped. Where that is not enough,
    each row becomes lines of a name and a value.
    """
    for is_short, wraps, shown in _candidates(columns):
        cells = [[show_cell(row[at], now if is_short else None) for at in shown] for row in rows]
        chosen = [columns[at] for at in shown]
        widths = _fit(chosen, cells, width)
        if widths is not None and (
            wraps or widths == [_natural(column, at, cells) for at, column in enumerate(chosen)]
        ):
            return _table(chosen, cells, widths)
    return _records(columns, [[show_cell(value) for value in row] for row in rows], width)


def lay_out_plainly(columns: Sequence[Column], rows: Sequence[Sequence[Any]]) -> list[Line]:
    """The table with every column, each cell on one line: piped output does not depend on a terminal."""
    cells = [[show_cell(value) for value in row] for row in rows]
    return _table(columns, cells, [_natural(column, at, cells) for at, column in enumerate(columns)])


def _candidates(columns: Sequence[Column]) -> Iterator[tuple[bool, bool, list[int]]]:
    """Layouts, the most complete first: whether times are short, whether text may wrap, and the columns that are shown."""
    everything = list(range(len(columns)))
    yield False, False, everything
    for most in sorted({column.rank for column in columns} | {0}, reverse=True):
        yield True, True, [at for at in everything if columns[at].rank <= most]


def _natural(column: Column, at: int, cells: Sequence[Sequence[str]]) -> int:
    return max(measure(escape_text(column.name)), *(measure(row[at]) for row in cells))


def _fit(columns: Sequence[Column], cells: Sequence[Sequence[str]], width: int) -> list[int] | None:
    """The width of each column, None if the columns do not fit."""
    naturals = [_natural(column, at, cells) for at, column in enumerate(columns)]
    word = max(LONGEST_WORD, width // 3)
    widths = [_least(column, at, cells, word, naturals[at]) for at, column in enumerate(columns)]
    room = width - sum(widths) - GAP * (len(columns) - 1)
    if room < 0:
        return None
    while room > 0 and widths != naturals:
        at = max(range(len(widths)), key=lambda at: naturals[at] - widths[at])
        widths[at] += 1
        room -= 1
    return widths


def _least(column: Column, at: int, cells: Sequence[Sequence[str]], word: int, natural: int) -> int:
    """The least width of the column: ``wraps`` or more, and no word of up to ``word`` characters is cut."""
    if not column.wraps:
        return natural
    words = (piece.strip(" ") for row in cells for piece in _pieces(row[at]))
    longest = max(measure(escape_text(column.name)), *map(measure, words))
    return min(natural, max(column.wraps, min(longest, word)))


def _table(columns: Sequence[Column], cells: Sequence[Sequence[str]], widths: Sequence[int]) -> list[Line]:
    is_right = [all(is_number(row[at]) for row in cells) for at in range(len(columns))]
    lines = [_line([escape_text(column.name) for column in columns], widths, is_right, is_heading=True)]
    for row in cells:
        wrapped = [wrap(cell, width) for cell, width in zip(row, widths, strict=True)]
        for number in range(max(map(len, wrapped))):
            parts = [part[number] if number < len(part) else "" for part in wrapped]
            lines.append(_line(parts, widths, is_right))
    return lines


def _line(parts: Sequence[str], widths: Sequence[int], is_right: Sequence[bool], *, is_heading: bool = False) -> Line:
    padded = []
    for part, width, right in zip(parts, widths, is_right, strict=True):
        space = " " * (width - measure(part))
        padded.append(space + part if right else part + space)
    return Line(tuple(padded), tuple(parts), is_heading)


def _records(columns: Sequence[Column], cells: Sequence[Sequence[str]], width: int) -> list[Line]:
    """Each row as lines of a name and a value, a blank line between two rows."""
    names = [escape_text(column.name) for column in columns]
    left = min(max(map(measure, names)), max(4, width // 2))
    lines: list[Line] = []
    for row in cells:
        if lines:
            lines.append(Line(("",), ("",)))
        for name, cell in zip(names, row, strict=True):
            for number, part in enumerate(wrap(cell, max(1, width - left - GAP))):
                begin = name[:left] if not number else ""
                lines.append(Line((begin + " " * (left - measure(begin)), part), ("", part)))
    return lines


def _pieces(text: str) -> list[str]:
    """The text's words, each with the spaces before it; a number and its percent sign are one word."""
    pieces, piece = [], ""
    for at, character in enumerate(text):
        if character == " " and piece.strip(" ") and text[at + 1 : at + 2] != "%":
            pieces.append(piece)
            piece = ""
        piece += character
    return [*pieces, piece] if piece else pieces


def _head(word: str, width: int) -> str:
    """The first part of the word that fits: to a separator in its second half, or to the end of the line."""
    end = taken = 0
    for character in word:
        taken += measure(character)
        if taken > width and end:
            break
        end += 1
    at = max(word.rfind(separator, 0, end) for separator in SEPARATORS) + 1
    return word[:at] if at > end // 2 else word[:end]
