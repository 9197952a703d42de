"""What the tests of the command line share: a log with a history, and calls of a command with what it printed."""

from __future__ import annotations

import json
import os
import pty
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from grokputer.cli import app
from grokputer.runners.store.log import Log
from grokputer.runners.store.place import DatabaseUrl, Place, text_of
from story import Story


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log with one promotion, a second adapter by hand whose rollout is paused, and a comment."""
    story = Story(tmp_path_factory.mktemp("log") / "events.db")
    story.promote()
    good = story.run()
    story.rate(good, 5, "bob", "quick and right")
    story.run(succeeds=False, reason="timeout")
    second = story.train(story.ask())
    story.assess(story.prove(second), "inconclusive", "no data")
    story.ledger.close()
    return story.path


@pytest.fixture
def log(written: Path, tmp_path: Path) -> Path:
    """A copy of that log to write to."""
    shutil.copytree(written.parent, tmp_path, dirs_exist_ok=True)
    return tmp_path / "events.db"


def call(*words: object, db: Place | None = None, typed: str | None = None) -> Result:
    """Call the command line; the log is given at the end."""
    given = [str(word) for word in words] + (["--db", text_of(db)] if db is not None else [])
    return CliRunner().invoke(app, given, input=typed, catch_exceptions=False)


def output(*words: object, db: Place | None = None) -> str:
    result = call(*words, db=db)
    assert result.exit_code == 0, result.output
    return result.stdout


def document(*words: object, db: Place) -> Any:
    return json.loads(output(*words, "--json", db=db))


def lines(db: Place, *words: object) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output("log", "--json", *words, db=db).splitlines()]


def refused(*words: object, db: Place) -> str:
    """The one line on stderr with which the command is refused; nothing is printed and nothing recorded."""
    before = count(db)
    result = call(*words, db=db)
    assert result.exit_code == 1
    assert result.stdout == ""
    [line] = result.stderr.splitlines()
    assert line.startswith("grokputer: ")
    assert count(db) == before
    return line


def count(db: Place) -> int | None:
    if isinstance(db, DatabaseUrl):
        return Log.open(db).position
    try:
        with closing(sqlite3.connect(f"file:{db}?mode=ro", uri=True)) as connection:
            found: int = connection.execute("SELECT COUNT(*) FROM stored_events").fetchone()[0]
    except sqlite3.Error:
        return None
    return found


def on_a_terminal(*words: object, db: Place, columns: int = 120, typed: bytes = b"", exit_code: int = 0) -> bytes:
    """What the program writes to a terminal so wide, on which a person types."""
    terminal, own = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm-256color"}
    program = [str(Path(sys.executable).with_name("grokputer")), *map(str, words), "--db", text_of(db)]
    with subprocess.Popen(program, stdin=own, stdout=own, stderr=own, env=environment) as process:
        os.close(own)
        os.write(terminal, typed)
        shown = b""
        try:
            while part := os.read(terminal, 65_536):
                shown += part
        except OSError:  # what Linux says where the other end is closed
            pass
    os.close(terminal)
    assert process.returncode == exit_code, shown
    return shown
