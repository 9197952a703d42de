"""A log that moves between a file and a database through a pipe, as the commands do it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from stores import server

from grokputer.runners.store.place import Place, text_of
from story import Story

PROGRAM = [sys.executable, "-c", "from grokputer.cli import main; main()", "log"]


def export(place: Place) -> bytes:
    return subprocess.run([*PROGRAM, "export", "-", "--db", text_of(place)], check=True, capture_output=True).stdout


def move(source: Place, target: Place) -> None:
    """``log export - | log import -``."""
    with subprocess.Popen([*PROGRAM, "export", "-", "--db", text_of(source)], stdout=subprocess.PIPE) as exporting:
        subprocess.run(
            [*PROGRAM, "import", "-", "--db", text_of(target)], stdin=exporting.stdout, check=True, capture_output=True
        )
    assert exporting.returncode == 0


def test_a_log_goes_through_a_pipe_into_a_database_and_back_equal_to_the_byte(tmp_path: Path) -> None:
    there, back = server().place(), tmp_path / "back.db"
    story = Story(tmp_path / "events.db")
    story.rate(story.run(), 4, comment="two\nlines, é")
    move(story.place, there)
    move(there, back)
    assert export(back) == export(there) == export(story.place)
