"""Runs of other programs that are recorded as they are made: whole, in batches, and counted for what made them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from command_line import document, output

import grokputer
from grokputer import UNKNOWN, OpenLog, ProgramRun, ProgramStep
from grokputer.adapters.data.training_runs import TOPICS, collect_runs
from grokputer.domain.errors import BadRating, GrokputerError, UnknownAdapter
from grokputer.domain.events import StepTaken, TaskSucceeded
from story import Story

STEPS = (
    ProgramStep(
        [{"role": "system", "content": "You help."}, {"role": "user", "content": "Where is it?"}], "On its way."
    ),
    ProgramStep("And when does it come?", "On Monday.", duration_ms=40, prompt_tokens=9, completion_tokens=3),
)
RUN = ProgramRun(
    "support", "order 7", STEPS, succeeded=True, adapter=None, stars=2, comment="it came on Friday", rated_by="bob"
)
UNRATED = replace(RUN, stars=None, comment=None, rated_by=None)


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
        log.record(replace(UNRATED, adapter=None, succeeded=False, reason="error"))
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
    with pytest.raises(grokputer.BadArgument, match="run cannot be 'a run'"):
        record("a run")  # type: ignore[arg-type]
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
        ({"environment": "our shop"}, "environment is 'our shop'; allowed is a name of up to 64 letters"),
        ({"environment": b"shop"}, "environment is b'shop'; allowed is a text"),
        ({"task": " "}, "task is ' '; allowed is a text that is not blank"),
        ({"task": "half \ud83d"}, "task is not valid Unicode"),
        ({"role": "seller"}, "'seller' is not a role"),
        ({"session": 7}, "session is 7; allowed is a text"),
        ({"session": "\udc00"}, "session is not valid Unicode"),
        ({"adapter": 3}, "adapter is 3; allowed is a text"),
        ({"id": ""}, "id is ''; allowed is a text that is not blank"),
        ({"session": " "}, "session is ' '; allowed is a text that is not blank"),
        ({"succeeded": 1}, "succeeded is 1; allowed is True, False, or None"),
        ({"succeeded": False, "reason": "bored"}, "reason is 'bored'; allowed is wrong, timeout, error, environment"),
        ({"reason": "wrong"}, "reason is 'wrong'; allowed is none for a run that has not failed"),
        ({"detail": "too slow"}, "detail is 'too slow'; allowed is none for a run that has not failed"),
        ({"duration_ms": -1}, "duration_ms is -1; allowed is a whole number from 0 to 1000000000000, or None"),
        ({"duration_ms": 1.5}, "duration_ms is 1.5; allowed is a whole number"),
        ({"duration_ms": True}, "duration_ms is True; allowed is a whole number"),
        ({"duration_ms": float("nan")}, "duration_ms is nan; allowed is a whole number"),
        ({"duration_ms": float("inf")}, "duration_ms is inf; allowed is a whole number"),
        ({"duration_ms": "40"}, "duration_ms is '40'; allowed is a whole number"),
        ({"duration_ms": 10**5000}, "duration_ms is a number of too many digits to show; allowed is"),
        ({"stars": True}, "stars is True; allowed is a whole number from 1 to 5"),
        ({"stars": 4.0}, "stars is 4.0; allowed is a whole number from 1 to 5"),
        ({"stars": 10**5000}, "stars is a number of too many digits to show; allowed is"),
        ({"fault_step": 9}, "fault_step is 9; allowed is a step of the run, from 1 to 2"),
        ({"fault_step": 0}, "fault_step is 0; allowed is a step of the run, from 1 to 2"),
        ({"steps": (), "fault_step": 1}, "fault_step is 1; allowed is None, without steps"),
        ({"stars": 5, "fault_step": 1}, "a rating of 5 finds no fault"),
        ({"issues": "slow"}, "issues is 'slow'; allowed is a list of text"),
        ({"issues": [7]}, "an issue is 7; allowed is a text"),
        ({"rated_by": "reviewer"}, "rated_by is 'reviewer'; allowed is a person's name"),
        ({"rated_by": f"sha256:{'0' * 64}"}, "rated_by is 'sha256:0"),
        ({"steps": "hello"}, "steps is 'hello'; allowed is a list of ProgramStep"),
        ({"steps": [("a", "b")]}, "step 1 is \\('a', 'b'\\); allowed is a ProgramStep"),
        ({"steps": [ProgramStep("a", "b"), ProgramStep("a", "b", duration_ms=-3)]}, "step 2: duration_ms is -3"),
        ({"steps": [ProgramStep("a", "b", prompt_tokens=2.5)]}, "step 1: prompt_tokens is 2.5"),  # type: ignore[arg-type]
        ({"steps": [ProgramStep("a", "b", completion_tokens=-1)]}, "step 1: completion_tokens is -1"),
        ({"steps": [ProgramStep("a", None)]}, "step 1: answer is None; allowed is a text"),
        ({"steps": [ProgramStep([], "x")]}, r"step 1: prompt is \[\]; allowed is a text, or a list of messages"),
        ({"steps": [ProgramStep([{"role": "user"}], "x")]}, "a message is {'role': 'user'}; allowed is"),  # type: ignore[typeddict-item]
        ({"steps": [ProgramStep([{"role": "tool", "content": "a"}], "x")]}, "system, user, assistant"),
        ({"steps": [ProgramStep([{"role": "user", "content": "a", "name": "bob"}], "x")]}, "and no more"),
    ],
    ids=lambda given: None if isinstance(given, str) else next(iter(given)),
)
def test_what_cannot_be_recorded_is_refused_in_one_line(log: OpenLog, changes: dict[str, object], words: str) -> None:
    with pytest.raises(GrokputerError, match=words) as refused:
        log.record(replace(RUN, **changes))  # type: ignore[arg-type]
    assert "\n" not in str(refused.value)
    assert "--" not in str(refused.value)
    assert log.position == 0


@pytest.mark.parametrize(
    ("part", "shown"),
    [
        ({"comment": "too late"}, "comment is 'too late'"),
        ({"issues": ["slow"]}, r"issues is \('slow',\)"),
        ({"fault_step": 1}, "fault_step is 1"),
        ({"rated_by": "bob"}, "rated_by is 'bob'"),
    ],
)
def test_a_part_of_a_rating_without_stars_is_refused_and_not_lost(
    log: OpenLog, part: dict[str, object], shown: str
) -> None:
    with pytest.raises(grokputer.NotPossible, match=f"{shown}; allowed is none without stars; give stars"):
        log.record(replace(UNRATED, **part))  # type: ignore[arg-type]
    assert log.position == 0


def refused_batch(log: OpenLog, *runs: ProgramRun) -> str:
    """The message with which the batch is refused."""

    def record() -> None:
        with log.batch() as batch:
            for run in runs:
                batch.record(run)

    with pytest.raises(GrokputerError) as refused:
        record()
    return str(refused.value)


def test_a_bad_run_of_a_batch_is_named_and_none_of_the_batch_is_recorded(log: OpenLog) -> None:
    for bad in ({"stars": 9}, {"adapter": "lora-v9"}, {"task": "\udc00"}, {"stars": 5, "fault_step": 1}, {"role": "x"}):
        said = refused_batch(log, RUN, replace(RUN, id="ticket-7", **bad), RUN)
        assert log.position == 0
        assert said.startswith("run 2 of 3 (id 'ticket-7'): "), said
        assert said.endswith("; none of the 3 runs was recorded"), said
    assert refused_batch(log, RUN, replace(RUN, duration_ms=-1)).startswith("run 2 of 2: duration_ms is -1")


def test_an_unknown_duration_gives_no_implicit_stars_and_is_in_no_mean(log: OpenLog, tmp_path: Path) -> None:
    log.record(UNRATED)
    log.record(replace(UNRATED, task="order 8", duration_ms=20_000))
    unknown, known = [event.event for event in log.events(topics=("TaskSucceeded",))]
    assert isinstance(unknown, TaskSucceeded)
    assert isinstance(known, TaskSucceeded)
    assert (unknown.duration_ms, unknown.implicit_stars) == (None, None)
    assert (known.duration_ms, known.implicit_stars) == (20_000, 4)
    [counts] = document("at", log.position, db=tmp_path / "events.db")["metrics"]
    assert (counts["runs"], counts["mean_ms"]) == (2, 20_000)
    assert [run.duration_ms for run in log.runs()] == [20_000, None]


def test_a_run_whose_success_the_program_does_not_say_is_answered_and_its_success_unknown(log: OpenLog) -> None:
    given = replace(UNRATED, succeeded=None, id="ticket-7")
    first = log.record(given)
    assert [(run.status, run.reason) for run in log.runs()] == [("answered", None)]
    assert not log.record(given).is_new
    with pytest.raises(grokputer.NotPossible, match="succeeded is None, and it is given as True"):
        log.record(replace(given, succeeded=True))
    log.set("rating.success_stars", 4)
    log.rate(first.run, 5)
    assert [run.status for run in log.runs()] == ["succeeded"]
    assert not log.record(given).is_new


def test_unknown_durations_and_counts_of_a_step_are_unknown_and_zero_is_zero(log: OpenLog) -> None:
    log.record(replace(UNRATED, steps=[ProgramStep("a", "b"), ProgramStep("a", "b", "", 0, 0, 0)]))
    steps = [it.event for it in log.events(topics=("StepTaken",))]
    shown = [(it.model_ms, it.prompt_tokens, it.completion_tokens) for it in steps if isinstance(it, StepTaken)]
    assert shown == [(None, None, None), (0, 0, 0)]


def test_the_same_run_again_is_left_as_it_is_and_another_with_its_id_is_refused(log: OpenLog) -> None:
    own = replace(RUN, id="ticket-7", duration_ms=90, session="monday", issues=["slow"], fault_step=2)
    first, before = log.record(own), log.position
    for again in (own, replace(own, duration_ms=None), replace(own, stars=None, comment=None, issues=(), fault_step=None,
                  rated_by=None), replace(own, steps=list(own.steps))):  # fmt: skip
        assert log.record(again) == grokputer.RecordedRun(first.run, before, is_new=False)
    wrong = replace(own.steps[1], answer="On Friday.")
    for changes, shown in (
        ({"task": "order 8"}, "task is 'order 7', and it is given as 'order 8'"),
        ({"succeeded": False}, "succeeded is True, and it is given as False"),
        ({"role": "recovery"}, "role is 'action', and it is given as 'recovery'"),
        ({"adapter": UNKNOWN}, "adapter is None, and it is given as 'unknown'"),
        ({"session": None}, "session is 'monday', and it is given as None"),
        ({"duration_ms": 80}, "duration_ms is 90, and it is given as 80"),
        ({"steps": [own.steps[0], wrong]}, "answer of step 2 is 'On Monday.', and it is given as 'On Friday.'"),
        ({"steps": [*own.steps, wrong]}, "number of steps is 2, and it is given as 3"),
    ):
        with pytest.raises(grokputer.NotPossible, match="id 'ticket-7' is that of run") as refused:
            log.record(replace(own, **changes))
        assert shown in str(refused.value)
        assert str(refused.value).endswith("give another run another id, and a recorded run unchanged")
    assert log.position == before


def test_two_runs_of_a_batch_with_one_id_are_the_same_or_refused(log: OpenLog) -> None:
    said = refused_batch(log, replace(RUN, id="a"), replace(RUN, id="a", task="order 8"))
    assert said.startswith("run 2 of 2 (id 'a'): id 'a' is that of run ")
    assert "whose task is 'order 7', and it is given as 'order 8'" in said
    assert log.position == 0


def test_a_rating_that_comes_later_is_added_to_the_recorded_run_once(log: OpenLog) -> None:
    own = replace(UNRATED, id="ticket-7")
    first = log.record(own)
    rated = log.record(replace(own, stars=2, comment="late", rated_by="bob"))
    assert (rated.run, rated.is_new, rated.is_newly_rated) == (first.run, False, True)
    assert rated.position == log.position
    again = log.record(replace(own, stars=2, comment="late", rated_by="bob"))
    assert (again.is_newly_rated, again.position) == (False, rated.position)
    assert log.record(replace(own, stars=4, rated_by="eve")).is_newly_rated
    with pytest.raises(grokputer.NotPossible, match="'bob' has rated 2 with comment 'late', and it is given with 3"):
        log.record(replace(own, stars=3, comment="late", rated_by="bob"))
    with pytest.raises(grokputer.NotPossible, match="rate the recorded run to change its rating"):
        log.record(replace(own, stars=2, rated_by="bob"))
    assert [(row.stars, row.status) for row in log.runs()] == [(4, "succeeded")]


class Interrupting:
    """A clock that lets another process go first, the first time that it is asked."""

    def __init__(self, go_first: Callable[[], object]) -> None:
        self.go_first: Callable[[], object] | None = go_first

    def now(self) -> datetime:
        go_first, self.go_first = self.go_first, None
        if go_first is not None:
            go_first()
        return datetime.now(UTC)


@pytest.mark.parametrize("is_same", [True, False])
def test_a_run_that_another_process_records_meanwhile_is_recorded_once_or_refused(
    tmp_path: Path, is_same: bool
) -> None:
    path, own = tmp_path / "events.db", replace(RUN, id="ticket-7")
    with grokputer.open(path, create=True, actor="shop") as other:
        theirs = own if is_same else replace(own, task="order 8")
        with grokputer.open(path, actor="shop", clock=Interrupting(lambda: other.record(theirs))) as log:
            if is_same:
                assert not log.record(own).is_new
            else:
                with pytest.raises(
                    grokputer.NotPossible, match="whose task is 'order 8', and it is given as 'order 7'"
                ):
                    log.record(own)
        assert len(other.runs()) == 1


def test_a_forgotten_run_that_is_given_again_stays_forgotten(log: OpenLog, tmp_path: Path) -> None:
    own = replace(RUN, id="ticket-7")
    log.forget(run=log.record(own).run, reason="asked for")
    log.forget(person="bob", reason="asked for")
    before = log.position
    again = log.record(own)
    assert (again.is_new, again.is_newly_rated, log.position) == (False, False, before)


def test_an_error_of_another_program_is_kept_as_it_is_and_can_be_forgotten(log: OpenLog, tmp_path: Path) -> None:
    error = "can't open the user's file of Zebrafish"
    run = log.record(replace(UNRATED, steps=[ProgramStep("a", "b", error)]))
    [step] = [it.event for it in log.events(topics=("StepTaken",))]
    assert isinstance(step, StepTaken)
    assert step.error == error
    log.forget(run=run.run, reason="asked for")
    log.close()
    for path in tmp_path.glob("events.db*"):
        assert b"Zebrafish" not in path.read_bytes()


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
