"""The writer: what many threads and processes store at once is all there, in one order, and what fails fails alone."""

from __future__ import annotations

import itertools
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from grokputer.domain.merkle import Tree, leaf
from grokputer.runners.store.log import connect
from grokputer.runners.store.schema import create_tables
from grokputer.runners.store.writer import Row, Transaction, Writer, read_tree


@pytest.fixture
def path(tmp_path: Path) -> Path:
    create_tables(tmp_path / "events.db")
    return tmp_path / "events.db"


@pytest.fixture
def writer(path: Path) -> Iterator[Writer]:
    writer = Writer(path)
    yield writer
    writer.close()


def row(number: int, id: UUID | None = None) -> Row:
    return ((id or uuid4()).hex, number, "TaskRated", b'{"n":%d}' % number)


def append(*rows: Row) -> Callable[[Transaction], list[int]]:
    return lambda transaction: transaction.append(rows)


def stored(path: Path) -> list[tuple[int, str, int, str, bytes, bytes]]:
    return list(sqlite3.connect(path).execute("SELECT * FROM stored_events ORDER BY position"))


def test_what_many_threads_store_stands_in_one_order_with_the_tree_over_it(path: Path, writer: Writer) -> None:
    with ThreadPoolExecutor(16) as pool:
        saves = [pool.submit(writer.do, append(row(1, id), row(2, id))) for id in (uuid4() for _ in range(200))]
        positions = [save.result() for save in saves]
    assert sorted(itertools.chain(*positions)) == list(range(1, 401))
    assert all(second == first + 1 for first, second in positions)
    tree = Tree()
    for position, id, version, topic, state, nodes in stored(path):
        assert tree.append(leaf(position, id, version, topic, state)) == nodes
    assert tree.size == len(saves) * 2


def test_what_comes_before_a_commit_is_committed_with_it(path: Path, writer: Writer) -> None:
    inside, go_on = threading.Event(), threading.Event()
    seen: list[Transaction] = []

    def hold(transaction: Transaction) -> None:
        seen.append(transaction)
        inside.set()
        go_on.wait()

    def note(transaction: Transaction) -> None:
        seen.append(transaction)

    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(writer.do, hold)
        inside.wait()
        others = [pool.submit(writer.do, note) for _ in range(8)]
        while len(writer._waiting) < len(others):
            pass
        go_on.set()
        for it in [first, *others]:
            it.result()
    assert len(seen) == 1 + len(others)
    assert all(it is seen[0] for it in seen)


def test_one_that_fails_among_many_fails_alone_and_leaves_no_trace(path: Path, writer: Writer) -> None:
    taken = uuid4()
    writer.do(append(row(1, taken)))
    with ThreadPoolExecutor(16) as pool:
        saves = [
            pool.submit(writer.do, append(row(5, uuid4()), row(1, taken)) if number % 4 == 0 else append(row(1)))
            for number in range(80)
        ]
    failed = [save.exception() for save in saves if save.exception() is not None]
    assert len(failed) == len(saves) / 4
    assert all(isinstance(error, sqlite3.IntegrityError) for error in failed)
    rows = stored(path)
    assert [it[0] for it in rows] == list(range(1, 62))
    assert all(version == 1 for _, _, version, *_ in rows)


def test_after_a_failure_and_after_another_process_the_tree_still_follows_from_what_is_stored(
    path: Path, writer: Writer
) -> None:
    taken = uuid4()
    writer.do(append(row(1, taken)))
    with pytest.raises(sqlite3.IntegrityError):
        writer.do(append(row(9), row(1, taken)))
    other = Writer(path)
    other.do(append(row(2), row(3)))
    writer.do(append(row(4)))
    other.do(append(row(5)))
    other.close()
    tree = Tree()
    for position, id, version, topic, state, nodes in stored(path):
        assert tree.append(leaf(position, id, version, topic, state)) == nodes
    assert read_tree(connect(path)) == tree
    assert tree.size == 5


class Stopped(BaseException):
    """What ends a thread from outside, as Ctrl-C does."""


