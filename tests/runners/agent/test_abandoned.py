"""Runs that do not come to their own end: interrupted, killed, or stopped by a fault. They are ended all the same."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from asking import Answering, ask, begin, endpoint
from chat_server import ChatServer
from command_line import call, document

from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.errors import LogError, NotPossible
from grokputer.domain.events import TaskAnswered, TaskFailed
from grokputer.domain.page.messages import Completion
from grokputer.domain.settings.settings import Policy
from grokputer.runners.agent.abandoned import GONE, end_abandoned, is_played, playing
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.improvement.worker import Reporter, work
from grokputer.runners.store.ledger import Ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger.create(tmp_path / "events.db")
    yield ledger
    ledger.close()


def raising(error: BaseException) -> Any:
    def answer() -> Completion:
        raise error

    return answer


def test_a_run_that_a_person_interrupts_has_failed_at_once_and_counts_for_no_adapter(ledger: Ledger) -> None:
    with pytest.raises(KeyboardInterrupt):
        ask(ledger, Answering(raising(KeyboardInterrupt())))
    [run] = [ledger.get(TaskRun, it.event.originator_id) for it in ledger.read(1, None, ("TaskStarted",))]
    assert isinstance(run.ended, TaskFailed)
    assert (run.ended.reason, run.ended.detail, run.ended.fault) == ("environment", "interrupted", None)


def test_a_fault_of_the_program_keeps_its_trace_and_ends_the_run(ledger: Ledger) -> None:
    with pytest.raises(ZeroDivisionError):
        ask(ledger, Answering(lambda: 1 / 0))
    [run] = [ledger.get(TaskRun, it.event.originator_id) for it in ledger.read(1, None, ("TaskStarted",))]
    assert isinstance(run.ended, TaskFailed)
    assert (run.ended.reason, run.ended.detail) == ("environment", "stopped by ZeroDivisionError")


def test_a_step_that_could_not_be_read_back_ends_the_run_without_it(ledger: Ledger) -> None:
    with pytest.raises(LogError, match="prompt_tokens"):
        ask(ledger, Answering(lambda: Completion("Paris", 2.5, 1, 1)))  # type: ignore[arg-type]
    [run] = [ledger.get(TaskRun, it.event.originator_id) for it in ledger.read(1, None, ("TaskStarted",))]
    assert isinstance(run.ended, TaskFailed)
    assert (run.ended.reason, run.ended.steps) == ("environment", 0)


def test_control_c_in_the_middle_of_a_request_is_one_line_and_exit_130(tmp_path: Path) -> None:
    db, main = tmp_path / "events.db", threading.main_thread().ident
    assert main is not None

    def press(_: str) -> str:
        signal.pthread_kill(main, signal.SIGINT)
        return "Paris"

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with ChatServer(press) as server:
            endpoint(db, server.url)
            result = call("run", "Where is Paris?", db=db)
    finally:
        signal.signal(signal.SIGINT, before)
    assert result.exit_code == 130
    assert "interrupted" in result.stderr.splitlines()[-1]
    [run] = document("runs", db=db)
    assert (run["status"], run["reason"]) == ("failed", "environment")


def test_the_next_worker_ends_an_abandoned_run_and_says_so(ledger: Ledger) -> None:
    run, said = begin(ledger), list[str]()
    work(ledger, once=True, reporter=Reporter(say=said.append))
    work(ledger, once=True, reporter=Reporter(say=said.append))
    ended = ledger.get(TaskRun, run.id).ended
    assert isinstance(ended, TaskFailed)
    assert (ended.reason, ended.detail, ended.actor, ended.duration_ms) == ("environment", GONE, "grokputer", 0)
    assert [line for line in said if run.id.hex[:8] in line] == [
        f"run {run.id.hex[:8]} has failed (environment): {GONE}"
    ]
    ledger.write(TaskRun, run.id, lambda it: it.rate(1, "human", [], None, ledger.context("ada")))


def test_the_next_run_ends_it_too(tmp_path: Path) -> None:
    db = tmp_path / "events.db"
    with ChatServer("Paris") as server:
        endpoint(db, server.url)
        ledger = Ledger.open(db)
        left = begin(ledger)
        result = call("run", "Where is Paris?", db=db)
        assert result.exit_code == 0
        assert f"run {left.id.hex[:8]} lost its process" in result.stderr
        assert ledger.get(TaskRun, left.id).ended is not None
        ledger.close()


def test_a_run_that_is_being_played_is_never_ended_by_another(ledger: Ledger) -> None:
    seen: list[Any] = []

    def look() -> Completion:
        other = Ledger.open(ledger.path)
        seen.append(end_abandoned(other, process_new_events(other).policy))
        other.close()
        return Completion("Paris", 1, 1, 1)

    run = ask(ledger, Answering(look))
    assert seen == [[]]
    assert isinstance(run.ended, TaskAnswered)
    assert not is_played(ledger, run.id)
    assert list(ledger.path.parent.glob("*.run-*")) == []


PLAYER = """
import sys
from pathlib import Path
from uuid import UUID
from grokputer.runners.agent.abandoned import playing
from grokputer.runners.store.ledger import Ledger
ledger = Ledger.open(Path(sys.argv[1]))
with playing(ledger, UUID(sys.argv[2])):
    print("playing", flush=True)
    sys.stdin.read()
"""


def test_a_process_that_is_killed_lets_go_of_its_run(ledger: Ledger) -> None:
    run = begin(ledger)
    words = [sys.executable, "-c", PLAYER, str(ledger.path), run.id.hex]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "playing\n"
        assert end_abandoned(ledger, Policy()) == []
        process.kill()
        process.wait()
    assert [it.id for it in end_abandoned(ledger, Policy())] == [run.id]
    assert end_abandoned(ledger, Policy()) == []
    assert list(ledger.path.parent.glob("*.run-*")) == []


def test_a_lock_that_cannot_be_looked_at_counts_as_held(ledger: Ledger) -> None:
    run = begin(ledger)
    Path(f"{ledger.path}.run-{run.id.hex}").mkdir()
    assert end_abandoned(ledger, Policy()) == []


def test_two_cannot_play_the_same_run(ledger: Ledger) -> None:
    run = uuid4()
    with playing(ledger, run), pytest.raises(NotPossible, match="another process plays run"), playing(ledger, run):
        pass


def test_a_clock_that_goes_back_gives_no_negative_duration(tmp_path: Path) -> None:
    class Backwards:
        hour = 9

        def now(self) -> Any:
            self.hour -= 1
            return datetime(2025, 3, 1, self.hour, tzinfo=UTC)

    ledger = Ledger.create(tmp_path / "back.db", Backwards())
    run = begin(ledger)
    run.take_step(
        ledger.context("ada"), prompt="sha256:aa", answer="sha256:bb", error="", model_ms=1, environment_ms=1,
        prompt_tokens=1, completion_tokens=1,
    )  # fmt: skip
    ledger.store(run)
    [ended] = end_abandoned(ledger, Policy())
    assert ended.ended is not None
    assert ended.ended.duration_ms == 0
    ledger.close()
