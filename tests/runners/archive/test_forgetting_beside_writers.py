"""Words that are erased while other processes write: what they store meanwhile is erased too, or is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from command_line import call
from stored_text import NAME, files_of, program, unnamed

from given import OFFERED
from grokputer.domain.aggregates.base import Context
from grokputer.domain.aggregates.run import TaskRun
from grokputer.runners.archive import erasure
from grokputer.runners.archive.erasure import Target, erase
from grokputer.runners.archive.integrity import verify
from grokputer.runners.feedback.ratings import record_rating
from grokputer.runners.store.ledger import Ledger
from story import BEGIN, Story


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path / "events.db")


def test_what_another_process_stores_while_words_are_looked_for_is_erased_too(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, other = story.run(succeeds=False), Ledger.open(story.path)
    story.rate(run, 2, NAME, f"{NAME} said so")
    calls: list[int] = []
    trace = erasure._trace_lessons

    def trace_while_another_writes(*given: Any) -> None:
        trace(*given)
        if len(calls) < 3:
            calls.append(len(calls))
            rated = other.get(TaskRun, run)
            record_rating(other, rated, 1, [], f"{NAME} once more", NAME if len(calls) < 3 else "ada", None, None)

    monkeypatch.setattr(erasure, "_trace_lessons", trace_while_another_writes)
    words = erase(story.ledger, Target(person=NAME), "left", "bob")
    other.close()
    assert len(words.keys) == 4, "the name, and three comments of the person"
    assert files_of(story.path).count(f"{NAME} once more".encode()) == 1, "ada's own words are no words of theirs"
    assert verify(story.ledger).fault is None


def test_a_person_who_is_named_first_while_words_are_looked_for_is_erased_too(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, other = story.run(succeeds=False), Ledger.open(story.path)
    plain, comment = Context(BEGIN, NAME), story.ledger.put("of an earlier program")
    story.ledger.write(TaskRun, run, lambda it: it.rate(2, "human", (), comment, plain))
    trace = erasure._trace_lessons

    def trace_while_another_writes(*given: Any) -> None:
        trace(*given)
        if len(other.get(TaskRun, run).ratings) == 1:
            record_rating(other, other.get(TaskRun, run), 1, [], "named for the first time", NAME, None, None)

    monkeypatch.setattr(erasure, "_trace_lessons", trace_while_another_writes)
    erase(story.ledger, Target(person=NAME), "left", "bob")
    other.close()
    files = files_of(story.path)
    assert b"of an earlier program" not in files
    assert b"named for the first time" not in files
    assert verify(story.ledger).fault is None
    assert story.ledger.name_key(NAME) not in {it.event.actor for it in story.ledger.read()}


WRITING = """
import sys
from pathlib import Path
from uuid import UUID
from grokputer.domain.aggregates.run import TaskRun
from grokputer.runners.feedback.ratings import record_rating
from grokputer.runners.store.ledger import Ledger

ledger = Ledger.open(Path(sys.argv[1]))
for number in range(60):
    record_rating(ledger, ledger.get(TaskRun, UUID(sys.argv[2])), 2, ["Zebrafish did it"], "Zebrafish", "Zebrafish")
    print(number, flush=True)
"""


def test_forgetting_while_another_process_writes_breaks_nothing_and_once_more_ends_it(story: Story) -> None:
    run = story.run(succeeds=False)
    writer = program(story.path, run.hex, code=WRITING)
    assert writer.stdout is not None
    assert writer.stdout.readline() == "0\n"
    for _ in range(5):
        erase(story.ledger, Target(person=NAME), "left", "bob")
        assert verify(story.ledger).fault is None
    _, said = writer.communicate()
    assert writer.returncode == 0, said
    erase(story.ledger, Target(person=NAME), "left", "bob")
    assert NAME.encode() not in files_of(story.path)
    assert verify(story.ledger).fault is None
    assert unnamed(story.path) == set()
    assert len(story.ledger.get(TaskRun, run).ratings) == 60


@pytest.mark.parametrize("target", [lambda run: [run.hex], lambda run: ["--person", "ada"]])
def test_a_run_that_is_under_way_can_be_forgotten_and_it_is_said_that_more_may_come(
    story: Story, target: Callable[[UUID], list[str]]
) -> None:
    run = TaskRun(uuid4())
    run.start(
        story.ledger.context("ada"), role="action", arm="stable", adapter=None, rollout=None, environment="chat",
        capabilities=OFFERED["chat"], task=story.ledger.put(f"who is {NAME}"), seed=0, base="embedded", session=None, policy={},
    )  # fmt: skip
    story.ledger.store(run)
    result = call("forget", "--yes", *target(run.id), "--reason", "asked for", db=story.path)
    assert f"not ended: {run.id.hex[:8]}; what such a run records from now on is not deleted" in result.stderr
    assert NAME.encode() not in files_of(story.path)
