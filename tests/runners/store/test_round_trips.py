"""Saves in PostgreSQL: short statements wait for the next one, and whatever they say arrives as it was, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from eventsourcing.persistence import IntegrityError
from stores import server

from grokputer.domain.aggregates.base import Context
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.events import TaskRated
from grokputer.runners.archive.integrity import verify
from grokputer.runners.store.log import Log
from story import Story


@pytest.fixture
def story() -> Story:
    return Story(server().place())


def commented(key: str, rater: Context) -> Callable[[TaskRun], None]:
    return lambda run: run.rate(5, "human", [], key, rater)


def test_any_text_comes_back_as_it_was_from_a_statement_that_waited_for_the_next_one(story: Story) -> None:
    texts = [
        "it's 100 % \\'; DROP TABLE content; --",
        "E'\\x00'?",
        "%s ? ??",
        "\x1a0",
        "日本 \U0001f600\n\r\t",
        "$1 $$ {}",
        "",
    ]
    keys, run = [story.ledger.put(text) for text in texts], story.run()
    for text, key in zip(texts, keys, strict=True):
        story.ledger.write(TaskRun, run, commented(key, story.ledger.context(f"rater {text}")))
    log = Log.open(story.place)
    assert [log.get_content(key) for key in keys] == texts
    raters = [log.reveal(it).event.actor for it in log.history(run) if isinstance(it.event, TaskRated)]
    assert raters == [f"rater {text}" for text in texts]
    assert verify(log).fault is None


def test_what_a_person_says_is_stored_in_four_round_trips(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    aggregate = story.ledger.get(TaskRun, story.run())
    aggregate.rate(5, "human", [], story.ledger.put("well done"), story.ledger.context("ada"))
    trips, wait = list[object](), psycopg.Connection.wait

    def counted(connection: psycopg.Connection[Any], *given: Any, **named: Any) -> Any:
        trips.append(connection)
        return wait(connection, *given, **named)

    monkeypatch.setattr(psycopg.Connection, "wait", counted)
    story.ledger.store(aggregate)
    assert len(trips) == 4, (
        "the lock, the events with a look at names, texts with the commit, and the wait for the disk"
    )


def test_a_conflict_that_shows_at_the_commit_leaves_the_events_pending_and_the_log_whole(story: Story) -> None:
    run, position = story.run(), story.ledger.position
    one, two = (story.ledger.get(TaskRun, run) for _ in range(2))
    for each in (one, two):
        each.rate(5, "human", [], None, story.ledger.context("ada"))
    story.ledger.store(one)
    with pytest.raises(IntegrityError):
        story.ledger.store(two)
    assert len(two.pending) == 1
    story.run()
    assert story.ledger.position > position + 1
    assert verify(story.ledger).fault is None
