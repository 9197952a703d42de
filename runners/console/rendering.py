"""How things are printed: tables, trees and JSON on stdout, everything said in passing on stderr.

On a terminal Rich draws; where stdout is piped or a file, the same rows are plain aligned text that nothing needs
to be loaded for, without colour and never cut.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass
class Branch:
    """A line of a tree and what hangs from it."""

    line: str
    branches: list[Branch] = field(default_factory=list)


def is_terminal() -> bool:
    """Whether a person watches stdout."""
    return sys.stdout.isatty()


def say(line: str) -> None:
    """Tell on stderr what is being done."""
    print(line, file=sys.stderr)


def print_json(document: Any) -> None:
    """Print one JSON document."""
    print(json.dumps(document, ensure_ascii=False, indent=2, default=str))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], empty: str = "nothing yet") -> None:
    """Print the rows under their columns; numbers stand to the right, None is a dash, no rows are ``empty``."""
    cells = [[_text(value) for value in row] for row in rows]
    if not cells:
        print(empty)
        return
    numeric = [all(_is_number(row[index]) for row in cells) for index in range(len(columns))]
    if not is_terminal():
        _print_plain([list(columns), *cells], numeric)
        return
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name, is_numeric in zip(columns, numeric, strict=True):
        table.add_column(name, justify="right" if is_numeric else "left", overflow="fold")
    for row in cells:
        table.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in row))
    Console().print(table)


def print_tree(root: Branch) -> None:
    """Print the line and, below it, what hangs from it."""
    if not is_terminal():
        print(root.line)
        _print_branches(root.branches, "")
        return
    from rich.console import Console
    from rich.text import Text
    from rich.tree import Tree

    def grow(tree: Tree, branches: Sequence[Branch]) -> Tree:
        for branch in branches:
            grow(tree.add(Text(branch.line)), branch.branches)
        return tree

    Console().print(grow(Tree(Text(root.line, style="bold")), root.branches))


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


def _text(value: Any) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _is_number(cell: str) -> bool:
    return cell == "-" or cell.removesuffix(" %").replace(".", "", 1).lstrip("-").isdecimal()


def _print_plain(rows: Sequence[Sequence[str]], numeric: Sequence[bool]) -> None:
    widths = [max(len(row[index]) for row in rows) for index in range(len(numeric))]
    for row in rows:
        cells = (
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        )
        print("  ".join(cells).rstrip())


def _print_branches(branches: Sequence[Branch], indent: str) -> None:
    for branch in branches:
        is_last = branch is branches[-1]
        print(f"{indent}{'└── ' if is_last else '├── '}{branch.line}")
        _print_branches(branch.branches, indent + ("    " if is_last else "│   "))
