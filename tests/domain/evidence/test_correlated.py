"""Runs of one session are alike: counted singly they promote a canary that is too bad, counted by session they do not."""

from __future__ import annotations

import math
import random
from typing import Any
from uuid import UUID

import pytest

from given import NOON
from grokputer.domain.events import Event, RolloutStarted, TaskFailed, TaskSucceeded
from grokputer.domain.evidence.sequential import standing
from grokputer.domain.evidence.terms import CanaryTerms
from grokputer.domain.process.improvement import rollout_unit
from grokputer.domain.rules.routing import EDITION
from grokputer.domain.settings.settings import Policy
from grokputer.domain.verdict import Times
from grokputer.projections.state.canaries import Health

ROLLOUT = UUID(int=1)
RATES = {"stable": 0.95, "canary": 0.90}
"""The canary lies exactly at the margin of 0.05: it is promoted once in ``PROMOTE_AT`` rollouts at most."""
PROMOTE_AT = 5.0
RUNS, OPEN, SESSIONS, ROLLOUTS = 8, 3, 30, 80
"""Runs of a session, which succeed or fail together; sessions side by side; those of the canary at most; rollouts played."""


def started(unit: str, edition: int = EDITION) -> RolloutStarted:
    most_runs = SESSIONS * (RUNS if unit == "run" else 1)
    terms = CanaryTerms(dry_run=("rating",), promote_at=PROMOTE_AT, most_runs=most_runs, bake_s=0.0, ramp=())
    return RolloutStarted(
        originator_id=ROLLOUT, originator_version=1, time=NOON, actor="grokputer", role="action", adapter="lora-v1",
        stable=None, weight_percent=50, rule="sequential", terms=terms.to_json(), unit=unit, edition=edition,
    )  # fmt: skip


def ended(number: int, arm: str, session: str | None, succeeded: bool) -> Event:
    fields: dict[str, Any] = {
        "originator_id": UUID(int=number), "originator_version": 3, "time": NOON, "actor": "ada", "role": "action",
        "arm": arm, "adapter": None, "rollout": ROLLOUT.hex, "others": (), "session": session, "duration_ms": 10,
        "steps": 1, "reward": 1.0, "implicit_stars": 5,
    }  # fmt: skip
    if succeeded:
        return TaskSucceeded(**fields)
    return TaskFailed(**fields, reason="wrong", detail="", fault="action", is_judged=True)


def play(unit: str, draw: random.Random) -> str:
    """One rollout of sessions on two equal arms; what is decided. Each run is drawn alone where runs are the unit."""
    health, runs, sessions = Health(), 0, 0
    health.apply(1, started(unit))
    evidence = health.evidence(ROLLOUT.hex)
    assert evidence is not None
    under_way: list[dict[str, Any]] = []
    while True:
        while len(under_way) < OPEN:
            sessions += 1
            mood = draw.random()
            under_way.append(
                {"name": f"s{sessions}", "arm": draw.choice(("stable", "canary")), "mood": mood, "left": RUNS}
            )
        talk = draw.choice(under_way)
        talk["left"] -= 1
        if not talk["left"]:
            under_way.remove(talk)
        runs += 1
        arm = talk["arm"] if unit == "session" else draw.choice(("stable", "canary"))
        health.apply(runs + 1, ended(runs, arm, talk["name"], talk["mood"] < RATES[arm]))
        word, _ = standing(evidence, Times.since_start(runs))
        if word != "hold":
            return word


def share_promoted(unit: str) -> float:
    draw = random.Random(f"correlated {unit}")
    return sum(play(unit, draw) == "promote" for _ in range(ROLLOUTS)) / ROLLOUTS


def test_a_rollout_counts_sessions_unless_told_otherwise() -> None:
    assert [rollout_unit(Policy(), "action"), rollout_unit(Policy({"canary.randomization_unit": "run"}), "action")] == [
        "session",
        "run",
    ]
    assert rollout_unit(Policy(), "action", edition=1) == "run"
    assert rollout_unit(Policy({"action.canary.randomization_unit": "session"}), "action", edition=1) == "session"


def test_a_canary_that_is_just_too_bad_is_rarely_promoted_though_runs_of_a_session_are_alike() -> None:
    promised = 1 / PROMOTE_AT
    within_chance = promised + 2 * math.sqrt(promised * (1 - promised) / ROLLOUTS)
    assert share_promoted(rollout_unit(Policy(), "action")) <= within_chance
    assert share_promoted("run") > within_chance, "these runs are alike enough to tell"


@pytest.mark.parametrize(("edition", "counted"), [(1, 0), (EDITION, 5)])
def test_runs_without_a_session_count_at_once_except_in_rollouts_of_the_first_edition(
    edition: int, counted: int
) -> None:
    health = Health()
    health.apply(1, started("session", edition))
    for number in range(5):
        health.apply(number + 2, ended(number + 1, "canary", None, True))
    evidence = health.evidence(ROLLOUT.hex)
    assert evidence is not None and evidence.state["canary"]["runs"] == counted


def test_a_session_is_over_after_enough_runs_of_others_whether_these_have_sessions_or_not() -> None:
    health = Health()
    health.apply(1, started("session"))
    health.apply(2, ended(1, "canary", "talk", True))
    health.apply(3, ended(2, "canary", "talk", False))
    for number in range(3, 13):
        health.apply(number + 1, ended(number, "canary", None, True))
    evidence = health.evidence(ROLLOUT.hex)
    assert evidence is not None
    assert (evidence.state["canary"]["runs"], evidence.state["canary"]["succeeded"]) == (11, 10.5)
