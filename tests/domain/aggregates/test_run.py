"""Runs: what may be recorded of them, and when."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from given import OFFERED, SOMEONE, START, STEP, given
from grokputer.domain.aggregates.run import LARGEST_SEED, TaskRun
from grokputer.domain.errors import BadRating
from grokputer.domain.events import (
    Screen,
    SessionImported,
    StepTaken,
    TaskAnswered,
    TaskCorrected,
    TaskFailed,
    TaskJudged,
    TaskRated,
    TaskStarted,
    TaskSucceeded,
)
from grokputer.domain.rules.rating import check_stars, rate_implicitly
from grokputer.domain.settings.settings import Policy
from grokputer.domain.vocabulary import Finding, StepKind


def start(run: TaskRun) -> None:
    run.start(SOMEONE, **START)


def step(run: TaskRun) -> None:
    run.take_step(SOMEONE, **STEP)


def succeed(run: TaskRun) -> None:
    run.succeed(800, 1.0, Policy(), SOMEONE)


def rate(stars: Any) -> Any:
    return lambda run: run.rate(stars, "human", ["imprecise"], None, SOMEONE)


def test_a_run_starts_once() -> None:
    given(TaskRun).when(start).then((TaskStarted, START))
    given(TaskRun, start).when(start).then_refused("has already started")


@pytest.mark.parametrize("seed", [-1, LARGEST_SEED + 1])
def test_a_seed_out_of_range_is_refused_with_its_value(seed: int) -> None:
    given(TaskRun).when(lambda run: run.start(SOMEONE, **{**START, "seed": seed})).then_refused(str(seed), "from 0 to")


def test_a_session_is_imported_right_after_the_start_and_once() -> None:
    fields = {"session": "sha256:ee", "started": None, "ended": None, "step_times": (), "success": False}

    def import_session(run: TaskRun) -> None:
        run.import_session(SOMEONE, **fields)

    given(TaskRun, start).when(import_session).then((SessionImported, fields))
    given(TaskRun, start, import_session).when(import_session).then_refused("already has steps")
    given(TaskRun, start, step).when(import_session).then_refused("already has steps")
    given(TaskRun).when(import_session).then_refused("is not running")


@pytest.mark.parametrize("stars", ["٣", "³", "0_3", "03", " 3", "+3", "3.0", 3.0, True, 0, 6, "", None])
def test_stars_are_a_whole_number_or_one_ascii_digit_and_nothing_else(stars: Any) -> None:
    with pytest.raises(BadRating, match="whole number of stars from 1 to 5"):
        check_stars(stars)


def test_steps_are_numbered_from_one() -> None:
    given(TaskRun, start, step).when(step).then((StepTaken, {"step": 2, "model_ms": 40}))


def test_a_step_acts_unless_it_says_that_it_plans_reads_or_checks() -> None:
    screen: Screen = {"picture": None, "width": 800, "height": 600, "box": (1, 2, 30, 4)}

    def plan(run: TaskRun) -> None:
        run.take_step(SOMEONE, **STEP, kind=StepKind.PLAN)

    def look(run: TaskRun) -> None:
        run.take_step(SOMEONE, **STEP, goal=1, found=Finding.REACHED, model="grok-4", screen=screen, confidence=0.9)

    given(TaskRun, start).when(plan).then((StepTaken, {"kind": "plan", "goal": 0, "found": "", "screen": None}))
    given(TaskRun, start, plan).when(look).then(
        (StepTaken, {"step": 2, "kind": "act", "goal": 1, "found": "reached", "model": "grok-4", "screen": screen})
    )
    run = TaskRun(uuid4())
    for act in (start, plan, look):
        act(run)
    assert [step.step for step in run.acts] == [2]


def test_a_success_carries_its_arm_its_adapter_and_its_implicit_stars() -> None:
    expected = {"arm": "canary", "adapter": "lora-v2", "rollout": "ab12", "steps": 1, "implicit_stars": 5}
    given(TaskRun, start, step).when(succeed).then((TaskSucceeded, expected))


def start_verified(run: TaskRun) -> None:
    run.start(SOMEONE, **START, capabilities=OFFERED["miniwob"])


def fail(run: TaskRun) -> None:
    run.fail("timeout", "12 steps", 900, 0.0, Policy(), SOMEONE)


def test_a_failure_says_why_and_is_worth_one_star() -> None:
    given(TaskRun, start_verified).when(fail).then(
        (TaskFailed, {"reason": "timeout", "detail": "12 steps", "implicit_stars": 1, "is_judged": True})
    )


def test_a_failure_that_nothing_judges_is_not_in_the_success_rate_and_has_no_implicit_star() -> None:
    given(TaskRun, start).when(fail).then(
        (TaskFailed, {"reason": "timeout", "implicit_stars": None, "is_judged": False})
    )
    run = given(TaskRun, start, fail).aggregate
    assert (run.succeeded, run.failure) == (None, "timeout")


def test_an_answer_is_judged_once_and_a_run_of_known_success_never() -> None:
    def answer(run: TaskRun) -> None:
        run.answer(900, SOMEONE)

    def judge(run: TaskRun) -> None:
        run.judge(True, "human", SOMEONE)

    given(TaskRun, start).when(answer).then((TaskAnswered, {"duration_ms": 900, "steps": 0}))
    given(TaskRun, start, answer).when(judge).then((TaskJudged, {"succeeded": True, "source": "human"}))
    given(TaskRun, start, answer, judge).when(lambda run: run.judge(False, "human", SOMEONE)).then_nothing()
    given(TaskRun, start_verified, succeed).when(lambda run: run.judge(False, "human", SOMEONE)).then_nothing()
    given(TaskRun, start).when(judge).then_nothing()


def test_nothing_happens_to_a_run_after_its_end_but_ratings_and_corrections() -> None:
    given(TaskRun, start, succeed).when(step).then_refused("not running")
    given(TaskRun, start, succeed).when(rate(5)).then((TaskRated, {"stars": 5, "issues": ("imprecise",)}))


def test_a_run_that_has_not_ended_cannot_be_rated() -> None:
    given(TaskRun, start).when(rate(5)).then_refused("has not ended")


@pytest.mark.parametrize("stars", [0, 6, "x", "", None, 4.5, "-1"])
def test_a_rating_that_is_not_one_to_five_is_refused_with_its_value(stars: Any) -> None:
    given(TaskRun, start, succeed).when(rate(stars)).then_refused(str(stars), "1 to 5")


def test_a_rating_and_a_correction_come_from_one_of_their_sources() -> None:
    given(TaskRun, start, succeed).when(lambda run: run.rate(5, "ghost", [], None, SOMEONE)).then_refused(
        "a rating cannot come from 'ghost'", "human"
    )
    given(TaskRun, start, succeed).when(lambda run: run.correct("ghost", "sha256:cc", 2, True, SOMEONE)).then_refused(
        "a correction cannot come from 'ghost'", "human"
    )


@pytest.mark.parametrize("stars", [1, "2", 3, "4", 5])
def test_a_rating_may_be_written_as_a_word(stars: Any) -> None:
    assert check_stars(stars) == int(stars)


def test_check_stars_raises_the_one_error_for_ratings() -> None:
    with pytest.raises(BadRating):
        check_stars("five")


def test_the_same_correction_twice_is_recorded_once() -> None:
    def correct(run: TaskRun) -> None:
        run.correct("human", "sha256:cc", 2, True, SOMEONE)

    given(TaskRun, start, succeed).when(correct).then((TaskCorrected, {"steps": 2, "is_verified": True}))
    given(TaskRun, start, succeed, correct).when(correct).then_nothing()


@pytest.mark.parametrize(
    ("succeeded", "ms", "stars"),
    [(True, 9_999, 5), (True, 10_000, 4), (True, 29_999, 4), (True, 30_000, 3), (True, 0, 5), (False, 1, 1)],
)
def test_the_implicit_rating_goes_by_success_and_time(succeeded: bool, ms: int, stars: int) -> None:
    assert rate_implicitly(succeeded, ms, Policy()) == stars


@pytest.mark.parametrize(("succeeded", "stars"), [(True, None), (False, 1)])
def test_an_unknown_duration_gives_a_success_no_implicit_rating(succeeded: bool, stars: int | None) -> None:
    assert rate_implicitly(succeeded, None, Policy()) == stars
