"""A log in PostgreSQL when its server dies: nothing that was acknowledged is lost, and a program goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from eventsourcing.persistence import IntegrityError
from gateways import PROGRAM
from monitoring import free_port, until
from stores import Server, connect, server

from grokputer.domain.errors import LogError
from grokputer.runners.archive.integrity import verify
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.store.lease import find_worker
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.log import Log
from grokputer.runners.store.place import DatabaseUrl, Place
from grokputer.runners.store.writer import Transaction, Writer
from story import Story, change


def test_a_turn_that_another_process_keeps_is_one_line_and_no_error_of_the_driver(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("grokputer.runners.store.postgres.connection.LOCK_MS", 50)
    place = server().place()
    one, other = Ledger.create(place), Ledger.open(place)
    attempts = list[int]()

    def decide() -> None:
        attempts.append(1)
        raise IntegrityError

    with (
        closing(Writer(one.database)) as writer,
        writer.alone(),
        pytest.raises(LogError, match="is being written by another process"),
    ):
        other.until_stored(decide)
    assert len(attempts) == 3
    one.close()
    other.close()


def test_the_server_notices_a_machine_that_is_cut_off_as_soon_as_the_client_does(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "pg").mkdir()
    for folder in (tmp_path, *tmp_path.parents[:-2]):
        folder.chmod(folder.stat().st_mode | 0o011)
    own = Server(tmp_path / "pg", "-c listen_addresses=127.0.0.1", f"-c port={port}")
    try:
        place = DatabaseUrl(f"postgresql://owner@127.0.0.1:{port}/postgres")
        Ledger.create(place).close()
        with closing(Log.open(place)) as log, log.reading() as rows:
            assert rows.execute("SHOW tcp_keepalives_idle").fetchone() == ("10",)
            assert rows.execute("SHOW tcp_keepalives_count").fetchone() == ("3",)
    finally:
        own.stop("immediate")


def test_a_follower_whose_connection_was_lost_listens_again() -> None:
    place = server().place()
    ledger = Ledger.create(place)
    changes = ledger.database.changes()
    listening = "SELECT count(*) FROM pg_listening_channels()"
    rows = changes._rows  # type: ignore[attr-defined]
    assert rows.execute(listening).fetchone()[0] == 1
    with closing(connect(place)) as other:
        other.execute("SELECT pg_terminate_backend(%s)", (rows.connection.info.backend_pid,))
    until(lambda: changes.version() == 0 and rows.execute(listening).fetchone()[0] == 1, "it listens again")
    changes.close()
    ledger.close()


def crash_and_count(own: Server, times: int) -> tuple[int, int]:
    """Kill the server this often while threads append; the numbers of acknowledged events, and of those that are lost."""
    place = own.place()
    Ledger.create(place).close()
    acknowledged = set[str]()
    for _ in range(times):
        stop, begun = threading.Event(), threading.Semaphore(0)

        def write(stop: threading.Event = stop, begun: threading.Semaphore = begun) -> None:
            with closing(Writer(Log.open(place).database)) as writer:
                while not stop.is_set():
                    id = uuid4().hex

                    def append(it: Transaction, id: str = id) -> None:
                        it.append([(id, 1, "TaskRated", b"{}")])

                    try:
                        writer.do(append)
                    except (psycopg.Error, LogError):
                        return
                    acknowledged.add(id)
                    begun.release()

        threads = [threading.Thread(target=write) for _ in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(40):
            assert begun.acquire(timeout=60)
        own.stop("immediate")
        stop.set()
        for thread in threads:
            thread.join()
        own.start()
    with Log.open(place).reading() as rows:
        there = {id for (id,) in rows.execute("SELECT originator_id FROM stored_events")}
    assert verify(Log.open(place)).fault is None
    return len(acknowledged), len(acknowledged - there)


def test_nothing_that_was_acknowledged_is_lost_when_the_server_dies(own_server: Server) -> None:
    acknowledged, lost = crash_and_count(own_server, 2)
    assert acknowledged >= 80
    assert lost == 0


@pytest.mark.slow
def test_nothing_is_lost_when_the_server_dies_twenty_times(own_server: Server) -> None:
    assert crash_and_count(own_server, 20)[1] == 0


def test_a_ledger_goes_on_after_its_server_was_started_again(own_server: Server) -> None:
    story = Story(own_server.place())
    own_server.stop("immediate")
    with pytest.raises(LogError):
        story.ledger.at(1)
    own_server.start()
    story.run()
    assert verify(story.ledger).fault is None


def freeze_journal(place: Place) -> None:
    """Freeze the process of the server that brings commits to the disk which nobody waits for."""
    with connect(place) as connection:
        found = connection.execute("SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'").fetchone()
    assert found is not None
    os.kill(found[0], signal.SIGSTOP)


@pytest.mark.slow
def test_a_process_forgets_what_the_server_lost_and_goes_on_from_what_others_stored(
    own_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = own_server.place()
    first, second = Ledger.create(place), Ledger.open(place)
    change(first, "rating.minimum", 8)
    state = process_new_events(first)
    freeze_journal(place)
    monkeypatch.setattr(first._events.recorder.writer._pen, "settle", lambda number: None)
    change(first, "rating.window", 7)
    state = process_new_events(first, state)
    assert (state.policy.get("rating.window"), first.position) == (7, 2)
    own_server.stop("immediate")
    own_server.start()
    assert second.position == 1, "nothing had waited for the disk"
    change(second, "rating.threshold", 3.0)
    state = process_new_events(first, state)
    found = [state.policy.get(f"rating.{key}") for key in ("minimum", "window", "threshold")]
    assert found == [8, 50, 3.0]
    change(first, "rating.window", 9)
    change(first, "rating.minimum", 6)  # ends a subtree, whose root has the event of the other process in it
    assert process_new_events(first, state).policy.get("rating.window") == 9
    assert verify(second).fault is None
    first.close()
    second.close()


@pytest.mark.slow
def test_a_worker_goes_on_when_its_server_has_died_and_has_the_lease_again(own_server: Server) -> None:
    place = own_server.place()
    story = Story(place)
    words = [sys.executable, "-c", PROGRAM, "work", "--db", place.url]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as worker:
        until(lambda: find_worker(story.ledger), "the worker has begun")
        for _ in range(2):
            own_server.stop("immediate")
            own_server.start()
            until(lambda: find_worker(Log.open(place)), "the worker has the lease again")
        assert worker.poll() is None
        worker.send_signal(signal.SIGINT)
        assert worker.wait(60) == 0
