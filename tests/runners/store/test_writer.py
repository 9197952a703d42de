"""The writer: what threads and processes store at once is all there, in one order, and what fails in a batch fails alone."""

from __future__ import annotations

import itertools
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from grokputer.domain.merkle import Tree, leaf
from grokputer.runners.store.place import open_store
from grokputer.runners.store.sqlite.connection import connect
from grokputer.runners.store.sqlite.locks import WriteLock
from grokputer.runners.store.sqlite.schema import create_tables
from grokputer.runners.store.writer import Row, Transaction, Writer, read_tree


@pytest.fixture
def path(tmp_path: Path) -> Path:
    create_tables(tmp_path / "events.db")
    return tmp_path / "events.db"


@pytest.fixture
def writer(path: Path) -> Iterator[Writer]:
    writer = Writer(open_store(path))
    yield writer
    writer.close()


def row(number: int, id: UUID | None = None) -> Row:
    return ((id or uuid4()).hex, number, "TaskRated", b'{"n":%d}' % number)


def append(*rows: Row) -> Callable[[Transaction], list[int]]:
    return lambda transaction: transaction.append(rows)


def stored(path: Path) -> list[tuple[int, str, int, str, bytes, bytes]]:
    return list(sqlite3.connect(path).execute("SELECT * FROM stored_events ORDER BY position"))


def check_tree(path: Path) -> int:
    """How many events there are, without a gap and with the tree over them, which another writer goes on from."""
    tree = Tree()
    for position, id, version, topic, state, nodes in stored(path):
        assert position == tree.size + 1
        assert tree.append(leaf(position, id, version, topic, state)) == nodes
    assert read_tree(connect(path)) == tree
    return tree.size


def test_events_of_many_threads_are_stored_in_one_order_with_the_tree_over_them(path: Path, writer: Writer) -> None:
    with ThreadPoolExecutor(16) as pool:
        saves = [pool.submit(writer.do, append(row(1, id), row(2, id))) for id in (uuid4() for _ in range(200))]
        positions = [save.result() for save in saves]
    assert sorted(itertools.chain(*positions)) == list(range(1, 401))
    assert all(second == first + 1 for first, second in positions)
    assert check_tree(path) == 400


def test_a_batch_is_stored_in_its_order_in_one_transaction(path: Path, writer: Writer) -> None:
    seen: list[Transaction] = []

    def note(transaction: Transaction) -> list[int]:
        seen.append(transaction)
        return transaction.append([row(1)])

    assert writer.do_all([note] * 64) == [[position] for position in range(1, 65)]
    assert all(it is seen[0] for it in seen)
    assert check_tree(path) == 64


def test_a_member_of_a_batch_that_fails_fails_alone_and_leaves_no_trace(path: Path, writer: Writer) -> None:
    taken = uuid4()
    writer.do(append(row(1, taken)))
    works = [append(row(5), row(1, taken)) if number % 4 == 0 else append(row(1)) for number in range(80)]
    outcomes = writer.do_all(works)
    failed = [it for it in outcomes if isinstance(it, Exception)]
    assert [outcomes.index(it) for it in failed] == list(range(0, 80, 4))
    assert all(isinstance(it, sqlite3.IntegrityError) for it in failed)
    assert [it[0] for it in outcomes if isinstance(it, list)] == list(range(2, 62))
    assert all(version == 1 for _, _, version, *_ in stored(path))
    assert check_tree(path) == 61


def test_a_batch_is_stored_together_and_one_by_one_only_where_that_fails(path: Path, writer: Writer) -> None:
    taken, calls = uuid4(), list[str]()

    def together(*rows: Row) -> Callable[[Transaction], list[list[int]]]:
        def work(transaction: Transaction) -> list[list[int]]:
            calls.append("together")
            return [[position] for position in transaction.append(rows)]

        return work

    def alone(one: Row) -> Callable[[Transaction], list[int]]:
        def work(transaction: Transaction) -> list[int]:
            calls.append("alone")
            return transaction.append([one])

        return work

    rows = [row(1, taken), row(1), row(1)]
    assert writer.do_all([alone(it) for it in rows], together(*rows)) == [[1], [2], [3]]
    assert calls == ["together"]
    rows = [row(1), row(1, taken), row(1)]
    first, failed, last = writer.do_all([alone(it) for it in rows], together(*rows))
    assert (first, last) == ([4], [5]) and isinstance(failed, sqlite3.IntegrityError)
    assert calls == ["together", "together", "alone", "alone", "alone"]
    assert check_tree(path) == 5


@pytest.mark.parametrize("count", [0, 1, 2, 3, 127, 149, 150, 151, 1000])
def test_rows_of_many_statements_are_stored_in_their_order(path: Path, writer: Writer, count: int) -> None:
    rows = [row(number) for number in range(count)]
    assert writer.do(append(*rows)) == list(range(1, count + 1))
    assert [(id, version) for _, id, version, *_ in stored(path)] == [(id, version) for id, version, *_ in rows]
    assert check_tree(path) == count


def test_an_empty_batch_stores_nothing(path: Path, writer: Writer) -> None:
    assert writer.do_all([]) == []
    assert check_tree(path) == 0


def test_after_a_failure_and_after_another_process_the_tree_still_follows_from_what_is_stored(
    path: Path, writer: Writer
) -> None:
    taken = uuid4()
    writer.do(append(row(1, taken)))
    with pytest.raises(sqlite3.IntegrityError):
        writer.do(append(row(9), row(1, taken)))
    other = Writer(open_store(path))
    other.do(append(row(2), row(3)))
    writer.do(append(row(4)))
    other.do(append(row(5)))
    other.close()
    assert check_tree(path) == 5


