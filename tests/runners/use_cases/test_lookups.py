"""Names of people: which ones are free, and what a user of the machine is called who has one of the program's own."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from command_line import output, refused

from grokputer.domain.aggregates.base import OWN_NAMES
from grokputer.runners.use_cases.lookups import name_actor, read_moment
from story import Story


@pytest.mark.parametrize("name", sorted(OWN_NAMES))
def test_a_user_with_one_of_the_programs_own_names_is_called_user(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", name)
    assert getpass.getuser() == name
    assert name_actor(None) == f"user {name}"


def test_a_rating_by_one_of_the_programs_own_names_is_refused_and_not_recorded(tmp_path: Path) -> None:
    story = Story(tmp_path / "events.db")
    run, before = story.run(), story.ledger.position
    said = refused("rate", run.hex, 2, "--as", "reviewer", db=story.path)
    assert said.count("\n") <= 1
    assert "bench, demo, grokputer, reviewer" in said and "give another with --as" in said
    assert story.ledger.position == before


def test_a_user_called_as_the_program_can_be_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "demo")
    story = Story(tmp_path / "events.db")
    output("rate", story.run().hex, 2, db=story.path)
    assert "user demo" in output("log", db=story.path)
    output("forget", "--yes", "--person", "user demo", "--reason", "left", "--as", "eve", db=story.path)
    assert "user demo" not in output("log", db=story.path)


def test_a_time_without_a_zone_is_of_the_zone_that_is_named() -> None:
    assert read_moment("2026-05-01T14:30", UTC) == datetime(2026, 5, 1, 14, 30, tzinfo=UTC)
    assert read_moment("2026-05-01T14:30+02:00", UTC) == datetime(2026, 5, 1, 12, 30, tzinfo=UTC)
    assert read_moment("120", UTC) == 120
