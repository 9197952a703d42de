"""Recording runs of other programs: what a batch takes, and what happens to the log meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import grokputer
from grokputer import OpenLog, ProgramRun, ProgramStep
from grokputer.domain.aggregates.rollout import Rollout
from grokputer.domain.aggregates.run import TaskRun
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.use_cases.intake import recordings
from grokputer.runners.use_cases.intake.recordings import RunRecorder
from story import Story

RUN = ProgramRun("support", "order 7", [ProgramStep("Where is it?", "On its way.")], succeeded=True, adapter=None)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[OpenLog]:
    with grokputer.open(tmp_path / "events.db", create=True, actor="shop") as opened:
        yield opened


def test_a_run_that_would_be_lost_outside_the_block_of_its_batch_is_refused(log: OpenLog) -> None:
    batch = log.batch()
    with pytest.raises(grokputer.NotPossible, match="inside its 'with' block"):
        batch.record(RUN)
    with batch:
        batch.record(RUN)
    assert len(batch.recorded) == 1
    with pytest.raises(grokputer.NotPossible, match="begin another batch"):
        batch.record(RUN)
    with pytest.raises(grokputer.NotPossible, match="begin another batch"), batch:
        pass
    assert len(log.runs()) == 1


def test_reading_events_ends_with_the_log(log: OpenLog) -> None:
    log.record(RUN)
    events = log.events()
    next(events)
    log.close()
    with pytest.raises(grokputer.GrokputerError):
        next(events)


def test_a_run_is_placed_by_what_is_live_when_it_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    story = Story(tmp_path / "events.db")
    rollout = story.prove(story.train(story.fall()))
    recorder = RunRecorder(story.ledger, "shop")
    looks = 0

    def look(*given: Any) -> Any:
        nonlocal looks
        looks += 1
        state = process_new_events(*given)
        if looks == 1:
            story.ledger.write(Rollout, rollout, lambda it: it.promote("good", story.ledger.context("ada")))
        return state

    monkeypatch.setattr(recordings, "process_new_events", look)
    [recorded] = recorder.record([RUN])
    started = story.ledger.get(TaskRun, recorded.run).started
    assert started is not None
    assert (started.arm, started.adapter) == ("pinned", None)
    story.ledger.close()
