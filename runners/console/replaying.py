"""Replay: everything computed from the log once more, and held against what is saved."""

from __future__ import annotations

import typer

from .options import DEFAULT_DB, AsJson, Db, open_log
from .rendering import print_json, print_table


def replay(db: Db = DEFAULT_DB, as_json: AsJson = False) -> None:
    """Rebuild every view from the log alone.

    Says for each whether the saved one is equal to the bit; exits with 1 when one differs.

    \b
    Examples:
      grokputer replay
      grokputer replay --db events.db --json
    """
    from ..views import replay as rebuild

    found = rebuild(open_log(db))
    if as_json:
        print_json({"events": found.events, "is_equal": found.is_equal, "equal": found.equal})
    else:
        print(f"{found.events} events replayed")
        print_table(("view", "result"), ((view, "equal" if same else "differs") for view, same in found.equal.items()))
    if not found.is_equal:
        raise typer.Exit(1)
