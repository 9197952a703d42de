"""The one hint at the end of a command: what a person would type next. It goes to stderr and is never part of the data."""

from __future__ import annotations

import os
import shlex
import sys

from ..store.place import read_place
from .options import DEFAULT_DB
from .rendering import is_terminal, say


def suggest(command: str, db: str = DEFAULT_DB) -> None:
    """Print ``next: grokputer COMMAND`` on stderr at a terminal; the log is named where the command would need it."""
    if not (is_terminal() and sys.stderr.isatty()):
        return
    current = os.environ.get("GROKPUTER_DB") or DEFAULT_DB
    option = "" if db == current else f" --db {shlex.quote(str(read_place(db)))}"
    say(f"next: grokputer {command}{option}")
