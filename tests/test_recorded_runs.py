"""Runs of other programs that are recorded as they are made: whole, in batches, and counted for what made them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import output

import grokputer
from grokputer import UNKNOWN, OpenLog, ProgramRun, ProgramStep
from grokputer.adapters.data.training_runs import TOPICS, collect_runs
from grokputer.domain.errors import BadRating, GrokputerError, UnknownAdapter
from story import Story

STEPS = (
    ProgramStep(
        [{"role": "system", "content": "You help."}, {"role": "user", "content": "Where is it?"}], "On its way."
    ),
    ProgramStep("And when does it come?", "On Monday.", duration_ms=40, prompt_tokens=9, completion_tokens=3),
)
RUN = ProgramRun("support", "order 7", STEPS, adapter=None, stars=2, comment="it came on Friday", rated_by="bob")


@pytest.fixture
def log(tmp_path: Path) -> Iterator[OpenLog]:
    with grokputer.open(tmp_path / "events.db", create=True, actor="shop") as opened:
        yield opened


def test_a_recorded_run_is_read_as_any_other(log: OpenLog, tmp_path: Path) -> None:
    recorded = log.record(RUN)
    [row] = log.runs()
    assert (row.id, row.task, row.environment, row.status) == (recorded.run.hex, "order 7", "support", "succeeded")
    assert (row.steps, row.stars, row.arm, row.adapter) == (2, 2, "stable", None)
    shown = output("show", recorded.run.hex, db=tmp_path / "events.db")
    for words in ("order 7", "On its way.", "And when does it come?", "it came on Friday", "bob"):
        assert words in shown
    assert "another program made it with the base; no draw was made" in output(
        "why", recorded.run.hex, db=tmp_path / "events.db"
    )


def test_ratings_of_own_traffic_of_what_is_live_lead_to_a_breach_and_a_training(log: OpenLog) -> None:
    log.set("rating.rule", "threshold")
    with log.batch() as batch:
        for number in range(10):
            batch.record(replace(RUN, task=f"order {number}", stars=1))
    assert log.status().role("action").ratings == 10
    topics = [it.event.TOPIC for it in log.events(topics=("RatingThresholdBreached", "TrainingRequested"))]
    assert topics == ["RatingThresholdBreached", "TrainingRequested"]


@pytest.mark.parametrize(("counts", "ratings"), [(False, 0), (True, 1)])
def test_a_run_that_something_unknown_made_counts_for_the_base_where_sessions_do(
    log: OpenLog, counts: bool, ratings: int
) -> None:
    log.set("sessions.count", counts)
    log.record(replace(RUN, adapter=UNKNOWN))
    assert log.status().role("action").ratings == ratings
    assert log.runs()[0].arm == "pinned"


def test_a_run_of_an_adapter_that_is_not_live_counts_in_no_window_and_for_no_arm(tmp_path: Path) -> None:
    story = Story(tmp_path / "events.db")
    story.prove(story.train(story.fall()))
    with grokputer.open(story.path) as log:
        before = log.status()
        log.record(replace(RUN, adapter="lora-v1", stars=5))
        assert log.runs(1)[0].arm == "pinned"
        log.record(replace(RUN, adapter=None, succeeded=False, reason="error", stars=None))
        after = log.status()
        assert after.role("action").ratings == before.role("action").ratings
        assert after.role("action").canary == before.role("action").canary


def test_a_batch_is_recorded_whole_or_not_at_all(log: OpenLog) -> None:
    def record(second: ProgramRun | None) -> None:
        with log.batch() as batch:
            batch.record(RUN)
            if second is None:
                raise RuntimeError
            batch.record(second)

    with pytest.raises(RuntimeError):
        record(None)
    assert log.position == 0
    with pytest.raises(BadRating):
        record(replace(RUN, stars=7))
    assert (log.position, log.runs()) == (0, [])


def test_a_run_with_an_id_is_recorded_once_in_one_batch_or_several(log: OpenLog) -> None:
    own = replace(RUN, id="ticket-7")
    with log.batch() as batch:
        batch.record(own)
        batch.record(own)
    first, twice = batch.recorded
    again = log.record(own)
    assert (first.is_new, again.is_new) == (True, False)
    assert first.run == twice.run == again.run
    assert len(log.runs()) == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"environment": "miniwob"}, "one of Grokputer's own environments"),
        ({"environment": "our shop"}, "'our shop' is not a name"),
        ({"role": "seller"}, "'seller' is not a role"),
        ({"succeeded": False, "reason": "bored"}, "'bored'"),
        ({"fault_step": 9}, "no step 9"),
        ({"steps": [ProgramStep([{"role": "user"}], "x")]}, "role and a text"),  # type: ignore[typeddict-item]
    ],
)
def test_what_cannot_be_recorded_is_refused_in_one_line(log: OpenLog, changes: dict[str, object], words: str) -> None:
    with pytest.raises(GrokputerError, match=words) as refused:
        log.record(replace(RUN, **changes))  # type: ignore[arg-type]
    assert "\n" not in str(refused.value)
    assert "--" not in str(refused.value)
    assert log.position == 0


def test_an_adapter_that_is_not_registered_is_refused(log: OpenLog) -> None:
    with pytest.raises(UnknownAdapter, match="lora-v9 is not registered") as refused:
        log.record(replace(RUN, adapter="lora-v9"))
    assert refused.value.hint is grokputer.Hint.SEE_ADAPTERS


def test_a_correction_of_one_step_teaches_the_answer_to_what_was_asked_there(log: OpenLog, tmp_path: Path) -> None:
    run = log.record(RUN).run
    with pytest.raises(grokputer.NotPossible, match="say which one"):
        log.correct(run, "On Tuesday.")
    log.correct(run, "On Tuesday.", step=2)
    [past] = collect_runs((it.event for it in log.events(topics=TOPICS)), "action", log.text)
    assert past.correction is not None
    kept = log.text(past.correction.correction) or ""
    assert "And when does it come?" in kept
    assert "On Tuesday." in kept
    assert "Where is it?" not in kept


def test_forgetting_the_run_deletes_all_its_words_and_leaves_its_events(log: OpenLog, tmp_path: Path) -> None:
    run = log.record(replace(RUN, detail="bob was angry", succeeded=False, issues=["rude to bob"]))
    before = log.position
    log.forget(run=run.run, reason="asked for")
    log.close()
    for path in tmp_path.glob("events.db*"):
        for words in ("order 7", "On its way.", "it came on Friday", "bob was angry", "rude to bob"):
            assert words.encode() not in path.read_bytes()
    with grokputer.open(tmp_path / "events.db") as again:
        assert again.position > before
        assert again.runs()[0].task is None
        assert [it.event.TOPIC for it in again.events(1, 1)] == ["TaskStarted"]