def stop_once() -> Callable[[int, object], None]:
    armed = [True]

    def stop(*_: object) -> None:
        if armed:
            armed.clear()
            raise Stopped

    return stop


def test_a_thread_that_is_stopped_while_it_waits_stops_nobody_else(writer: Writer) -> None:
    """The signal reaches the main thread while a worker holds the turn; what comes afterwards is written all the same."""
    inside, go_on = threading.Event(), threading.Event()

    def hold(transaction: Transaction) -> None:
        inside.set()
        go_on.wait()

    holder = threading.Thread(target=writer.do, args=(hold,))
    holder.start()
    inside.wait()
    before = signal.signal(signal.SIGALRM, stop_once())
    signal.setitimer(
        signal.ITIMER_REAL, 0.2, 0.05
    )  # again and again: one that comes just before the wait would not end it
    try:
        with pytest.raises(Stopped):
            writer.do(append(row(1)))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    later = threading.Thread(target=writer.do, args=(append(row(2)),))
    later.start()
    go_on.set()
    holder.join()
    later.join(10)
    assert not later.is_alive()
    assert [it[2] for it in stored(writer.path)] == [2]


@pytest.mark.parametrize("after_the_commit", [False, True])
def test_a_thread_that_is_stopped_while_it_writes_for_others_leaves_their_work_done_once(
    writer: Writer, monkeypatch: pytest.MonkeyPatch, after_the_commit: bool
) -> None:
    stop, others = stop_once(), 3

    def wait_for_others(transaction: Transaction) -> None:
        transaction.append([row(9)])
        for it in threads:
            it.start()
        while len(writer._waiting) < others:
            pass

    def store(transaction: Transaction) -> None:
        transaction.append([row(1)])
        if not after_the_commit:
            stop(0, None)

    def settle(settle: Callable[[], None] = writer._settle) -> None:
        if after_the_commit:
            stop(0, None)
        settle()

    monkeypatch.setattr(writer, "_settle", settle)
    threads = [threading.Thread(target=writer.do, args=(store,), daemon=True) for _ in range(others)]
    with pytest.raises(Stopped):
        writer.do(wait_for_others)
    for it in threads:
        it.join(10)
        assert not it.is_alive()
    assert sorted(it[2] for it in stored(writer.path)) == [1, 1, 1] + [9] * after_the_commit
    assert writer.do(append(row(2))) == [others + 1 + after_the_commit]


def test_a_full_disk_fails_what_it_meets_and_the_next_is_stored_when_there_is_room(path: Path, writer: Writer) -> None:
    writer.do(append(row(1)))
    pages = writer.do(lambda it: it.connection.execute("PRAGMA page_count").fetchone()[0])
    writer.do(lambda it: it.connection.execute(f"PRAGMA max_page_count = {pages}").fetchone())
    big = (uuid4().hex, 1, "TaskRated", b"x" * 100_000)
    with ThreadPoolExecutor(8) as pool:
        failed = [pool.submit(writer.do, append(big)) for _ in range(8)]
    assert all("full" in str(it.exception()) for it in failed)
    writer.close()  # the bound is the connection's
    assert writer.do(append(row(2))) == [2]


WRITE = """
import sys; from pathlib import Path; from uuid import uuid4
from grokputer.runners.store.writer import Writer
writer = Writer(Path(sys.argv[1]))
for number in range(150):
    writer.do(lambda it: it.append([(uuid4().hex, 1, "TaskRated", b"{}"), (uuid4().hex, 1, "TaskRated", b"{}")]))
"""


def test_four_processes_at_once_lose_nothing_and_keep_one_order(path: Path) -> None:
    processes = [subprocess.Popen([sys.executable, "-c", WRITE, str(path)], cwd="/") for _ in range(4)]
    assert [process.wait(60) for process in processes] == [0] * 4
    tree = Tree()
    for position, id, version, topic, state, nodes in stored(path):
        assert position == tree.size + 1
        assert tree.append(leaf(position, id, version, topic, state)) == nodes
    assert tree.size == 4 * 150 * 2
