"""How commands print: tables, trees and JSON on stdout, and messages about what is being done on stderr.

On a terminal, text is wrapped between words to the terminal's width, and words that stand for a state have a colour
that is readable on a light and on a dark background. Where stdout is piped or a file, the same rows are plain aligned
text with every column. All text is escaped here, since it may come from a page, a model or another program; so commands
print by these functions alone.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

from ...projections.wording.escaping import escape_text
from .tables import Column, Line, as_time, lay_out, lay_out_plainly, show_time, wrap

if TYPE_CHECKING:
    from rich.text import Text

__all__ = ["Column", "as_time", "show_time"]
"""Names of ``tables`` that commands import from here."""

NARROWEST = 20
"""Columns that every terminal is taken to have at least; chosen: fewer leave no room for a word."""


@dataclass
class Branch:
    """A line of a tree, and the lines below it."""

    line: str
    branches: list[Branch] = field(default_factory=list)


def is_terminal() -> bool:
    """Whether stdout is a terminal."""
    return sys.stdout.isatty()


def terminal_width() -> int:
    """Columns of the terminal, or the value of $COLUMNS; at least ``NARROWEST``."""
    return max(NARROWEST, shutil.get_terminal_size().columns)


def print_line(text: object = "", *, flush: bool = False) -> None:
    """Print one line on stdout; a line break within the text is shown as an escape."""
    _write(str(text), sys.stdout, flush)


def print_text(text: str, indent: str = "") -> None:
    """Print text of several lines on stdout, each after the indent."""
    for line in _lines(text):
        print_line(f"{indent}{line}")


class Streamed:
    """Text on stdout that comes in parts, escaped; ``end`` ends its last line."""

    def __init__(self) -> None:
        self._column_is_0 = True
        self._held = ""

    def write(self, part: str) -> None:
        """Print the part at once. A carriage return waits for what follows it."""
        text = (self._held + part).replace("\r\n", "\n")
        self._held = "\r" if text.endswith("\r") else ""
        self._print(text.removesuffix(self._held) if self._held else text)

    def end(self) -> None:
        """Print what was held back, and end the line."""
        self._print(self._held + ("" if self._column_is_0 and not self._held else "\n"))
        self._held = ""

    def _print(self, text: str) -> None:
        if text:
            print("\n".join(map(escape_text, text.split("\n"))), end="", flush=True)
            self._column_is_0 = text.endswith("\n")


def say(line: object) -> None:
    """Print a message about what is being done on stderr, in one line."""
    _write(str(line), sys.stderr)


def say_text(text: str, indent: str = "") -> None:
    """Print text of several lines on stderr, each after the indent."""
    for line in _lines(text):
        say(f"{indent}{line}")


def _write(text: str, to: TextIO, flush: bool = False) -> None:
    """Write the text, escaped, on one line; on a terminal wrapped to its width, with further lines indented by two more
    spaces."""
    line = escape_text(text)
    if not to.isatty():
        print(line, file=to, flush=flush)
        return
    width = terminal_width()
    indent = " " * min(len(line) - len(line.lstrip(" ")) + 2, width // 2)
    for part in wrap(line, width, indent):
        print(part, file=to, flush=flush)


def as_text(line: str, style: str = "") -> Text:
    """The line for Rich: escaped, and without interpreting markup or names of emoji."""
    from rich.text import Text

    return Text(escape_text(line), style=style)


def print_json(document: Any) -> None:
    """Print one JSON document."""
    print(to_json(document, indent=2))


def print_json_line(document: Any, *, flush: bool = False) -> None:
    """Print one JSON document on one line."""
    print(to_json(document), flush=flush)


def print_drawing(drawing: str) -> None:
    """Print a drawing of the program itself as it is, since it may contain colours. Never text of a log."""
    print(drawing)


def to_json(document: Any, indent: int | None = None) -> str:
    """The document as JSON; characters that stdout cannot encode, and unpaired surrogates, are escaped."""
    written = json.dumps(document, ensure_ascii=False, indent=indent, default=str)
    try:
        written.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(document, indent=indent, default=str)
    return written


def print_table(columns: Sequence[str | Column], rows: Iterable[Sequence[Any]], empty: str = "nothing yet") -> None:
    """Print the rows under their columns; numbers are right-aligned, None is a dash, and without rows ``empty`` is printed.

    A cell that is a ``datetime`` is shortened where there is little room. On a terminal that is too narrow, columns are
    left out by their ranks.
    """
    headings, cells = [column if isinstance(column, Column) else Column(column) for column in columns], [*rows]
    if not cells:
        print_line(empty)
    elif is_terminal():
        for line in lay_out(headings, cells, terminal_width(), datetime.now(UTC)):
            print(_paint(line).rstrip(" "))
    else:
        for line in lay_out_plainly(headings, cells):
            print("  ".join(line.cells).rstrip(" "))


def print_tree(root: Branch) -> None:
    """Print the root's line and, below it, its branches."""
    begin, end = (BOLD, PLAIN) if is_terminal() and has_colours() else ("", "")
    for line in _fold(escape_text(root.line), ""):
        print(f"{begin}{line}{end}")
    _print_branches(root.branches, "")


def show_share(share: float | None) -> str | None:
    """A share in [0, 1] as a percentage; None stays None."""
    return None if share is None else f"{share * 100:.1f} %"


def has_colours() -> bool:
    """Whether the terminal shows colours and the user wants them (https://no-color.org)."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


BOLD, PLAIN = "\x1b[1m", "\x1b[0m"
GOOD, UNSURE, BAD = 28, 130, 160
"""Green, orange and red of the 256 colours that are readable on white and on black."""
COLOURS = {
    **dict.fromkeys(("ok", "equal", "live", "promoted", "succeeded"), GOOD),
    **dict.fromkeys(("warn", "paused", "canary"), UNSURE),
    **dict.fromkeys(("fail", "failed", "differs", "rejected", "rolled back"), BAD),
}
"""The colours of words that stand for a state. The word is printed too, so no meaning depends on a colour alone."""


def _paint(line: Line) -> str:
    """The line with its colours, where the terminal has any."""
    if not has_colours():
        return "  ".join(line.cells)
    if line.is_heading:
        return f"{BOLD}{'  '.join(line.cells).rstrip(' ')}{PLAIN}"
    cells = (
        f"\x1b[38;5;{COLOURS[state]}m{cell}{PLAIN}" if state in COLOURS else cell
        for cell, state in zip(line.cells, line.states, strict=True)
    )
    return "  ".join(cells)


def _lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").split("\n")


def _fold(line: str, prefix: str) -> list[str]:
    """The escaped line, wrapped to the width that the prefix leaves; one line where stdout is not a terminal."""
    return wrap(line, max(NARROWEST, terminal_width() - len(prefix)), "  ") if is_terminal() else [line]


def _print_branches(branches: Sequence[Branch], indent: str) -> None:
    for branch in branches:
        is_last = branch is branches[-1]
        below = indent + ("    " if is_last else "│   ")
        hangs = "│ " if branch.branches else "  "
        first, *more = _fold(escape_text(branch.line), below)
        print(f"{indent}{'└── ' if is_last else '├── '}{first}")
        for part in more:
            print(f"{below}{hangs}{part.lstrip(' ')}")
        _print_branches(branch.branches, below)
