"""A log that nothing names any more: its files are closed, and not before the last block that reads has ended."""

from __future__ import annotations

import gc
import os
import sqlite3
from pathlib import Path

from grokputer.domain.aggregates.settings import SETTINGS_ID, Settings
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.log import Log
from grokputer.runners.store.place import Place


def begin(place: Place) -> None:
    ledger = Ledger.create(place)
    for window in (10, 20, 30):
        change(ledger, window)
    ledger.close()


def change(ledger: Ledger, window: int) -> None:
    context = ledger.context("ada")
    ledger.write(Settings, SETTINGS_ID, lambda it: it.change("rating.window", window, "", context))


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_a_block_that_reads_may_outlive_its_ledger(place: Place) -> None:
    begin(place)
    with Ledger.open(place).reading() as rows:
        gc.collect()  # the ledger is a cycle that nothing names
        assert rows.execute("SELECT MAX(position) FROM stored_events").fetchone() == (3,)


def test_a_statement_is_not_interrupted_by_the_end_of_its_ledger(tmp_path: Path) -> None:
    begin(tmp_path / "events.db")
    with Ledger.open(tmp_path / "events.db").reading() as rows:
        assert isinstance(rows, sqlite3.Connection)
        statements = (f"SELECT {number} FROM stored_events" for number in range(2000))
        thresholds = gc.get_threshold()
        gc.set_threshold(1)
        try:
            assert all(rows.execute(statement).fetchone() for statement in statements)
        finally:
            gc.set_threshold(*thresholds)


def test_a_ledger_that_is_dropped_leaves_no_file_open(tmp_path: Path) -> None:
    begin(tmp_path / "events.db")
    gc.collect()
    before = open_files()
    for _ in range(3):
        ledger = Ledger.open(tmp_path / "events.db")
        change(ledger, 40)
        change_views(ledger)
        del ledger
    gc.collect()
    assert open_files() == before


def change_views(ledger: Ledger) -> None:
    with ledger.changing_views() as rows:
        rows.execute("INSERT OR REPLACE INTO checkpoints VALUES ('here', 1, '')")


def test_a_log_that_is_dropped_closes_its_file_at_once(tmp_path: Path) -> None:
    begin(tmp_path / "events.db")
    gc.collect()
    gc.disable()
    try:
        before = open_files()
        assert Log.open(tmp_path / "events.db").position == 3
        assert open_files() == before
    finally:
        gc.enable()
