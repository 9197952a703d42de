"""Decisions that another process overtakes: made again, and in the end while no other process writes."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from uuid import UUID

import pytest
from eventsourcing.persistence import IntegrityError

from given import START
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.aggregates.settings import SETTINGS_ID, Settings
from grokputer.domain.errors import LogError
from grokputer.domain.events import PolicyChanged
from grokputer.projections.state.state import State
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.store.ledger import RACES, Ledger
from grokputer.runners.store.sqlite import locks
from story import Story


def change(ledger: Ledger, value: int) -> None:
    """Change a setting in an attempt that loses to no one."""
    settings = ledger.get(Settings, SETTINGS_ID)
    settings.change("rating.window", value, "a race", ledger.context("eve"))
    ledger.store(settings)


def values(ledger: Ledger) -> list[object]:
    return [stored.event.new for stored in ledger.read() if isinstance(stored.event, PolicyChanged)]


def start_run(ledger: Ledger, number: int) -> None:
    run, context = TaskRun(UUID(int=number)), ledger.context("bob")
    run.start(context, **{**START, "arm": "stable", "adapter": None, "rollout": None})
    ledger.store(run)


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
def test_an_overtaken_decision_on_the_state_brings_the_views_up_while_no_other_writes(tmp_path: Path) -> None:
    story = Story(tmp_path / "events.db")
    with closing(story.ledger) as ledger, closing(Ledger.open(ledger.path)) as other:
        attempts = 0

        def look() -> State:
            nonlocal attempts
            attempts += 1
            if attempts < RACES:
                start_run(other, attempts)  # the SQL tables are behind the log then
            elif attempts == RACES:
                with pytest.raises(LogError, match="is being written by process"):
                    start_run(other, attempts)
            return process_new_events(ledger)

        def decide(settings: Settings, state: State) -> None:
            if attempts < RACES:
                change(other, 10 + attempts)
            settings.change("rating.window", 40, "decided", ledger.context("ada"))

        ledger.write_on_state(Settings, SETTINGS_ID, look, decide, ())
        assert (attempts, values(ledger)[-1]) == (RACES, 40)


@pytest.mark.usefixtures("is_quickly_given_up")
def test_an_error_of_the_attempt_in_which_no_other_writes_is_no_lost_race_and_raised_as_it_is(tmp_path: Path) -> None:
    with closing(Ledger.create(tmp_path / "events.db")) as ledger:
        attempts = 0

        def decide() -> None:
            nonlocal attempts
            attempts += 1
            raise IntegrityError

        with pytest.raises(IntegrityError):
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
    writer = ledger._events.recorder.writer
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
