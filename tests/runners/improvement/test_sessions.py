"""Routing: runs that are drawn one by one, and sessions that stay on their adapter and then count as one outcome."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from grokputer.domain.aggregates.rollout import Rollout
from grokputer.domain.events import TaskStarted
from grokputer.domain.rules.routing import Traffic, route
from grokputer.projections.state.state import State
from grokputer.runners.improvement.decisions import decide_again
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.store.states import load_state
from story import Story

CANARY = Traffic("lora-v1", "lora-v2", "ab12", 15)


def test_each_run_is_drawn_by_its_own_id_though_it_is_part_of_a_session() -> None:
    arms = [route(CANARY, f"run {number}", "one session").arm for number in range(2000)]
    assert 0.12 < arms.count("canary") / 2000 < 0.18
    assert arms == [route(CANARY, f"run {number}").arm for number in range(2000)]


def test_all_runs_of_a_session_get_one_arm_and_runs_without_a_session_are_drawn_singly() -> None:
    sticky = Traffic("lora-v1", "lora-v2", "ab12", 15, sessions={})
    for session in range(200):
        assert len({route(sticky, f"run {number}", f"session {session}").arm for number in range(5)}) == 1
    assert len({route(sticky, f"run {number}").arm for number in range(200)}) == 2


def test_a_session_keeps_its_arm_when_the_shares_change() -> None:
    pinned = {"calm": "stable", "bold": "canary"}
    for weight in (1, 50, 99):
        traffic = Traffic("lora-v1", "lora-v2", "ab12", weight, sessions=pinned)
        assert route(traffic, "any", "calm").adapter == "lora-v1"
        assert route(traffic, "any", "bold").adapter == "lora-v2"


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path / "events.db")


def roll_out(story: Story, **settings: Any) -> str:
    for key, value in {"canary.rule": "sequential", **settings}.items():
        story.set(key.replace("__", "."), value)
    return story.prove(story.train(story.fall())).hex


def canary(state: State, rollout: str) -> dict[str, Any]:
    evidence = state.health.evidence(rollout)
    assert evidence is not None
    both: dict[str, Any] = {arm: evidence.state[arm] for arm in ("canary", "stable")}
    return both


def arms_of(story: Story, session: str) -> set[str]:
    events = (it.event for it in story.ledger.read(1, None, (TaskStarted.TOPIC,)))
    return {it.arm for it in events if isinstance(it, TaskStarted) and it.session == session and it.rollout}


def test_a_session_keeps_its_adapter_in_the_log_when_the_share_grows(story: Story) -> None:
    rollout = roll_out(story, routing__unit="session", canary__ramp="none")
    for number in range(40):
        story.run(session=f"session {number}")
    traffic = process_new_events(story.ledger).traffic("action")
    assert traffic.sessions is not None and set(traffic.sessions.values()) == {"canary", "stable"}
    context = story.ledger.context("ada")
    story.ledger.write(Rollout, UUID(rollout), lambda it: it.weigh(95, context))
    for number in range(40):
        story.run(session=f"session {number}")
        assert len(arms_of(story, f"session {number}")) == 1
    assert sum(1 for name in load_state(story.ledger).dump() if name.startswith("drawn/")) == 1
    late = [f"late {number}" for number in range(10)]
    for session in late:
        story.run(session=session)
    assert [arms_of(story, session) for session in late].count({"canary"}) >= 8
    assert [it for it in decide_again(story.ledger) if it.kind == "arm" and it.difference] == []


def test_a_session_is_one_outcome_with_the_mean_of_its_runs(story: Story) -> None:
    rollout = roll_out(story, routing__unit="session", canary__weight_percent=50)
    for number in range(30):
        for good in (True, True, False):
            story.rate(story.run(session=f"session {number}", succeeds=good), 4)
    both = canary(load_state(story.ledger), rollout)
    counted = both["canary"]["runs"] + both["stable"]["runs"]
    assert 0 < counted < 30  # those that others follow are over
    for arm in both.values():
        assert arm["succeeded"] == pytest.approx(arm["runs"] * 2 / 3)
        assert arm["stars"] == pytest.approx(arm["rated"] * 4)


def test_runs_are_single_outcomes_where_sessions_do_not_stay(story: Story) -> None:
    rollout = roll_out(story, canary__weight_percent=50, routing__unit="run")
    for _ in range(4):
        for _ in range(3):
            story.run(session="one and the same")
    both = canary(load_state(story.ledger), rollout)
    assert both["canary"]["runs"] + both["stable"]["runs"] == 12
    assert arms_of(story, "one and the same") == {"canary", "stable"}


def test_an_error_of_the_system_ends_a_rollout_of_sessions_at_once(story: Story) -> None:
    roll_out(story, routing__unit="session", canary__weight_percent=99)
    story.run(session="one", succeeds=False, reason="error")
    assert process_new_events(story.ledger).traffic("action").canary is None


def test_a_metric_that_is_tried_dry_is_reported_and_decides_nothing(story: Story) -> None:
    rollout = roll_out(
        story, canary__weight_percent=50, canary__dry_run="rating", canary__promote_at=3.0, canary__roll_back_at=3.0,
        canary__bake_s=0, canary__ramp="none", canary__success_margin=0.2,
    )  # fmt: skip
    while rollout in process_new_events(story.ledger).undecided:
        run = story.run()
        story.rate(run, 1 if arm_of(story) == "canary" else 5)
    state = process_new_events(story.ledger)
    assert state.rollouts.of(rollout).phase == "promoted"
    assert "reported only" in state.rollouts.of(rollout).message


def arm_of(story: Story) -> str:
    """Of the newest run."""
    *_, started = (it.event for it in story.ledger.read(1, None, (TaskStarted.TOPIC,)))
    assert isinstance(started, TaskStarted)
    return started.arm


def test_the_time_that_runs_take_is_told_beside_the_verdict(story: Story) -> None:
    rollout = roll_out(story, canary__weight_percent=50)
    for _ in range(10):
        story.run()
    assert process_new_events(story.ledger).look(rollout).numbers["latency_ms"] == {"canary": 900, "stable": 900}
