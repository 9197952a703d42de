"""Moments that are named by a time, in logs whose times are not in order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from command_line import document, refused
from hypothesis import given
from hypothesis import strategies as st

from grokputer.domain.aggregates.settings import SETTINGS_ID, Settings
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.log import Log
from story import BEGIN, Standing


def write(path: Path, seconds: list[float]) -> Log:
    """A log of one event at each of these times, in this order."""
    clock = Standing()
    ledger = Ledger.create(path, clock)
    for number, after in enumerate(seconds):
        clock.time = BEGIN + timedelta(seconds=after)
        settings = ledger.get(Settings, SETTINGS_ID)
        settings.change("rating.window", 20 + number, "tried", ledger.context("ada"))
        ledger.store(settings)
    ledger.close()
    return Log.open(path)


@given(
    times=st.lists(st.integers(0, 6).map(lambda half: half / 2), min_size=1, max_size=12),
    wanted=st.integers(-1, 7).map(lambda half: half / 2),
)
def test_a_time_names_the_last_event_that_is_not_later_though_times_are_out_of_order(
    tmp_path_factory: pytest.TempPathFactory, times: list[float], wanted: float
) -> None:
    log = write(tmp_path_factory.mktemp("times") / "events.db", times)
    expected = max((at for at, time in enumerate(times, 1) if time <= wanted), default=0)
    assert log.position_at(BEGIN + timedelta(seconds=wanted)) == expected


def test_after_the_clock_was_set_back_a_time_names_an_event_of_after_it(tmp_path: Path) -> None:
    log = write(tmp_path / "events.db", [0, 3600, 7200, 1800, 2700])
    moment = (BEGIN + timedelta(seconds=2000)).isoformat()
    assert document("at", moment, db=log.path)["position"] == 4
    assert document("at", (BEGIN + timedelta(seconds=9000)).isoformat(), db=log.path)["position"] == 5
    assert "before the log begins" in refused("at", (BEGIN - timedelta(seconds=1)).isoformat(), db=log.path)


def test_a_time_ahead_of_the_clock_is_answered_if_the_log_has_later_events(
    tmp_path: Path,
) -> None:
    ahead = (datetime.now(UTC) + timedelta(days=30) - BEGIN).total_seconds()
    log = write(tmp_path / "events.db", [0, ahead, ahead + 60])
    assert document("at", (BEGIN + timedelta(seconds=ahead + 1)).isoformat(), db=log.path)["position"] == 2
    assert "is in the future" in refused("at", (BEGIN + timedelta(seconds=ahead + 61)).isoformat(), db=log.path)


@pytest.mark.parametrize(
    "moment", ["0001-01-01", "9999-12-31T23:59:59", "0001-01-01T00:00+14:00", "9999-12-31T23:59-14:00"]
)
def test_a_time_at_the_end_of_all_times_is_one_line(tmp_path: Path, moment: str) -> None:
    write(tmp_path / "events.db", [0, 1])
    refused("at", moment, db=tmp_path / "events.db")
