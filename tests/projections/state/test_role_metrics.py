"""The metrics of the roles: what counts as right, done in time and recovered from, and what counts for neither."""

from __future__ import annotations

import pytest
from played import RECOVERY, Played, repeat

from given import OFFERED, SOMEONE
from grokputer.domain.settings.settings import Policy
from grokputer.projections.state.role_metrics import LATEST, LONG_STEPS, SOON_MS, Share
from grokputer.projections.state.state import State


@pytest.fixture
def played() -> Played:
    return Played()


def first(played: Played) -> tuple[int, int]:
    share = played.state.role_metrics.first_actions()
    return share.good, share.cases


def test_a_success_had_a_right_first_action_and_a_failure_of_several_steps_says_nothing(
    played: Played,
) -> None:
    played.play("action", "action")
    played.play("action", "action", ends="wrong")
    assert first(played) == (1, 1)


def test_a_first_action_that_could_not_be_carried_out_was_wrong_whatever_came_of_the_run(played: Played) -> None:
    run = played.play("action!", "recovery", ends="succeeded")
    played.rate(run, 5)
    assert first(played) == (0, 1)


def test_the_only_action_of_a_failed_run_was_wrong_unless_the_run_was_out_of_steps(played: Played) -> None:
    played.play("action", ends="wrong")
    played.play("action", ends="timeout")
    played.play(ends="error")
    assert first(played) == (0, 1)


def test_a_rating_that_names_the_wrong_step_says_whether_it_was_the_first(played: Played) -> None:
    early, late = (played.play("action", "action", ends="wrong") for _ in range(2))
    played.rate(early, 2, step=1)
    played.rate(late, 2, step=2)
    assert first(played) == (1, 2)
    played.rate(early, 4)
    assert first(played) == (2, 2), "the latest rating decides"


def test_a_low_rating_without_a_step_says_nothing_of_the_first_action(played: Played) -> None:
    played.rate(played.play("action", "action", ends="wrong"), 1)
    assert first(played) == (0, 0)


def test_pinned_runs_questions_and_runs_that_lost_their_environment_do_not_count(played: Played) -> None:
    played.play("action", arm="pinned", rollout=None)
    played.rate(played.play("action", ends="answered", capabilities=OFFERED["chat"], others=[]), 5)
    played.play("action!", ends="environment")
    assert first(played) == (0, 0)
    assert played.state.role_metrics.recoveries() == Share()


def test_a_long_task_is_done_in_time_up_to_ten_seconds_and_a_short_one_does_not_count(played: Played) -> None:
    long = repeat("action", LONG_STEPS)
    played.play(*long, ms=SOON_MS)
    played.play(*long, ms=SOON_MS + 1)
    played.play(*long, ms=900, ends="timeout")
    played.play(*long[1:], ms=900)
    played.play(*long, ms=None)
    share = played.state.role_metrics.long_tasks()
    assert (share.good, share.cases) == (1, 3)


def test_an_answer_to_a_long_task_counts_once_it_is_judged(played: Played) -> None:
    run = played.play(*repeat("action", LONG_STEPS), ends="answered", capabilities=())
    assert played.state.role_metrics.long_tasks() == Share()
    run.judge(True, "human", SOMEONE)
    played.take(run)
    assert played.state.role_metrics.long_tasks() == Share(1, 1)
    assert first(played) == (1, 1)


def test_a_failed_step_is_recovered_from_where_recovery_makes_the_next_step_and_does_not_fail(played: Played) -> None:
    played.play("action", "action!", "recovery", "action")
    assert played.state.role_metrics.recoveries() == Share(1, 1)
    played.play("action", "action!", "recovery!", "recovery", "action!", ends="timeout")
    assert played.state.role_metrics.recoveries() == Share(2, 4), "a failed recovery and a failed last step are cases"


def test_failed_steps_of_runs_without_a_role_that_recovers_are_no_cases(played: Played) -> None:
    played.play("action!", "action", others=[])
    assert played.state.role_metrics.recoveries() == Share()


def test_the_score_of_read_words_is_the_mean_over_the_acts_that_named_some(played: Played) -> None:
    run = played.begin()
    for kind, confidence in (("read", 0.31), ("act", 0.9), ("act", None), ("act", 0.7)):
        played.step(run, "action", kind=kind, confidence=confidence)
    run.succeed(900, 1.0, Policy(), SOMEONE)
    played.take(run)
    played.play("action")
    metrics = State.load(played.state.dump()).role_metrics
    assert metrics.scores() == metrics.scores("base") == Share(16_000, 2, 10_000)
    assert metrics.scores().value == 0.8
    assert metrics.scores("lora-v1") == Share(whole=10_000)


def test_each_adapter_has_the_share_of_its_own_runs_of_the_role(played: Played) -> None:
    for adapter, ends in ((None, "wrong"), (None, "succeeded"), ("lora-v2", "succeeded")):
        played.play("action", ends=ends, adapter=adapter)
    metrics = State.load(played.state.dump()).role_metrics
    assert metrics.first_actions("base") == Share(1, 2)
    assert metrics.first_actions("lora-v2") == Share(1, 1)
    assert metrics.first_actions("lora-v1") == Share()
    recovering = {**RECOVERY, "adapter": "lora-v3"}
    played.play("action!", "recovery", others=[recovering], adapter="lora-v2")
    assert played.state.role_metrics.recoveries("lora-v3") == Share(1, 1)
    assert played.state.role_metrics.recoveries("lora-v2") == Share()


def test_the_shares_are_of_the_latest_runs_and_an_older_run_takes_no_rating(played: Played) -> None:
    oldest = played.play("action", ends="wrong")
    for _ in range(LATEST + 150):
        played.play("action")
    assert first(played) == (LATEST, LATEST)
    played.rate(oldest, 5)
    assert first(played) == (LATEST, LATEST)


def test_a_state_that_was_saved_in_the_middle_of_a_run_counts_the_same(played: Played) -> None:
    again = Played()
    for it in (played, again):
        run = it.begin()
        it.step(run, error="no")
        if it is again:
            it.state = State.load(it.state.dump())
        it.step(run, "recovery")
        run.answer(12_000, SOMEONE)
        it.take(run)
        it.rate(run, 1, step=2)
    assert again.state.role_metrics.recoveries() == Share(1, 1)
    assert again.state.dump() == played.state.dump()
    assert len(again.state.open_runs) == 0
