"""Trainings, adapters and rollouts: what each may become, once."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from given import ID, SOMEONE, given
from grokputer.domain.aggregates.adapter import Adapter
from grokputer.domain.aggregates.rollout import Rollout
from grokputer.domain.aggregates.training import TrainingJob
from grokputer.domain.events import (
    AdapterEvaluated,
    AdapterPromoted,
    AdapterRegistered,
    AdapterRejected,
    AdapterRolledBack,
    CanaryAssessed,
    CanaryWeightSet,
    DatasetBuilt,
    HeldOutJudged,
    RolloutPaused,
    RolloutResumed,
    RolloutStarted,
    TrainingCompleted,
    TrainingDeclined,
    TrainingFailed,
    TrainingRequested,
    TrainingStarted,
)
from grokputer.domain.verdict import Verdict
from grokputer.projections.wording.sentences import describe

REQUEST: dict[str, Any] = {
    "role": "action", "base": "embedded", "revision": None, "parent": None, "recipe": {"r": 16}, "minimum_examples": 5,
    "below_stars": 4, "retries": 2,
}  # fmt: skip
DATASET: dict[str, Any] = {
    "dataset": "sha256:dd", "manifest": "sha256:ee", "examples": 30, "by_source": {"correction": 20, "replay": 10},
    "runs": 12, "up_to": 99,
}  # fmt: skip
BEGUN: dict[str, Any] = {"role": "action", "attempt": 1, "adjusted": {}, "choices": [], "launcher": "command"}
RESULT: dict[str, Any] = {
    "weights": "sha256:ff", "base_hash": "sha256:00", "config_hash": "sha256:11", "dataset": "sha256:dd", "steps": 8,
    "tokens": 4000, "examples": 30, "left_out": 0, "reasons": {},
    "final_loss": 0.2, "duration_s": 12.5, "peak_memory_bytes": 10**9, "device": "cpu", "versions": {},
}  # fmt: skip
WEIGHTS: dict[str, Any] = {
    "role": "action", "adapter": "lora-v1", "weights": "sha256:ff", "dataset": "sha256:dd", "base": "embedded",
    "base_hash": "sha256:00", "config_hash": "sha256:11", "parent": None, "training": "ab",
}  # fmt: skip
NUMBERS = {"prompts": 4, "effect": 1.5, "error": 0.01, "rounding": 0.008, "max_difference": 0.02}

LED_BY_START = {"caused_by": f"{ID}/1"}
"""A look leads back to the rollout, not to what it was made after."""
PASSED = Verdict("pass", "better", "9 of 12 held-out failures now succeed against 1 of 12 for its parent", {})
REFUSED = Verdict("reject", "no gain", "1 of 12 held-out failures now succeeds against 1 of 12 for its parent", {})


def request(job: TrainingJob) -> None:
    job.request(SOMEONE, **REQUEST)


def build(job: TrainingJob) -> None:
    job.build_dataset(SOMEONE, **DATASET)


def begin(job: TrainingJob) -> None:
    job.start(SOMEONE)


def complete(job: TrainingJob) -> None:
    job.complete(SOMEONE, **RESULT)


def test_a_training_is_requested_once_and_trains_on_one_dataset() -> None:
    given(TrainingJob).when(request).then((TrainingRequested, REQUEST))
    given(TrainingJob, request).when(request).then_nothing()
    given(TrainingJob, request).when(build).then((DatasetBuilt, DATASET))
    given(TrainingJob, request, build).when(build).then_nothing()


def test_every_attempt_is_counted() -> None:
    given(TrainingJob, request, build).when(begin).then((TrainingStarted, {"attempt": 1}))
    given(TrainingJob, request, build, begin).when(begin).then((TrainingStarted, {"attempt": 2}))
    given(TrainingJob, request).when(begin).then_refused("no dataset")


def test_a_trainings_name_tells_logs_apart_and_attempts_share_it() -> None:
    def built(**changed: str) -> TrainingJob:
        return given(TrainingJob, request, lambda job: job.build_dataset(SOMEONE, **DATASET | changed)).aggregate

    first, again, other = built(), built(), built(manifest="sha256:ef")
    assert first.name == again.name != other.name
    assert re.fullmatch(f"grokputer-{first.id.hex}-[0-9a-f]{{12}}", first.name)
    for number in (1, 2):
        first.start(SOMEONE)
        assert first.started is not None and first.started.job == f"{again.name}-{number}"


def test_a_training_that_an_earlier_program_began_keeps_its_name() -> None:
    def began(job: TrainingJob) -> None:
        job._record(TrainingStarted, SOMEONE, **BEGUN | {"job": f"grokputer-{job.id.hex}-1"})

    given(TrainingJob, request, build, began).when(begin).then(
        (TrainingStarted, {"job": f"grokputer-{ID.hex}-2"}),
    )


def test_a_training_ends_once() -> None:
    given(TrainingJob, request, build, begin).when(complete).then((TrainingCompleted, RESULT))
    given(TrainingJob, request, build, begin, complete).when(complete).then_refused("is over", "TrainingCompleted")


def test_examples_that_a_training_left_out_are_told_with_their_reasons() -> None:
    left_out = {"left_out": 3, "reasons": {"too long": 2, "refused by the chat template": 1}}
    [completed] = (
        given(TrainingJob, request, build, begin).when(lambda it: it.complete(SOMEONE, **RESULT | left_out)).events
    )
    assert describe(completed).endswith("; 3 examples left out (2 too long, 1 refused by the chat template)")


def test_a_training_with_too_little_to_learn_from_is_declined_with_the_reason() -> None:
    given(TrainingJob, request).when(
        lambda job: job.decline("3 usable examples, 5 are needed", 3, 5, 99, SOMEONE)
    ).then((TrainingDeclined, {"reason": "3 usable examples, 5 are needed", "examples": 3, "minimum": 5}))


def test_a_training_fails_with_the_reason() -> None:
    given(TrainingJob, request, build, begin).when(lambda job: job.fail("loss is not a number", SOMEONE)).then(
        (TrainingFailed, {"reason": "loss is not a number"})
    )


def register(adapter: Adapter) -> None:
    adapter.register(SOMEONE, **WEIGHTS)


def proven(differs: bool, matches: bool) -> Callable[[Adapter], None]:
    return lambda adapter: adapter.evaluate(differs, matches, NUMBERS, SOMEONE)


def judge(judgement: Verdict) -> Callable[[Adapter], None]:
    return lambda adapter: adapter.judge(judgement, "sha256:aa", 99, SOMEONE)


def reject(adapter: Adapter) -> None:
    adapter.reject("no gain", SOMEONE, {"margin": 0.1})


def test_an_adapter_is_registered_once() -> None:
    given(Adapter).when(register).then((AdapterRegistered, WEIGHTS))
    given(Adapter, register).when(register).then_nothing()


def test_an_adapter_that_is_applied_is_proven_with_its_numbers() -> None:
    given(Adapter, register).when(proven(True, True)).then((AdapterEvaluated, {"adapter": "lora-v1", **NUMBERS}))


@pytest.mark.parametrize(("differs", "matches", "word"), [(False, True, "nothing"), (True, False, "trainer")])
def test_an_adapter_that_is_not_applied_is_rejected(differs: bool, matches: bool, word: str) -> None:
    when = given(Adapter, register).when(proven(differs, matches))
    when.then((AdapterRejected, {"numbers": NUMBERS}))
    rejected = when.events[0]
    assert isinstance(rejected, AdapterRejected)
    assert word in rejected.reason


@pytest.mark.parametrize("judgement", [PASSED, REFUSED])
def test_a_proven_adapter_is_judged_on_what_was_held_out_once(judgement: Verdict) -> None:
    said = {
        "verdict": judgement.verdict,
        "reason": judgement.reason,
        "parent": None,
        "up_to": 99,
        "measured": "sha256:aa",
    }
    given(Adapter, register, proven(True, True)).when(judge(judgement)).then((HeldOutJudged, said))
    given(Adapter, register, proven(True, True), judge(judgement)).when(judge(PASSED)).then_nothing()


def test_the_proof_comes_before_the_gate() -> None:
    given(Adapter, register).when(judge(PASSED)).then_refused("lora-v1", "not proven yet")
    given(Adapter).when(judge(PASSED)).then_refused("not registered")


def test_an_adapter_is_rejected_with_its_numbers_until_it_has_passed_the_gate() -> None:
    said = {"reason": "no gain", "numbers": {"margin": 0.1}}
    given(Adapter, register, proven(True, True), judge(REFUSED)).when(reject).then((AdapterRejected, said))
    given(Adapter, register, proven(True, True), judge(REFUSED), reject).when(reject).then_nothing()
    given(Adapter, register, proven(True, True), judge(PASSED)).when(reject).then_nothing()


def test_an_adapter_is_proven_once() -> None:
    given(Adapter, register, proven(True, True)).when(proven(False, True)).then_nothing()
    given(Adapter, register, proven(False, True)).when(proven(True, True)).then_nothing()


def start(rollout: Rollout) -> None:
    rollout.start(
        SOMEONE,
        role="action",
        adapter="lora-v2",
        stable="lora-v1",
        weight_percent=15,
        rule="threshold",
        terms={},
        unit="run",
        edition=1,
    )


def promote(rollout: Rollout) -> None:
    rollout.promote("healthy", SOMEONE)


def roll_back(rollout: Rollout) -> None:
    rollout.roll_back("success .5 is not above .95", SOMEONE)


def pause(rollout: Rollout) -> None:
    rollout.pause("no data", SOMEONE)


def assessed(verdict: str, reason: str, up_to: int = 50, weight: int | None = None) -> Callable[[Rollout], None]:
    said = Verdict(verdict, reason, "said so", {"canary": {}, "next_weight_percent": weight}, weight)
    return lambda rollout: rollout.assess(said, up_to, SOMEONE)


def test_a_rollout_starts_once_with_its_share() -> None:
    given(Rollout).when(start).then((RolloutStarted, {"stable": "lora-v1", "weight_percent": 15}))
    given(Rollout, start).when(start).then_nothing()


def test_promotion_gives_all_the_traffic_and_says_what_it_replaces() -> None:
    given(Rollout, start).when(promote).then(
        (CanaryWeightSet, {"old_percent": 15, "weight_percent": 100}),
        (AdapterPromoted, {"adapter": "lora-v2", "replaced": "lora-v1", "reason": "healthy"}),
    )
    given(Rollout, start, promote).when(promote).then_nothing()


def test_a_rollback_takes_all_the_traffic_away() -> None:
    given(Rollout, start).when(roll_back).then(
        (CanaryWeightSet, {"old_percent": 15, "weight_percent": 0}), (AdapterRolledBack, {"stable": "lora-v1"})
    )


def test_a_promotion_can_be_taken_back_which_makes_the_one_before_stable_again() -> None:
    given(Rollout, start, promote).when(roll_back).then(
        (CanaryWeightSet, {"old_percent": 100, "weight_percent": 0}), (AdapterRolledBack, {"stable": "lora-v1"})
    )


def test_an_adapter_that_was_rolled_back_is_not_promoted_later() -> None:
    given(Rollout, start, roll_back).when(promote).then_refused("lora-v2", "already rolled back")
    given(Rollout).when(promote).then_refused("has not started")


def test_a_look_that_holds_for_the_same_reason_is_recorded_once() -> None:
    hold = assessed("hold", "few runs")
    given(Rollout, start).when(hold).then((CanaryAssessed, {**LED_BY_START, "verdict": "hold", "up_to": 50}))
    given(Rollout, start, hold).when(assessed("hold", "few runs", 60)).then_nothing()
    given(Rollout, start, hold).when(assessed("hold", "bake", 60)).then(
        (CanaryAssessed, {**LED_BY_START, "reason": "bake"})
    )


def test_a_look_that_asks_for_a_larger_share_is_recorded_once_for_each_share() -> None:
    asks = assessed("hold", "no worse so far", 50, weight=50)
    given(Rollout, start, assessed("hold", "no worse so far", 40)).when(asks).then(
        (CanaryAssessed, {**LED_BY_START, "up_to": 50})
    )
    given(Rollout, start, asks).when(assessed("hold", "no worse so far", 60, weight=50)).then_nothing()
    given(Rollout, start, asks).when(assessed("hold", "no worse so far", 60, weight=80)).then(
        (CanaryAssessed, {**LED_BY_START, "up_to": 60})
    )


def test_a_look_back_at_what_was_looked_after_before_is_not_recorded() -> None:
    given(Rollout, start, assessed("hold", "few runs", 50)).when(assessed("hold", "bake", 50)).then_nothing()


def test_a_decided_canary_gets_no_further_verdict_while_the_decision_is_carried_out() -> None:
    given(Rollout, start, assessed("promote", "healthy", 50)).when(assessed("roll back", "worse", 60)).then_nothing()


def test_a_paused_rollout_is_rolled_back_all_the_same_when_it_is_worse() -> None:
    asked = assessed("promote", "no worse", 50)
    given(Rollout, start, asked, pause).when(assessed("roll back", "critical", 60)).then(
        (CanaryAssessed, {**LED_BY_START, "verdict": "roll back", "reason": "critical"})
    )


def approve(rollout: Rollout) -> None:
    rollout.approve("looked at it", SOMEONE)


def test_an_approval_lets_the_step_be_taken_that_was_asked_for() -> None:
    given(Rollout, start, assessed("promote", "no worse"), pause).when(approve).then(
        (CanaryWeightSet, {"weight_percent": 100}), (AdapterPromoted, {"reason": "looked at it"})
    )
    larger = assessed("hold", "no worse so far", weight=50)
    given(Rollout, start, larger, pause).when(approve).then(
        (RolloutResumed, {"reason": "looked at it"}), (CanaryWeightSet, {"old_percent": 15, "weight_percent": 50})
    )


def test_nothing_is_approved_without_a_request() -> None:
    given(Rollout, start).when(approve).then_refused("lora-v2", "does not wait for approval")
    given(Rollout, start, assessed("inconclusive", "time"), pause).when(approve).then_refused(
        "does not wait for approval"
    )


def test_a_live_adapter_is_rolled_back_to_any_that_once_was_live() -> None:
    given(Rollout, start, promote).when(lambda it: it.roll_back("worse", SOMEONE, to=None)).then(
        (CanaryWeightSet, {"weight_percent": 0}), (AdapterRolledBack, {"stable": None, "reason": "worse"})
    )


def test_a_paused_rollout_is_not_assessed_until_it_is_resumed() -> None:
    given(Rollout, start).when(pause).then((RolloutPaused, {"reason": "no data"}))
    given(Rollout, start, pause).when(assessed("promote", "healthy")).then_nothing()
    given(Rollout, start, pause).when(lambda it: it.resume("more traffic", SOMEONE)).then((RolloutResumed, {}))
    given(Rollout, start, pause).when(promote).then((CanaryWeightSet, {}), (AdapterPromoted, {}))
