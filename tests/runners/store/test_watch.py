"""Following a log that others write to: nothing is missed, and no look goes on without end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from grokputer.runners.store.sqlite.locks import WriteLock
from grokputer.runners.store.tail import Watch
from story import Story


@pytest.fixture
def story(tmp_path: Path) -> Story:
    found = Story(tmp_path / "events.db")
    found.run()
    return found


def test_a_watch_sees_what_was_written_since_it_looked_last_and_that_alone(story: Story) -> None:
    watch = Watch(story.ledger)
    assert not watch.wait(0)
    story.run()
    assert watch.wait(0)
    assert not watch.wait(0.02)
    watch.close()


class Pauses:
    """A clock on which nothing takes time but the pauses, and what is written in the first of them that is as long."""

    def __init__(self, story: Story, writes_at: float = float("inf")) -> None:
        self.story, self.writes_at = story, writes_at
        self.made: list[float] = []

    def now(self) -> float:
        return sum(self.made)

    def sleep(self, seconds: float) -> None:
        self.made.append(seconds)
        if self.now() >= self.writes_at:
            self.writes_at = float("inf")
            self.story.run()


def test_a_watch_of_an_idle_log_looks_five_times_a_second(story: Story) -> None:
    pauses = Pauses(story)
    watch = Watch(story.ledger, pauses.sleep, pauses.now)
    for _ in range(10):
        assert not watch.wait(1)
    watch.close()
    assert pauses.made[:4] == [0.005, 0.01, 0.02, 0.04]
    assert max(pauses.made) == 0.2
    assert pauses.now() == pytest.approx(10)
    assert len(pauses.made) <= 10 * 6 + 6


def test_a_watch_sees_what_was_written_after_an_idle_time_within_a_quarter_of_a_second(story: Story) -> None:
    pauses = Pauses(story, writes_at=30)
    watch = Watch(story.ledger, pauses.sleep, pauses.now)
    assert watch.wait(60)
    assert 30 <= pauses.now() <= 30.25
    watch.close()


def test_a_watch_looks_often_again_once_something_was_written(story: Story) -> None:
    pauses = Pauses(story, writes_at=30)
    watch = Watch(story.ledger, pauses.sleep, pauses.now)
    assert watch.wait(60)
    before, pauses.writes_at = pauses.now(), pauses.now() + 0.004
    assert watch.wait(60)
    assert pauses.now() - before == pytest.approx(0.005)
    watch.close()


def test_views_are_written_while_no_other_process_writes(story: Story) -> None:
    lock, done = WriteLock(story.path), threading.Event()

    def write() -> None:
        with story.ledger.changing_views() as connection:
            connection.execute("UPDATE tracking SET notification_id = notification_id")
        done.set()

    writer = threading.Thread(target=write)
    with lock:
        writer.start()
        assert not done.wait(0.1)
    assert done.wait(10)
    writer.join()
    lock.close()


FOLLOW = [sys.executable, "-c", "from grokputer.cli import main; main()", "log", "--follow", "--db"]


def hear_interrupts() -> None:
    """A suite that runs in the background of a shell ignores them, and so would what it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize(("words", "shown"), [(["--limit", "1"], 1), (["--after", "0"], None), ([], 10)])
def test_the_log_is_followed_from_where_one_likes_while_another_process_writes(
    story: Story, words: list[str], shown: int | None
) -> None:
    for _ in range(5):
        story.run()
    before = story.ledger.position
    process = subprocess.Popen(
        [*FOLLOW, str(story.path), "--json", *words],
        cwd="/",
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_interrupts,
    )
    assert process.stdout is not None
    first = before + 1 - (shown or before)
    seen = [json.loads(process.stdout.readline())["position"] for _ in range(first, before + 1)]
    for _ in range(3):
        story.rate(story.run(), 5)
        end = story.ledger.position
        seen += [json.loads(process.stdout.readline())["position"] for _ in range(first + len(seen), end + 1)]
    process.send_signal(signal.SIGINT)
    rest, said = process.communicate(timeout=30)
    assert seen == list(range(first, story.ledger.position + 1))
    assert rest == ""
    assert "Traceback" not in said


def test_as_many_as_were_asked_for_after_a_position_end_the_following(story: Story) -> None:
    done = subprocess.run(
        [*FOLLOW, str(story.path), "--after", "0", "--limit", "2"],
        cwd="/",
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    assert [line.split("  ")[:3:2] for line in done.stdout.splitlines()] == [
        ["1", "PolicyChanged"],
        ["2", "PolicyChanged"],
    ]