class Stopped(BaseException):
    """What ends a thread from outside, as Ctrl-C does."""


def stop(*_: object) -> None:
    raise Stopped


def test_a_thread_stopped_while_it_waits_for_a_writer_stores_nothing_and_stops_no_other(
    path: Path, writer: Writer
) -> None:
    holder, before = WriteLock(path), signal.signal(signal.SIGALRM, stop)
    try:
        with holder:
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(Stopped):
                writer.do(append(row(1)))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        holder.close()
    assert writer.do(append(row(2))) == [1]
    other = Writer(open_store(path))
    assert other.do(append(row(3))) == [2]
    other.close()
    assert check_tree(path) == 2


def test_a_thread_that_is_stopped_within_its_transaction_leaves_nothing_of_it(path: Path, writer: Writer) -> None:
    def stopped(transaction: Transaction) -> None:
        transaction.append([row(1)])
        raise Stopped

    for work in (lambda: writer.do(stopped), lambda: writer.do_all([append(row(7)), stopped])):
        with pytest.raises(Stopped):
            work()
    other = Writer(open_store(path))
    assert other.do(append(row(2))) == [1]
    other.close()
    assert writer.do(append(row(3))) == [2]
    assert check_tree(path) == 2


INTERRUPTED = """
import signal, sys, time
from pathlib import Path
from uuid import uuid4
from grokputer.runners.store.place import open_store
from grokputer.runners.store.writer import Writer
signal.signal(signal.SIGINT, signal.default_int_handler)
writer, kept = Writer(open_store(Path(sys.argv[1]))), 0
print("ready", flush=True)
for number in range(40):
    try:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.default_int_handler)
        signal.setitimer(signal.ITIMER_REAL, 0.0005 + 0.0002 * number)
        while True:
            writer.do(lambda it: it.append([(uuid4().hex, 1, "TaskRated", b"{}")] * 1))
            kept += 1
    except KeyboardInterrupt:
        pass
writer.do(lambda it: it.append([(uuid4().hex, 1, "TaskRated", b"{}")]))
print(kept + 1, flush=True)
"""


def test_interrupts_at_any_point_leave_a_writer_that_goes_on_and_all_that_it_has_confirmed(path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, str(path)], cwd="/", capture_output=True, text=True, check=True, timeout=60
    )
    confirmed = int(done.stdout.split()[1])
    assert confirmed <= check_tree(path) <= confirmed + 40  # each interrupt may come just after a commit


KILLED = """
import os, signal, sys
from pathlib import Path
from uuid import uuid4
from grokputer.runners.store.place import open_store
from grokputer.runners.store.writer import Writer
writer = Writer(open_store(Path(sys.argv[1])))
event = lambda: (uuid4().hex, 1, "TaskRated", b"{}")
writer.do(lambda it: it.append([event()]))
def die(transaction):
    transaction.append([event() for _ in range(2000)])  # more than SQLite's page cache holds: some of it is on the disk
    os.kill(os.getpid(), signal.SIGKILL)
writer.do(die)
"""


def test_a_process_killed_within_its_transaction_stores_nothing_and_frees_the_lock(path: Path, writer: Writer) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], cwd="/", check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert writer.do(append(row(2))) == [2]
    assert check_tree(path) == 2


def test_a_member_for_which_there_is_no_room_fails_alone(path: Path, writer: Writer) -> None:
    writer.do(append(row(1)))
    pages = writer.do(lambda it: it.connection.execute("PRAGMA page_count").fetchone()[0])
    writer.do(lambda it: it.connection.execute(f"PRAGMA max_page_count = {pages}").fetchone())
    big = (uuid4().hex, 1, "TaskRated", b"x" * 100_000)
    first, failed, last = writer.do_all([append(row(8)), append(big), append(row(9))])
    assert (first, last) == ([2], [3])
    assert "full" in str(failed)
    writer.close()  # the bound is the connection's
    assert writer.do(append(row(2))) == [4]
    assert check_tree(path) == 4


def test_a_full_disk_fails_the_whole_batch_and_the_next_batch_is_stored_when_there_is_room(
    path: Path, writer: Writer
) -> None:
    """A limit on the size of files stands in for the disk: it fails as the write-ahead log is written, so at the commit."""
    writer.do(append(row(1)))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.with_name("events.db-wal").stat().st_size, limits[1]))
    try:
        with pytest.raises(sqlite3.OperationalError, match="disk I/O error"):
            writer.do_all([append(row(8)), append(row(9))])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert writer.do_all([append(row(2)), append(row(3))]) == [[2], [3]]
    assert check_tree(path) == 3


WRITE = """
import sys; from pathlib import Path; from uuid import uuid4
from grokputer.runners.store.place import open_store
from grokputer.runners.store.writer import Writer
writer = Writer(open_store(Path(sys.argv[1])))
for number in range(150):
    writer.do(lambda it: it.append([(uuid4().hex, 1, "TaskRated", b"{}"), (uuid4().hex, 1, "TaskRated", b"{}")]))
"""


def test_four_processes_at_once_lose_nothing_and_keep_one_order(path: Path) -> None:
    processes = [subprocess.Popen([sys.executable, "-c", WRITE, str(path)], cwd="/") for _ in range(4)]
    assert [process.wait(60) for process in processes] == [0] * 4
    assert check_tree(path) == 4 * 150 * 2
