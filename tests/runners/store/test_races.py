"""Decisions that another process overtakes: made again, and in the end while no other process writes."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from eventsourcing.persistence import IntegrityError

from grokputer.domain.aggregates.settings import SETTINGS_ID, Settings
from grokputer.domain.errors import LogError
from grokputer.domain.events import PolicyChanged
from grokputer.runners.store import locks
from grokputer.runners.store.ledger import RACES, Ledger


def change(ledger: Ledger, value: int) -> None:
    """Change a setting in an attempt that loses to no one."""
    settings = ledger.get(Settings, SETTINGS_ID)
    settings.change("rating.window", value, "a race", ledger.context("eve"))
    ledger.store(settings)


def values(ledger: Ledger) -> list[object]:
    return [stored.event.new for stored in ledger.read() if isinstance(stored.event, PolicyChanged)]


@pytest.fixture
def is_quickly_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "WAIT_S", 0.05)


@pytest.mark.usefixtures("is_quickly_given_up")
def test_a_decision_that_another_process_always_overtakes_is_made_while_no_other_writes(tmp_path: Path) -> None:
    with closing(Ledger.create(tmp_path / "events.db")) as ledger, closing(Ledger.open(ledger.path)) as other:
        overtaken, kept_out = 0, 0

        def decide(settings: Settings) -> None:
            nonlocal overtaken, kept_out
            try:
                change(other, 10 + overtaken)
                overtaken += 1
            except LogError:
                kept_out += 1
            settings.change("rating.window", 99, "decided", ledger.context("ada"))

        ledger.write(Settings, SETTINGS_ID, decide)
        assert (overtaken, kept_out) == (RACES - 1, 1)
        assert values(ledger) == [*range(10, 10 + overtaken), 99]
        change(other, 50)
        assert values(ledger)[-1] == 50


@pytest.mark.usefixtures("is_quickly_given_up")
def test_a_decision_that_is_overtaken_even_while_no_other_writes_ends_with_one_line(tmp_path: Path) -> None:
    with closing(Ledger.create(tmp_path / "events.db")) as ledger:
        attempts = 0

        def decide() -> None:
            nonlocal attempts
            attempts += 1
            raise IntegrityError

        with pytest.raises(LogError, match="by too many processes at once; try again"):
            ledger.until_stored(decide)
        assert attempts == RACES


@pytest.mark.usefixtures("is_quickly_given_up")
def test_another_error_of_a_decision_is_raised_at_once(tmp_path: Path) -> None:
    with closing(Ledger.create(tmp_path / "events.db")) as ledger:
        attempts = 0

        def decide() -> None:
            nonlocal attempts
            attempts += 1
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            ledger.until_stored(decide)
        assert attempts == 1


def write_alone_and_fail(ledger: Ledger, other: Ledger) -> None:
    writer = ledger._events.recorder.datastore.writer
    with writer.alone():
        change(ledger, 11)
        with writer.alone():
            change(ledger, 12)
        with pytest.raises(LogError, match="is being written by"):
            change(other, 13)
        change(ledger, 14)
        raise ZeroDivisionError


@pytest.mark.usefixtures("is_quickly_given_up")
def test_a_holder_of_the_write_lock_may_nest_writes_and_frees_it_at_the_end_or_an_error(tmp_path: Path) -> None:
    with closing(Ledger.create(tmp_path / "events.db")) as ledger, closing(Ledger.open(ledger.path)) as other:
        with pytest.raises(ZeroDivisionError):
            write_alone_and_fail(ledger, other)
        change(other, 15)
        assert values(ledger) == [11, 12, 14, 15]
