"""The schedule: what is looked at though nothing happens, on a real log, whatever the clock does."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import call, document, output

from grokputer.domain.events import CanaryAssessed, RatingThresholdBreached, ScheduleKept
from grokputer.domain.settings.settings import Policy
from grokputer.projections.state.state import State
from grokputer.runners.improvement.decisions import decide_again
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.improvement.scheduler import ScheduleKeeper
from story import Standing, Story

HOUR = 3600.0
EVERY_S = Policy().schedule.every_s
EVERY_S = Policy().schedule.every_s
YEAR = 365 * 24 * HOUR


class Idle(Story):
    """A log on which time passes, and a worker that begins anew each time it looks."""

    def __init__(self, path: Path) -> None:
        self.clock = Standing()
        super().__init__(path, self.clock)

    def look(self) -> bool:
        """Whether anything was due."""
        was_due = ScheduleKeeper(self.ledger).keep(process_new_events(self.ledger))
        process_new_events(self.ledger)
        return was_due

    def looks(self, seconds: float, times: int = 1) -> int:
        """So many looks, so many seconds apart; at how many of them something was due."""
        due = 0
        for _ in range(times):
            self.clock.move(seconds=seconds)
            due += self.look()
        return due

    def traffic(self, runs: int) -> None:
        """Good runs, rated five, on whatever arm they are drawn for."""
        for _ in range(runs):
            self.rate(self.run(), 5)

    def said(self) -> list[tuple[str, str]]:
        """What the looks at the canary said."""
        events = (it.event for it in self.ledger.read(1, None, (CanaryAssessed.TOPIC,)))
        return [(it.verdict, it.reason) for it in events if isinstance(it, CanaryAssessed)]

    def count(self, topic: str) -> int:
        return sum(1 for _ in self.ledger.read(1, None, (topic,)))


@pytest.fixture
def idle(tmp_path: Path) -> Idle:
    return Idle(tmp_path / "events.db")


def roll_out(idle: Idle, **settings: Any) -> str:
    """A canary that gets half of the runs; its rollout."""
    for key, value in {"weight_percent": 50, **settings}.items():
        idle.set(f"canary.{key}", value)
    return idle.prove(idle.train(idle.fall())).hex


def test_an_empty_log_needs_no_look(tmp_path: Path) -> None:
    from grokputer.runners.store.ledger import Ledger

    ledger = Ledger.create(tmp_path / "events.db")
    assert not ScheduleKeeper(ledger).keep(process_new_events(ledger))


def test_a_look_that_was_missed_is_caught_up_once(idle: Idle) -> None:
    assert idle.looks(EVERY_S - 1) == 0
    assert idle.looks(30 * EVERY_S) == 1
    assert idle.looks(1) == 0


def test_a_clock_that_was_set_back_costs_one_look_and_no_other(idle: Idle) -> None:
    assert idle.looks(EVERY_S) == 1
    assert idle.looks(-YEAR) == 1
    assert idle.looks(1, 3) == 0
    assert idle.looks(EVERY_S) == 1


def test_ratings_are_judged_every_four_hours_without_a_new_rating(idle: Idle) -> None:
    for _ in range(10):
        idle.rate(idle.run(), 4)
    idle.set("rating.threshold", 4.5)
    assert idle.count(RatingThresholdBreached.TOPIC) == 0
    idle.looks(EVERY_S)
    [breached] = idle.ledger.read(1, None, (RatingThresholdBreached.TOPIC,))
    [kept] = idle.ledger.read(1, None, (ScheduleKept.TOPIC,))
    assert breached.event.caused_by == kept.event.reference


def test_the_time_between_two_looks_is_a_setting(idle: Idle) -> None:
    idle.set("schedule.every_s", 24 * HOUR)
    assert idle.looks(EVERY_S) == 0
    assert idle.looks(20 * HOUR) == 1
    idle.set("schedule.every_s", 60)
    assert idle.looks(60) == 1
    [*_, kept] = idle.ledger.read(1, None, (ScheduleKept.TOPIC,))
    assert kept.event.reason == "every 60 s"  # type: ignore[attr-defined]


def test_with_longer_pauses_between_looks_a_canary_is_still_given_up_in_time(idle: Idle) -> None:
    idle.set("schedule.every_s", 24 * HOUR)
    rollout = roll_out(idle, deadline_s=3 * 24 * HOUR)
    for _ in range(4):
        idle.looks(24 * HOUR)
    state = process_new_events(idle.ledger)
    assert state.rollouts.of(rollout).phase == "paused"
    assert State.load(state.dump()).rollouts.longest_wait_gap_s == 24 * HOUR


@pytest.mark.parametrize("rule", ["threshold", "sequential"])
def test_a_bake_goes_on_without_any_run(idle: Idle, rule: str) -> None:
    roll_out(idle, rule=rule, promote_at=2.0, bake_s=150)
    idle.traffic(60)
    idle.look()
    assert idle.said()[-1] == ("hold", "bake")
    idle.looks(60, 2)
    assert idle.said()[-1] == ("hold", "bake")
    idle.looks(60)
    assert idle.said()[-1][0] == "promote"
    assert process_new_events(idle.ledger).traffic("action").stable == "lora-v1"


@pytest.mark.parametrize("jump", [YEAR, -YEAR])
def test_a_clock_that_jumps_neither_ends_a_bake_nor_gives_a_canary_up(idle: Idle, jump: float) -> None:
    rollout = roll_out(idle, promote_at=2.0, bake_s=150)
    idle.traffic(60)
    idle.looks(jump)
    idle.looks(10, 3)
    assert idle.said()[-1] == ("hold", "bake")
    times = process_new_events(idle.ledger).rollouts.times(rollout)
    assert times.baked <= 60
    assert times.waited <= EVERY_S


def test_a_starved_canary_is_given_up_after_a_week_and_its_rollout_paused(idle: Idle) -> None:
    rollout = roll_out(idle, rule="sequential")
    idle.traffic(4)
    week = 7 * 24 * HOUR
    idle.looks(EVERY_S, int(week / EVERY_S) - 1)
    assert idle.said()[-1][0] == "hold"
    idle.looks(EVERY_S)
    assert idle.said()[-1] == ("inconclusive", "time")
    assert process_new_events(idle.ledger).rollouts.of(rollout).phase == "paused"
    assert idle.looks(EVERY_S, 3) == 3  # the looks go on, the canary keeps its share
    assert idle.said()[-1] == ("inconclusive", "time")


def test_a_step_of_the_ramp_waits_for_its_pause(idle: Idle) -> None:
    rollout = roll_out(idle, rule="sequential", ramp="60:1.2:120", promote_at=1e6, weight_percent=40)
    idle.traffic(60)
    weight = process_new_events(idle.ledger).rollouts.of(rollout).weight_percent
    idle.looks(60, 2)
    assert (weight, process_new_events(idle.ledger).rollouts.of(rollout).weight_percent) == (40, 60)


def test_replay_makes_decisions_again_from_the_command_line(idle: Idle) -> None:
    for _ in range(3):
        idle.rate(idle.run(), 5)
    idle.set("rating.threshold", 5)
    for _ in range(10):
        idle.rate(idle.run(), 4)
    assert "equal to the bit" in output("replay", "--decisions", db=idle.path)
    found = document("replay", "--decisions", db=idle.path)
    assert found["is_equal"]
    assert found["kinds"]["RatingThresholdBreached"] == {"made": 1, "equal": 1}
    with sqlite3.connect(idle.path) as connection:
        connection.execute("DROP TRIGGER log_keeps_events")
        connection.execute(
            "UPDATE stored_events SET state = replace(state, '\"mean\":4', '\"mean\":3') WHERE topic LIKE 'Rating%'"
        )
    connection.close()
    found_out = call("replay", "--decisions", db=idle.path)
    assert (found_out.exit_code, "RatingThresholdBreached: mean: now 4" in found_out.stdout) == (1, True)


def test_decisions_by_time_are_made_again_from_the_log(idle: Idle) -> None:
    roll_out(idle, rule="sequential", promote_at=2.0, bake_s=150)
    idle.traffic(60)
    idle.looks(60, 4)
    measured = ("HeldOutJudged", "DatasetBuilt")  # which this story makes up
    found = [it for it in decide_again(idle.ledger) if it.kind not in measured]
    assert [it for it in found if it.difference] == []
    assert {"RatingThresholdBreached", "RolloutStarted", "CanaryAssessed", "AdapterPromoted", "arm"} <= {
        it.kind for it in found
    }


def causes(node: dict[str, Any], kinds: dict[int, tuple[str, int | None]]) -> list[str]:
    """The kinds of the events that the causes lead back to."""
    found = []
    place = node["caused_by"]
    while place is not None:
        kind, place = kinds[place]
        found.append(kind)
    return found


def entries(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output("log", "--json", db=path).splitlines()]


def promote_by_time(idle: Idle) -> None:
    roll_out(idle, rule="sequential", promote_at=2.0, bake_s=150)
    idle.traffic(60)
    idle.looks(60, 4)


WAY = [
    "CanaryAssessed",
    "RolloutStarted",
    "HeldOutJudged",
    "AdapterEvaluated",
    "AdapterRegistered",
    "TrainingCompleted",
]


def test_the_causes_of_a_promotion_by_time_lead_through_the_rollout_to_the_ratings(idle: Idle) -> None:
    promote_by_time(idle)
    log = entries(idle.path)
    kinds = {it["position"]: (it["event"], it["caused_by"]) for it in log}
    [promoted] = (it for it in log if it["event"] == "AdapterPromoted")
    way = causes(promoted, kinds)
    assert [kind for kind in way if kind in WAY] == WAY
    assert way[way.index("TrainingRequested") :][:3] == ["TrainingRequested", "RatingThresholdBreached", "TaskRated"]


def walk(nodes: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for node in nodes:
        yield node
        yield from walk(node["children"])


def test_why_leads_from_such_a_promotion_of_an_older_log_to_the_ratings_too(idle: Idle) -> None:
    promote_by_time(idle)
    [kept] = [it for it in entries(idle.path) if it["event"] == "ScheduleKept"][-1:]
    looks = [it for it in entries(idle.path) if it["event"] == "CanaryAssessed"]
    # As an older program recorded it: each look was caused by the event that it was made after.
    idle.ledger.close()
    with sqlite3.connect(idle.path) as connection:
        connection.execute("DROP TRIGGER log_keeps_events")
        for look in looks:
            occasion = idle.ledger.at(look["data"]["up_to"]).event.reference
            start = idle.ledger.at(look["caused_by"]).event.reference
            connection.execute(
                "UPDATE stored_events SET state = replace(state, ?, ?) WHERE position = ?",
                (start, occasion, look["position"]),
            )
    connection.close()
    older = {it["position"]: it for it in entries(idle.path)}
    assert older[looks[-1]["position"]]["caused_by"] == kept["position"]
    tree = walk(document("why", "lora-v1", db=idle.path)["tree"])
    nodes = {it["position"]: it for it in tree if it["kind"] not in ("Ratings", "Source", "HeldOut")}
    [promoted] = (it for it in nodes.values() if it["kind"] == "AdapterPromoted")
    way = causes(
        promoted,
        {place: (it["kind"], it["caused_by"] if it["caused_by"] in nodes else None) for place, it in nodes.items()},
    )
    assert [kind for kind in way if kind in WAY] == WAY
    assert way[-2:] == ["RatingThresholdBreached", "TaskRated"]
    measured = ("HeldOutJudged", "DatasetBuilt")
    assert [it for it in decide_again(idle.ledger) if it.kind not in measured and it.difference] == []


def test_a_breach_found_at_a_scheduled_look_leads_to_the_last_of_its_ratings(idle: Idle) -> None:
    for _ in range(10):
        idle.rate(idle.run(), 4)
    idle.set("rating.threshold", 4.5)
    idle.looks(EVERY_S)
    idle.prove(idle.train(idle.training()))
    nodes = list(walk(document("why", "lora-v1", db=idle.path)["tree"]))
    [breached] = (it for it in nodes if it["kind"] == "RatingThresholdBreached")
    [cause] = (it for it in nodes if it["position"] == breached["caused_by"] and it["kind"] != "Ratings")
    assert cause["kind"] == "TaskRated"
