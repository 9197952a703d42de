"""The worker asks a judge to grade answers without a rating: the oldest first, each once. A silent judge delays no run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest
from answers import answer, appoint, verdict
from chat_server import ChatServer

from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.events import TaskGraded
from grokputer.domain.vocabulary import Arm
from grokputer.runners.archive.erasure import Target
from grokputer.runners.improvement.grading import FIRST_PAUSE_S, LONGEST_PAUSE_S, GradingQueue
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.improvement.worker import Reporter, work
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.use_cases.erasures import forget
from grokputer.runners.use_cases.judgements import find_ungraded
from grokputer.runners.use_cases.ratings import rate
from grokputer.runners.wiring.services import Services
from story import change


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger.create(tmp_path / "events.db")
    yield ledger
    ledger.close()


def once(ledger: Ledger) -> list[str]:
    """The worker's lines while it does all that is due."""
    lines: list[str] = []
    work(ledger, once=True, reporter=Reporter(lines.append))
    return lines


def graded(ledger: Ledger) -> list[UUID]:
    return [recorded.event.originator_id for recorded in ledger.read(1, None, (TaskGraded.TOPIC,))]


def answer_of(asked: str) -> str:
    return str(json.loads(asked)["answer"])


def test_the_worker_grades_unrated_answers_in_their_order_and_never_twice(ledger: Ledger) -> None:
    first, rated, second = answer(ledger, "one"), answer(ledger, "two"), answer(ledger, "three")
    answer(ledger, "pinned", arm=Arm.PINNED)
    rate(ledger, rated, 3, actor="ada")
    with ChatServer(verdict(4)) as server:
        appoint(ledger, server)
        lines = once(ledger)
        assert graded(ledger) == [first, second]
        assert f"run {first.hex[:8]} is graded 4 by big@{server.url}" in lines
        once(ledger)
        assert len(server.asked) == 2


def test_without_a_judge_the_worker_grades_nothing(ledger: Ledger) -> None:
    answer(ledger)
    once(ledger)
    assert graded(ledger) == []


def test_a_reply_without_a_verdict_is_asked_for_three_times_and_the_next_answer_is_graded(ledger: Ledger) -> None:
    bad, good = answer(ledger, "bad"), answer(ledger, "good")
    with ChatServer(lambda asked: "five stars!" if answer_of(asked) == "bad" else verdict(4)) as server:
        appoint(ledger, server)
        lines = once(ledger)
    assert graded(ledger) == [good]
    assert [answer_of(asked) for asked in server.asked] == ["bad", "bad", "bad", "good"]
    about = [line for line in lines if bad.hex[:8] in line]
    assert [line.rpartition("; ")[2] for line in about] == [
        *["it is asked again"] * 2,
        "asked 3 times, it is left ungraded",
    ]


def test_a_good_verdict_at_the_second_try_is_recorded(ledger: Ledger) -> None:
    run, replies = answer(ledger), iter(["hm", verdict(2)])
    with ChatServer(lambda _: next(replies)) as server:
        appoint(ledger, server)
        once(ledger)
    assert graded(ledger) == [run]


class Moved:
    """A monotonic clock that stands until it is moved."""

    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


def until_idle(queue: GradingQueue, ledger: Ledger) -> None:
    with Services(ledger, process_new_events(ledger)) as services:
        while queue.step(services):
            services.state = process_new_events(ledger, services.state)


def test_a_judge_that_is_away_is_asked_again_after_a_pause_and_its_run_goes_to_the_end(ledger: Ledger) -> None:
    first, second = answer(ledger, "one"), answer(ledger, "two")
    lines: list[str] = []
    clock = Moved()
    queue = GradingQueue(ledger, lines.append, clock)
    replies: Callable[[str], str | bytes] = lambda asked: b"" if len(server.asked) == 1 else verdict(4)  # noqa: E731
    with ChatServer(replies) as server:
        appoint(ledger, server)
        until_idle(queue, ledger)
        assert (len(server.asked), graded(ledger)) == (1, [])
        assert lines[-1].endswith(f"big@{server.url} is asked again in 60 s")
        clock.time += FIRST_PAUSE_S - 1
        until_idle(queue, ledger)
        assert len(server.asked) == 1
        clock.time += 1
        until_idle(queue, ledger)
    assert graded(ledger) == [second, first]


def test_erased_criteria_stop_the_judge_and_lose_no_answer(ledger: Ledger) -> None:
    run, clock, lines = answer(ledger), Moved(), list[str]()
    queue = GradingQueue(ledger, lines.append, clock)
    with ChatServer(verdict(4)) as server:
        appoint(ledger, server, criteria="sha256:" + "0" * 64)
        until_idle(queue, ledger)
        assert "the text of judge.criteria was erased" in lines[-1]
        change(ledger, "judge.criteria", None)
        clock.time += FIRST_PAUSE_S
        until_idle(queue, ledger)
    assert graded(ledger) == [run]


def test_a_run_that_the_judge_never_answers_for_is_left_after_ten_requests(ledger: Ledger) -> None:
    bad, clock, lines = answer(ledger, "far too long"), Moved(), list[str]()
    queue = GradingQueue(ledger, lines.append, clock)
    with ChatServer(b"") as server:
        appoint(ledger, server)
        for _ in range(12):
            until_idle(queue, ledger)
            clock.time += LONGEST_PAUSE_S
    assert len(server.asked) == 10
    assert f"run {bad.hex[:8]} is left ungraded: big@{server.url} did not answer 10 times" in lines


def test_an_answer_whose_words_were_erased_is_passed_by_without_a_word(ledger: Ledger) -> None:
    erased, kept = answer(ledger), answer(ledger)
    forget(ledger, Target(erased.hex, None), reason="asked for", actor="ada")
    with ChatServer(verdict(4)) as server:
        appoint(ledger, server)
        assert find_ungraded(ledger, rated=False, limit=None) == [kept]
        lines = once(ledger)
    assert graded(ledger) == [kept]
    assert not [line for line in lines if erased.hex[:8] in line]


def test_where_grades_make_success_known_rated_answers_are_graded_too(ledger: Ledger) -> None:
    rated, unrated = answer(ledger, "one"), answer(ledger, "two")
    rate(ledger, rated, 1, actor="ada")
    with ChatServer(verdict(4)) as server:
        appoint(ledger, server, success_stars=4)
        once(ledger)
        once(ledger)
    assert graded(ledger) == [unrated, rated]
    assert ledger.get(TaskRun, rated).succeeded is True
