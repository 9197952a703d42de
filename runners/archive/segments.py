"""The proof of a long log's views by all cores: each process folds one segment from the kept state before it.

Each segment shows that the kept states within it follow from the one before it. So together they show all of them, from
nothing on: equal to the bit, as one fold would. Rows of the tables are compared by the segment in which they begin.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import pairwise
from typing import Any

import msgspec

from ...domain.errors import LogError
from ...projections.tables.tables import TABLES, Row
from ..store.log import Log
from ..store.port import Rows
from ..store.snapshots import EVERY, is_of_another_program
from ..store.states import update_snapshots
from ..store.tables import CHECKPOINT, load_checkpoint, write_rows
from .rebuilt import AT, count_rows, is_table_equal, rebuilt_tables
from .segment import LONG, Compared, Folded, Task

LEAST = 50_000
"""Events of a segment at least; chosen: a process starts in a second, in which one folds as many."""

Report = Callable[[int, int], None]


class _Lost(Exception):
    """A process ended without an answer."""


class _Process:
    """A process that folds a segment."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def say(self, value: Any) -> None:
        """Send a value. Raises ``_Lost``."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(msgspec.json.encode(value) + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            with suppress(OSError):  # what was not sent would be sent again when the process is left
                self._process.stdin.close()
            raise _Lost from error

    def hear(self, kind: Any) -> Any:
        """The next value. Raises ``_Lost``."""
        assert self._process.stdout is not None
        try:
            return msgspec.json.decode(self._process.stdout.readline(), type=kind)
        except msgspec.MsgspecError as error:
            raise _Lost from error


def prove_views(log: Log, report: Report, processes: int | None = None, least: int = LEAST) -> int | None:
    """The number of events whose views were all proven equal to the live ones; None where one process must look.

    That is so where a view differs, where the log is too short for two ``processes`` (None: one for each core), and where
    its kept states are damaged. Kept states that are missing at the log's end are made first. Raises ``LogError``.
    """
    count = min(processes or len(os.sched_getaffinity(0)), log.position // least)
    if count < 2:
        return None
    try:
        update_snapshots(log)
    except LogError:
        return None  # the newest one is damaged, or none can be saved
    try:
        with ExitStack() as stack:
            running = [stack.enter_context(_started(log)) for _ in range(count)]
            rows = stack.enter_context(log.database.comparing(rebuilt_tables(log), writes=False))
            for process in running:
                process.hear(str)
            until, tables_at = _begin_together(log, rows, running)
            if is_of_another_program(rows):
                return None
            return until if _are_all_equal(log, rows, running, until, tables_at, report) else None
    except _Lost:
        return None


@contextmanager
def _started(log: Log) -> Iterator[_Process]:
    command = [sys.executable, "-P", "-m", f"{__package__}.segment"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            started = _Process(process)
            started.say(log.database.address)
            yield started
        finally:
            process.kill()


def _begin_together(log: Log, rows: Rows, running: Sequence[_Process]) -> tuple[int, int]:
    """Let all see the log as of one moment, while nobody writes; its position, and that of the tables."""
    pen = log.database.pen()
    try:
        pen.acquire(keeps=True)
        log.database.begin_snapshot(rows)
        until: int = rows.execute("SELECT MAX(position) FROM stored_events").fetchone()[0]
        for process in running:
            process.say("begin")
        for process in running:
            process.hear(str)
    finally:
        pen.release()
        pen.close()
    return until, (load_checkpoint(rows, CHECKPOINT) or (0, b""))[0]


def _are_all_equal(
    log: Log, rows: Rows, running: Sequence[_Process], until: int, tables_at: int, report: Report
) -> bool:
    bounds = [until * number // len(running) // EVERY * EVERY for number in range(len(running))] + [until]
    for process, (first, last) in zip(running, pairwise(bounds), strict=True):
        process.say(Task(first, last, tables_at, is_last=last == until))
    folded = [_follow(process, until, len(running), report) for process in running]
    if not all(each.is_equal for each in folded):
        return False
    later = [[row for each in folded[number:] for row in each.rows] for number in range(1, len(running) + 1)]
    long = [[row for row in changes if row[0] in LONG] for changes in later]
    for process, changes in zip(running, long, strict=True):
        process.say(changes)
    compared: list[Compared] = [process.hear(Compared) for process in running]
    write_rows(rows, (row for each in folded for row in each.rows if row[0] not in LONG), AT)
    return (
        all(each.is_equal for each in compared)
        and _is_each_applied_once(folded, compared, long)
        and all(sum(each.counts[table] for each in compared) == count_rows(rows, table) for table in LONG)
        and all(is_table_equal(log, rows, table) for table in TABLES if table not in LONG)
    )


def _is_each_applied_once(
    folded: Sequence[Folded], compared: Sequence[Compared], later: Sequence[Sequence[Row]]
) -> bool:
    """Whether every row that a segment changed but did not begin was found in an earlier one."""
    keys = [{(table, row[next(iter(TABLES[table]))]) for table, row in changes} for changes in later]
    first = {(table, row[next(iter(TABLES[table]))]) for table, row in folded[0].rows if table in LONG}
    return not first and len(set().union(*keys)) == sum(each.applied for each in compared)


def _follow(process: _Process, until: int, count: int, report: Report) -> Folded:
    """What the process's fold comes to; its progress stands for that of all, which go on at the same pace."""
    while True:
        told = process.hear(int | Folded)
        if isinstance(told, Folded):
            return told
        report(min(told * count, until), until)
