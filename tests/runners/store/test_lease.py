"""The lease: one process at a time carries out what a log asks for, and the others know which one that is."""

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

from grokputer.adapters.registry.lock import Held, hold, holder_entry, read_holder, write_holder
from grokputer.domain.errors import LogError, NotPossible
from grokputer.runners.store.lease import lease
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.port import LEASE
from grokputer.runners.store.sqlite.locks import named_lock

HOLD = """
import sys
from pathlib import Path
from grokputer.runners.store.lease import lease
from grokputer.runners.store.log import Log
from grokputer.runners.store.place import open_store
sys.argv = ["grokputer", "work", "--private"]
with lease(Log(open_store(Path(sys.stdin.readline().strip())))):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.create(tmp_path / "events.db")


@contextmanager
def worker(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lease."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD], cwd="/", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        print(path, file=process.stdin, flush=True)
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.communicate("\n")


def test_a_lease_that_another_process_has_is_refused_where_it_is_not_waited_for(ledger: Ledger) -> None:
    with (
        worker(ledger.path) as process,
        pytest.raises(NotPossible) as refused,
        lease(ledger, waits=False),
    ):
        pass
    assert f"another worker (process {process.pid} (grokputer work) on " in str(refused.value)
    assert str(refused.value).endswith(f"is at work on {ledger.path}; wait until it ends")
    assert "private" not in named_lock(ledger.path, LEASE).read_text()


def test_a_lease_is_waited_for_with_one_line_that_says_who_has_it(ledger: Ledger) -> None:
    said: list[str] = []
    waits, done = threading.Event(), threading.Event()

    def say(line: str) -> None:
        said.append(line)
        waits.set()

    def wait() -> None:
        with lease(ledger, say):
            done.set()

    waiting = threading.Thread(target=wait)
    with worker(ledger.path) as process:
        waiting.start()
        assert waits.wait(30)
        assert not done.is_set()
    waiting.join(30)
    assert done.is_set()
    [line] = said
    assert line.startswith(f"another worker (process {process.pid} (grokputer work)")
    assert line.endswith("; waiting for it")


def test_the_lease_of_a_killed_worker_is_free(ledger: Ledger) -> None:
    with worker(ledger.path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        with lease(ledger, waits=False):
            assert read_holder(named_lock(ledger.path, LEASE)).startswith(f"process {os.getpid()} (")


def test_a_lease_that_cannot_be_made_is_one_line(ledger: Ledger) -> None:
    named_lock(ledger.path, LEASE).mkdir()
    with pytest.raises(LogError, match=r"events\.db: Is a directory"), lease(ledger):
        pass


def test_an_error_under_the_lock_frees_the_lock(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt), hold(tmp_path / "lock"):
            raise KeyboardInterrupt


def test_a_lock_of_version_0_1_0_holds_and_its_holder_is_named(tmp_path: Path) -> None:
    import fcntl

    with (tmp_path / "lock").open("w") as file:
        file.write("4711")
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(Held, match=r"^process 4711, since \d{4}-"), hold(tmp_path / "lock"):
            pass


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["/usr/bin/grokputer", "rate", "words"], "(grokputer rate)"),
        (["grokputer"], "(grokputer)"),
        (["grokputer", "Private Words"], "(grokputer)"),
        (["/srv/app.py", "private"], "(app.py)"),
        (["-c"], "(-c)"),
        ([""], "(python)"),
        ([], "(python)"),
        (["/srv/" + "é" * 300], "("),
    ],
)
def test_a_lock_says_which_program_holds_it_and_none_of_its_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], shown: str
) -> None:
    monkeypatch.setattr(sys, "argv", arguments)
    with (tmp_path / "lock").open("w+b") as file:
        write_holder(file.fileno(), holder_entry())
    found = read_holder(tmp_path / "lock")
    assert found.startswith(f"process {os.getpid()} {shown}")
    assert "rivate" not in found


@pytest.mark.parametrize("entry", [b"", b"\n", b"\xff\x1b[31m\x00", None])
def test_a_lock_file_with_no_entry_or_a_strange_one_is_shown_without_harm(tmp_path: Path, entry: bytes | None) -> None:
    if entry is not None:
        (tmp_path / "lock").write_bytes(entry)
    found = read_holder(tmp_path / "lock")
    assert found.isprintable()
    assert found.startswith(("another process", "process "))
