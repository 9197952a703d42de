"""The writers' lock: it is waited for within a limit, and a process that waits in vain says for whom."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from command_line import call, output, refused

from grokputer.domain.errors import LogError
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.log import Log
from grokputer.runners.store.place import open_store
from grokputer.runners.store.sqlite.locks import WriteLock, lock_of
from grokputer.runners.store.writer import Writer
from story import Story

HOLD = """
import sys
from pathlib import Path
from grokputer.runners.store.place import open_store
from grokputer.runners.store.writer import Writer
sys.argv = ["/usr/bin/grokputer", "rate", "4efd3eca", "--comment", "private words"]
def wait(transaction):
    print("held", flush=True)
    sys.stdin.readline()
Writer(open_store(Path(sys.stdin.readline().strip()))).do(wait)
"""


@contextmanager
def stopped_writer(path: Path) -> Iterator[int]:
    """The id of a process that was stopped within a transaction; it goes on and ends with the block."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD], cwd="/", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        print(path, file=process.stdin, flush=True)
        assert process.stdout.readline() == "held\n"
        os.kill(process.pid, signal.SIGSTOP)
        try:
            yield process.pid
        finally:
            os.kill(process.pid, signal.SIGCONT)
            process.communicate("\n")
    assert process.returncode == 0


@pytest.fixture
def story(tmp_path: Path) -> Story:
    found = Story(tmp_path / "events.db")
    found.run()
    return found


@pytest.fixture
def _short_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grokputer.runners.store.sqlite.locks.WAIT_S", 0.05)


@pytest.mark.usefixtures("_short_wait")
@pytest.mark.parametrize("words", [["rate", "RUN", "4"], ["replay"], ["settings", "set", "rating.window", "40"]])
def test_a_command_that_meets_a_stopped_writer_ends_with_one_line_that_names_it(story: Story, words: list[str]) -> None:
    run = story.run().hex
    words = [run if it == "RUN" else it for it in words]
    story.ledger.close()
    with stopped_writer(story.path) as pid:
        line = refused(*words, db=story.path)
        assert f"is being written by process {pid} (grokputer rate) on " in line
        assert "for over 0.05 s; wait until it ends, or end it if it hangs or is stopped" in line
        assert "private" not in lock_of(story.path).read_text()
    assert call(*words, db=story.path).exit_code == 0
    assert "equal" in output("replay", db=story.path)


@pytest.mark.usefixtures("_short_wait")
def test_reading_goes_on_beside_a_stopped_writer(story: Story) -> None:
    with stopped_writer(story.path):
        assert len(output("log", "--limit", "2", db=story.path).splitlines()) == 3
        assert "action needs 10 more ratings" in output("status", db=story.path)


@pytest.mark.usefixtures("_short_wait")
def test_events_that_a_stopped_writer_did_not_store_are_stored_at_the_next_try(story: Story) -> None:
    writer, count = Writer(open_store(story.path)), story.ledger.position
    with stopped_writer(story.path):
        for _ in range(2):
            with pytest.raises(LogError, match="is being written by process"):
                writer.do(lambda transaction: transaction.connection.execute("DELETE FROM content"))
    assert writer.do(lambda transaction: transaction.tree.size) == count
    writer.close()


@pytest.mark.usefixtures("_short_wait")
def test_a_lock_that_was_waited_for_in_vain_is_free_once_its_holder_lets_go(story: Story) -> None:
    first, second, third = (WriteLock(story.path) for _ in range(3))
    with first, pytest.raises(LogError):
        second.acquire()
    with second:
        pass
    with third:
        pass
    for it in (first, second, third):
        it.close()


def test_waiting_writers_get_the_lock_in_turn(tmp_path: Path) -> None:
    inside: list[int] = []
    most: list[int] = []

    def take() -> None:
        lock = WriteLock(tmp_path / "events.db")
        for _ in range(20):
            with lock:
                inside.append(1)
                most.append(len(inside))
                inside.pop()
        lock.close()

    threads = [threading.Thread(target=take) for _ in range(6)]
    for it in threads:
        it.start()
    for it in threads:
        it.join()
    assert most == [1] * 120


def test_a_log_has_the_same_lock_through_every_link_to_it(tmp_path: Path) -> None:
    Ledger.create(tmp_path / "events.db").close()
    (tmp_path / "link.db").symlink_to(tmp_path / "events.db")
    assert lock_of(tmp_path / "link.db") == lock_of(tmp_path / "events.db")


def test_a_lock_file_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    ledger = Ledger.create(tmp_path / "events.db")
    ledger.close()
    lock_of(ledger.path).unlink()
    lock_of(ledger.path).mkdir()
    with pytest.raises(LogError, match=r"events\.db: Is a directory"), Log.open(ledger.path).changing_views():
        pass
