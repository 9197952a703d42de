"""What a role's loop waits for, computed from typed values: no log and no clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from given import ID, SOMEONE
from grokputer.domain.aggregates.role import RoleImprovement
from grokputer.domain.errors import Hint
from grokputer.domain.evidence.detector import Detector
from grokputer.domain.evidence.terms import TriggerTerms
from grokputer.domain.rules.breach import Window
from grokputer.domain.settings.settings import Policy
from grokputer.domain.verdict import Verdict
from grokputer.projections.explain.standing.waits import (
    PERSON,
    RATINGS,
    RUNS,
    TIME,
    WORKER,
    Adapter,
    Canary,
    RoleView,
    Training,
    Trigger,
    Wait,
    has_begun,
    waits_for,
)

PLAIN = Policy({"rating.rule": "threshold", "canary.rule": "threshold"})


def rated(*stars: int, total: int | None = None, adapter: str | None = None) -> Window:
    return Window("action", adapter, tuple(enumerate(stars, 1)), len(stars) if total is None else total)


def role(*decisions: Callable[[RoleImprovement], None]) -> RoleImprovement:
    improvement = RoleImprovement(ID)
    for decide in decisions:
        decide(improvement)
    return improvement


def opened(improvement: RoleImprovement) -> None:
    improvement.open("action", None, "try it", SOMEONE)


def closed(total: int, outcome: str = "declined") -> Callable[[RoleImprovement], None]:
    return lambda improvement: improvement.close("action", outcome, "too few", total, SOMEONE)


NO_RATING = rated()


def wait(window: Window = NO_RATING, *, improvement: RoleImprovement | None = None, **known: Any) -> Wait:
    return waits_for(RoleView("action", window, known.pop("policy", PLAIN), improvement or role(), **known))


def test_few_ratings_wait_for_the_missing_ones() -> None:
    waiting = wait(rated(4, 5, 3))
    assert (waiting.on, waiting.numbers["missing"]) == (RATINGS, 7)
    assert waiting.message == "needs 7 more ratings before a training can start: 3 of 10; their mean is 4.00"
    assert wait(rated(*[5] * 9)).message.startswith("needs 1 more rating before a training can start: 9 of 10")
    assert wait().message == "needs 10 more ratings before a training can start: 0 of 10; there are none yet"


def test_enough_good_ratings_wait_for_a_lower_mean() -> None:
    assert wait(rated(*[4] * 10)).message == "is trained when the mean of its ratings falls under 3.8; it is 4.00 of 10"


def test_after_a_cycle_in_vain_the_ratings_of_the_cooldown_are_missing() -> None:
    waiting = wait(rated(*[2] * 50, total=260), improvement=role(opened, closed(200)))
    assert (waiting.on, waiting.numbers["missing"]) == (RATINGS, 140)
    assert waiting.message.startswith("needs 140 more ratings after its last cycle before a training can start")
    twice = role(opened, closed(200), opened, closed(300))
    assert wait(rated(*[2] * 50, total=310), improvement=twice).numbers["missing"] == 390


def test_another_adapter_that_is_live_waits_for_no_cooldown() -> None:
    waiting = wait(rated(2, total=260, adapter="lora-v1"), improvement=role(opened, closed(200, "promoted")))
    assert waiting.message == "needs 9 more ratings before a training can start: 1 of 10; their mean is 2.00"


def test_evidence_waits_for_so_many_low_ratings_at_least() -> None:
    waiting = wait(rated(3, 3), policy=Policy(), trigger=Trigger(9, 31))
    assert waiting.message == (
        "is trained when its ratings are clearly under 3.8 on average: that takes at least 9 more of 1 star, "
        "or about 31 more like those so far; 2 ratings so far, their mean is 3.00"
    )
    assert (waiting.numbers["missing"], waiting.numbers["missing_alike"]) == (9, 31)
    assert "about" not in wait(rated(5, 5), policy=Policy(), trigger=Trigger(14, None)).message
    in_sessions = wait(rated(3, 3), policy=Policy(), trigger=Trigger(9, None, has_bursts=True)).message
    assert "9 more of 1 star, where one person's ratings in one session count once; 2 ratings" in in_sessions
    never = Policy({"rating.threshold": 1.0})
    assert wait(rated(5), policy=never, trigger=Trigger(None, None)).message.startswith(
        "is never trained for its ratings: none can be under 1"
    )


@pytest.mark.parametrize(
    ("training", "adapter", "message"),
    [
        (None, None, "waits for a worker and its training"),
        (Training("requested", 89), None, "waits for a worker and the training requested at position 89"),
        (Training("dataset built", 89), None, "waits for the end of the training requested at position 89"),
        (
            Training("training", 89, 3, 24),
            None,
            "waits for the end of the training requested at position 89, step 3 of 24",
        ),
        (
            Training("completed", 89, 24, 24),
            Adapter("lora-v1", "registered"),
            "waits for a worker and the proof of lora-v1",
        ),
        (Training("completed", 89, 24, 24), Adapter("lora-v1", "proven"), "waits for a worker and the gate of lora-v1"),
    ],
)
def test_a_cycle_in_flight_waits_for_a_worker(training: Training | None, adapter: Adapter | None, message: str) -> None:
    waiting = wait(improvement=role(opened), training=training, adapter=adapter)
    assert (waiting.on, waiting.message) == (WORKER, message)
    assert waiting.hint == Hint.RUN_WORKER
    busy = wait(improvement=role(opened), training=training, adapter=adapter, worker="the worker (process 7)")
    assert (busy.message, busy.hint) == (f"{message}: the worker (process 7) is at work", None)


@pytest.mark.parametrize("status", ["registered", "proven"])
def test_an_adapter_waits_for_a_person_while_the_model_is_behind_an_endpoint(status: str) -> None:
    remote = Policy({"model.backend": "openai"})
    training, adapter = Training("completed", 89, 24, 24), Adapter("lora-v1", status)
    waiting = wait(improvement=role(opened), training=training, adapter=adapter, policy=remote, worker="the worker")
    assert waiting.on == PERSON
    assert waiting.message == "waits for a local model: lora-v1 cannot be proven on an endpoint"
    assert waiting.hint == Hint.USE_LOCAL_MODEL


def canary(reason: str, phase: str = "progressing", *, asks: bool = False, **numbers: Any) -> Canary:
    return Canary("lora-v2", 15, phase, Verdict("hold", reason, "as it says", numbers), asks)


def test_a_canary_with_few_runs_waits_for_the_missing_ones() -> None:
    waiting = wait(improvement=role(opened), canary=canary("few runs", canary={"runs": 2}))
    assert (waiting.on, waiting.message) == (RUNS, "needs 8 more runs of lora-v2 at 15 % before a decision: 2 of 10")
    assert waiting.numbers["missing"] == 8


@pytest.mark.parametrize(
    ("reason", "on", "message"),
    [
        ("bake", TIME, "waits for time to pass with lora-v2 at 15 %: as it says"),
        ("pause", TIME, "waits for time to pass with lora-v2 at 15 %: as it says"),
        ("unrated", RATINGS, "needs a rating of a run of lora-v2 at 15 %"),
        ("evidence", RUNS, "needs more runs of lora-v2 at 15 % before a decision: as it says"),
    ],
)
def test_a_canary_waits_for_what_its_last_look_lacks(reason: str, on: str, message: str) -> None:
    waiting = wait(canary=canary(reason, rule="sequential", canary={"runs": 5}))
    assert (waiting.on, waiting.message) == (on, message)


def test_a_paused_canary_waits_for_a_person() -> None:
    waiting = wait(canary=canary("most runs", "paused"))
    assert (waiting.on, "lora-v2 at 15 % is paused" in waiting.message) == (PERSON, True)
    asked = wait(canary=canary("healthy", "paused", asks=True))
    assert (asked.on, asked.message, asked.hint) == (
        PERSON,
        "waits for a person to approve the next step of lora-v2 at 15 %",
        Hint.APPROVE,
    )


def test_a_role_that_has_nothing_has_not_begun() -> None:
    assert not has_begun(RoleView("ocr", rated(), PLAIN, role()))
    assert has_begun(RoleView("ocr", rated(3), PLAIN, role()))
    assert has_begun(RoleView("ocr", rated(), PLAIN, role(opened)))


@pytest.mark.parametrize("stars", [1.0, 2.0, 3.0])
def test_the_alarm_comes_after_as_many_ratings_as_were_foreseen(stars: float) -> None:
    detector = Detector(TriggerTerms())
    for rating in (5.0, 4.0, 3.0):
        detector.take(rating)
    before = repr(detector.state)
    foreseen = detector.ratings_to_alarm(stars)
    assert repr(detector.state) == before
    assert foreseen is not None
    for _ in range(foreseen - 1):
        detector.take(stars)
    assert not detector.is_alarm
    detector.take(stars)
    assert (detector.is_alarm, detector.ratings_to_alarm(5.0)) == (True, 0)


def test_no_alarm_is_foreseen_where_ratings_are_not_low() -> None:
    assert Detector(TriggerTerms()).ratings_to_alarm(5.0) is None
    assert Detector(TriggerTerms(threshold=1.0)).ratings_to_alarm(1.0) is None
