"""A log in PostgreSQL when its server dies: nothing that was acknowledged is lost, and a program goes on."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from stores import Server, server

from grokputer.domain.errors import LogError
from grokputer.runners.archive.integrity import verify
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.log import Log
from grokputer.runners.store.writer import Transaction, Writer
from story import Story


@pytest.fixture
def own_server() -> Iterator[Server]:
    """A server that waits for its disk, for a test that kills it."""
    server()
    with tempfile.TemporaryDirectory(prefix="pg", dir="/tmp", ignore_cleanup_errors=True) as folder:
        started = Server(Path(folder))
        yield started
        started.stop("immediate")


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
