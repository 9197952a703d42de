"""Loops over many runs ask a database together, in a number of queries that does not grow with the runs; same answers."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from queries import count_queries
from stores import server

from grokputer.domain.events import RatingThresholdBreached, TrainingRequested
from grokputer.domain.settings.recipe import Recipe
from grokputer.projections.explain.assignments import trace_run
from grokputer.projections.explain.lineage import trace
from grokputer.runners.agent.attempts import find_run, find_runs
from grokputer.runners.archive.erasure import Target, find_words
from grokputer.runners.lessons.datasets import dataset_for
from grokputer.runners.lessons.gather import teaching_runs
from grokputer.runners.sessions.export import export_sessions
from grokputer.runners.store.log import LogAsOf
from grokputer.runners.store.place import DatabaseUrl, Place
from grokputer.runners.store.texts import ahead
from grokputer.runners.store.texts.ahead import LogAhead
from grokputer.runners.use_cases.judgements import find_ungraded
from story import Story

MORE = 2
"""Queries more for five times the runs: events are read in batches."""


def dataset_of(story: Story, log: LogAhead | None = None) -> str:
    requested = next(it.event for it in story.ledger.read(1, None, ("TrainingRequested",)))
    assert isinstance(requested, TrainingRequested)
    return dataset_for(log or story.ledger, requested, story.ledger.position).hash


def export(story: Story) -> None:
    folder = Path(story.path.parent) / f"exported-{uuid4().hex[:8]}"
    export_sessions(story.ledger, folder)
    shutil.rmtree(folder)


LOOPS: dict[str, Callable[[Story], object]] = {
    "a dataset": dataset_of,
    "the runs that may be learnt from": lambda it: teaching_runs(it.ledger, "action", Recipe()),
    "the words of a person": lambda it: find_words(it.ledger, Target(person="ada")),
    "runs as sessions": export,
    "answers without a grade": lambda it: find_ungraded(it.ledger, rated=False, limit=None),
    "attempts": lambda it: find_runs(it.ledger, [plan(id) for id in it.runs]),
}


def another(place: Place) -> Place:
    """A second place in the same store."""
    if isinstance(place, DatabaseUrl):
        return server().place()
    (place.parent / "another").mkdir()
    return place.parent / "another" / "events.db"


def plan(*ids: UUID) -> Callable[[int], UUID]:
    """The ids of a planned run's attempts."""
    return lambda attempt: ids[attempt - 1]


def tell(story: Story, runs: int) -> None:
    for number in range(runs):
        run = story.run(succeeds=None if number % 2 else number % 4 == 0)
        if not number % 2:
            story.correct(run)
            story.rate(run, 2, comment="no")


def test_loops_over_runs_ask_a_number_of_queries_that_does_not_grow_with_them(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = Story(place)
    tell(story, 6)
    story.ask()

    def counts() -> dict[str, int]:
        return {name: count_queries(story.ledger, monkeypatch, partial(work, story)) for name, work in LOOPS.items()}

    few = counts()
    tell(story, 24)
    many = counts()
    assert {name: (few[name], many[name]) for name in LOOPS if many[name] > few[name] + MORE} == {}
    assert min(few.values()) > 0


def test_an_adapter_is_explained_by_a_number_of_queries_that_does_not_grow_with_its_ratings(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = list[int]()
    for ratings, where in ((10, place), (20, another(place))):
        story = Story(where)
        story.set("rating.minimum", ratings)
        adapter = story.train(story.fall(ratings))
        story.prove(adapter)
        [breach] = story.ledger.read(1, None, ("RatingThresholdBreached",))
        assert isinstance(breach.event, RatingThresholdBreached) and breach.event.count == ratings
        log = story.ledger
        assert trace(LogAhead(log), adapter) == trace(log, adapter)
        assert trace_run(LogAhead(log), story.runs[-1]) == trace_run(log, story.runs[-1])
        counts.append(count_queries(log, monkeypatch, partial(trace, LogAhead(log), adapter)))
    assert counts[1] <= counts[0] + MORE


def test_a_log_that_reads_ahead_gives_the_same_answers_also_past_its_room(
    monkeypatch: pytest.MonkeyPatch, place: Place
) -> None:
    story = Story(place)
    tell(story, 6)
    story.ask()
    events = [recorded.event for recorded in story.ledger.read()]
    keys = [*dict.fromkeys(key for event in events for key in event.text_keys), "sha256:" + "0" * 64]
    texts = {key: story.ledger.get_content(key) for key in keys}
    causes = {event.reference: story.ledger.position_of(event.reference) for event in events} | {f"{uuid4()}/1": None}
    for room, together in ((32_000_000, 900), (100, 3), (0, 900)):
        monkeypatch.setattr(ahead, "MOST", room)
        monkeypatch.setattr(ahead, "VALUES_TOGETHER", together)
        log = LogAhead(story.ledger, events)
        assert {key: log.get_content(key) for key in reversed(keys)} == texts
        assert {key: log.has_content(key) for key in keys} == {key: text is not None for key, text in texts.items()}
        assert {reference: log.position_of(reference) for reference in causes} == causes
        assert log.positions_of(list(causes)) == causes
        assert dataset_of(story, log) == dataset_of(story)


def test_histories_that_are_read_together_are_those_that_are_read_one_by_one(place: Place) -> None:
    story = Story(place)
    tell(story, 4)
    log, past = story.ledger, LogAsOf(story.ledger.database)
    past.until = log.history(story.runs[1])[0].position
    unknown = uuid4()
    for each in (log, past):
        known = {id: history for id in story.runs if (history := each.history(id))}
        assert each.histories([*story.runs, unknown]) == known
        reading = LogAhead(each)
        reading.foresee_all([*story.runs, unknown])
        assert {id: reading.history(id) for id in (*story.runs, unknown)} == {
            **{id: [] for id in story.runs},
            **known,
            unknown: [],
        }


def test_runs_that_are_found_together_are_those_that_are_found_one_by_one(place: Place) -> None:
    story = Story(place)
    lost = story.run(succeeds=False, reason="environment")
    good, never = story.run(), uuid4()

    plans = [plan(lost, good), plan(good), plan(lost, never), plan(never)]
    found = find_runs(story.ledger, plans)
    assert [(run and run.id, id) for run, id in found] == [(good, None), (good, None), (None, never), (None, never)]
    assert [(run and run.id, id) for run, id in (find_run(story.ledger, it) for it in plans)] == [
        (run and run.id, id) for run, id in found
    ]
