"""The one hint at the end of a command: what a person would type next. It is never part of the data."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from .options import DEFAULT_DB
from .rendering import is_terminal, say


def suggest(command: str, db: Path = DEFAULT_DB) -> None:
    """Say ``next: grokputer COMMAND`` on stderr where a person watches; the log is named where the command would need it."""
    if not (is_terminal() and sys.stderr.isatty()):
        return
    in_force = Path(os.environ.get("GROKPUTER_DB") or DEFAULT_DB)
    named = "" if db == in_force else f" --db {shlex.quote(str(db))}"
    say(f"next: grokputer {command}{named}")
