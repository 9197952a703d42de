"""How things are printed: tables, trees and JSON on stdout, everything said in passing on stderr.

On a terminal Rich draws; where stdout is piped or a file, the same rows are plain aligned text that nothing needs
to be loaded for, without colour and never cut. All text is escaped here, since it may come from a page, a model or a
stranger: a command prints by these functions alone.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ...projections.explain.escaping import escape_text

if TYPE_CHECKING:
    from rich.text import Text


@dataclass
class Branch:
    """A line of a tree and what hangs from it."""

    line: str
    branches: list[Branch] = field(default_factory=list)


def is_terminal() -> bool:
    """Whether a person watches stdout."""
    return sys.stdout.isatty()


def print_line(text: object = "", *, flush: bool = False) -> None:
    """Print one line on stdout; a line break within the text is shown as an escape."""
    print(escape_text(str(text)), flush=flush)


def print_text(text: str, indent: str = "") -> None:
    """Print text of several lines on stdout, each after the indent."""
    for line in _lines(text):
        print_line(f"{indent}{line}")


def say(line: object) -> None:
    """Tell on stderr what is being done, in one line."""
    print(escape_text(str(line)), file=sys.stderr)


def say_text(text: str) -> None:
    """Show text of several lines on stderr."""
    for line in _lines(text):
        say(line)


def as_text(line: str, style: str = "") -> Text:
    """The line for Rich: escaped, and what looks like markup or an emoji's name is shown as it is written."""
    from rich.text import Text

    return Text(escape_text(line), style=style)


def print_json(document: Any) -> None:
    """Print one JSON document."""
    print(to_json(document, indent=2))


def print_json_line(document: Any, *, flush: bool = False) -> None:
    """Print one JSON document on a line of its own."""
    print(to_json(document), flush=flush)


def print_drawing(drawing: str) -> None:
    """Print what the program itself drew, as it is: it may have colours. Never text of a log."""
    print(drawing)


def to_json(document: Any, indent: int | None = None) -> str:
    """The document as JSON; characters that stdout cannot encode, and halves of pairs, are escaped."""
    written = json.dumps(document, ensure_ascii=False, indent=indent, default=str)
    try:
        written.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(document, indent=indent, default=str)
    return written


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], empty: str = "nothing yet") -> None:
    """Print the rows under their columns; numbers stand to the right, None is a dash, no rows are ``empty``."""
    cells = [[_text(value) for value in row] for row in rows]
    if not cells:
        print_line(empty)
        return
    numeric = [all(_is_number(row[index]) for row in cells) for index in range(len(columns))]
    if not is_terminal():
        _print_plain([[escape_text(name) for name in columns], *cells], numeric)
        return
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name, is_numeric in zip(columns, numeric, strict=True):
        table.add_column(as_text(name), justify="right" if is_numeric else "left", overflow="fold")
    for row in cells:
        table.add_row(*(as_text(cell, _STYLES.get(cell, "")) for cell in row))
    Console().print(table)


def print_tree(root: Branch) -> None:
    """Print the line and, below it, what hangs from it."""
    if not is_terminal():
        print_line(root.line)
        _print_branches(root.branches, "")
        return
    from rich.console import Console
    from rich.tree import Tree

    def grow(tree: Tree, branches: Sequence[Branch]) -> Tree:
        for branch in branches:
            grow(tree.add(as_text(branch.line)), branch.branches)
        return tree

    Console().print(grow(Tree(as_text(root.line, "bold")), root.branches))


def show_time(time: datetime | str) -> str:
    """The time in the reader's own zone, to the second."""
    moment = datetime.fromisoformat(time) if isinstance(time, str) else time
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"


def show_share(share: float | None) -> str | None:
    """A share in [0, 1] in per cent."""
    return None if share is None else f"{share * 100:.1f} %"


_STYLES = {
    "ok": "green",
    "equal": "green",
    "live": "green",
    "promoted": "green",
    "succeeded": "green",
    "warn": "yellow",
    "paused": "yellow",
    "canary": "yellow",
    "fail": "bold red",
    "differs": "bold red",
    "rejected": "red",
    "rolled back": "red",
}
"""The colours of words that stand for a state."""


def _lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").split("\n")


def _text(value: Any) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else escape_text(str(value))


def _is_number(cell: str) -> bool:
    return cell == "-" or cell.removesuffix(" %").replace(".", "", 1).lstrip("-").isdecimal()


def _print_plain(rows: Sequence[Sequence[str]], numeric: Sequence[bool]) -> None:
    widths = [max(len(row[index]) for row in rows) for index in range(len(numeric))]
    for row in rows:
        cells = (
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        )
        print_line("  ".join(cells).rstrip())


def _print_branches(branches: Sequence[Branch], indent: str) -> None:
    for branch in branches:
        is_last = branch is branches[-1]
        print_line(f"{indent}{'└── ' if is_last else '├── '}{branch.line}")
        _print_branches(branch.branches, indent + ("    " if is_last else "│   "))
