"""What is waited for, as 'status' and 'work' say it of a real log."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from command_line import call, document, output, refused

from given import OFFERED
from grokputer.domain.aggregates.base import derive_id
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.events import Assignment, RatingThresholdBreached
from grokputer.domain.settings.settings import Policy
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.improvement.worker import RETELL_S, Idle, work
from grokputer.runners.store.lease import find_worker, lease
from grokputer.runners.store.log import Log
from grokputer.runners.store.place import open_store
from grokputer.runners.store.port import LEASE
from grokputer.runners.store.sqlite.locks import named_lock
from grokputer.runners.store.states import load_state
from grokputer.runners.use_cases.access_keys import create_key
from story import Story


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path / "events.db")


def waits_for(story: Story, role: str = "action") -> str:
    roles = {it["role"]: it for it in document("status", db=story.path)["roles"]}
    return str(roles[role]["waits_for"]["message"])


def breaches(story: Story) -> int:
    return sum(1 for _ in story.ledger.read(1, None, (RatingThresholdBreached.TOPIC,)))


def test_status_says_how_many_ratings_are_missing_and_then_that_a_training_was_requested(story: Story) -> None:
    for _ in range(3):
        story.rate(story.run(succeeds=False), 2)
    assert "action needs 7 more ratings before a training can start: 3 of 10; their mean is 2.00\n" in output(
        "status", db=story.path
    )
    for _ in range(7):
        story.rate(story.run(succeeds=False), 2)
    requested = story.ledger.position_of(f"{story.training()}/1")
    said = f"action waits for a worker and the training requested at position {requested}: run 'grokputer work'\n"
    assert said in output("status", db=story.path)


def test_status_says_that_ratings_of_one_session_count_once_where_there_are_such(story: Story) -> None:
    once = "one person's ratings in one session count once"
    story.set("rating.rule", "sequential")
    for session in ("monday", "tuesday"):
        assert once not in waits_for(story)
        story.rate(story.run(succeeds=False, session=session), 1)
    story.rate(story.run(succeeds=False, session="tuesday"), 1)
    assert once in waits_for(story)


def test_status_names_no_role_that_has_nothing(story: Story) -> None:
    assert "no role has runs yet; 'grokputer run' makes some\n" in output("status", db=story.path)
    story.run()
    said = output("status", db=story.path)
    assert "action is trained when" in said or "action needs" in said
    assert "ocr" not in said
    assert "ocr" in output("status", "--all", db=story.path)


def test_the_breach_comes_with_the_low_rating_that_status_foresaw(story: Story) -> None:
    story.set("rating.rule", "sequential")
    for _ in range(4):
        story.rate(story.run(), 5)
    roles = {it["role"]: it for it in document("status", db=story.path)["roles"]}
    missing = roles["action"]["waits_for"]["numbers"]["missing"]
    assert f"at least {missing} more of 1 star" in waits_for(story)
    for _ in range(missing - 1):
        story.rate(story.run(succeeds=False), 1)
    assert breaches(story) == 0
    story.rate(story.run(succeeds=False), 1)
    assert breaches(story) == 1


def test_a_canary_and_its_pause_are_what_is_waited_for(story: Story) -> None:
    rollout = story.prove(story.train(story.fall()))
    assert waits_for(story) == "needs 10 more runs of lora-v1 at 15 % before a decision: 0 of 10"
    story.assess(rollout, "inconclusive", "no data")
    assert "lora-v1 at 15 % is paused" in waits_for(story)


def test_status_at_a_position_says_what_was_waited_for_then(story: Story) -> None:
    for _ in range(3):
        story.rate(story.run(succeeds=False), 2)
    position = story.ledger.position
    story.fall(7)
    [action, *_] = document("at", position, db=story.path)["roles"]
    assert action["waits_for"]["message"].startswith("needs 7 more ratings")


def test_a_worker_with_nothing_to_do_says_what_it_waits_for(story: Story) -> None:
    assert "nothing to do: no role has ratings" in output("work", "--once", db=story.path)
    for _ in range(3):
        story.rate(story.run(succeeds=False), 2)
    assert "action needs 7 more ratings before a training can start: 3 of 10" in output("work", "--once", db=story.path)


def test_a_worker_beside_a_gateway_says_where_its_runs_are_rated(story: Story) -> None:
    create_key(story.ledger, "ada", scopes=["infer"], limits={}, actor="eve")
    told = output("work", "--once", db=story.path)
    assert "no role has ratings or a training yet; rate the runs of programs on the pages" in told
    assert "grokputer run" not in told


def test_an_idle_worker_says_numbers_again_once_a_minute_and_another_wait_at_once(story: Story) -> None:
    lines: list[str] = []
    now = 1000.0
    idle = Idle(story.ledger, lines.append, lambda: now)

    def rate(times: int = 1) -> None:
        for _ in range(times):
            story.rate(story.run(succeeds=False), 2)
            idle.tell(load_state(story.ledger))

    rate()
    assert [line.split(" more")[0] for line in lines] == ["action needs 9"]
    rate(2)
    assert len(lines) == 1
    now += RETELL_S
    idle.tell(load_state(story.ledger))
    assert lines[1:] == ["action needs 7 more ratings before a training can start: 3 of 10; their mean is 2.00"]
    now += RETELL_S
    idle.tell(load_state(story.ledger))
    assert len(lines) == 2
    rate(7)
    assert lines[-1].startswith("action waits for a worker and the training requested at position ")


def test_a_second_worker_that_does_not_wait_ends_with_who_is_at_work_and_at_what(story: Story) -> None:
    story.fall()
    key = story.training().hex[:8]
    with lease(Log(open_store(story.path))):
        said = refused("work", "--once", "--no-wait", db=story.path)
        assert find_worker(story.ledger) == f"the worker (process {os.getpid()})"
        assert f"the worker (process {os.getpid()}) is at work" in waits_for(story)
    assert f"another worker (process {os.getpid()} (" in said
    assert f"is at work on {story.path}: training {key} for role action" in said
    assert find_worker(story.ledger) is None
    assert "run 'grokputer work'" in output("status", db=story.path)


def test_a_worker_that_was_killed_is_not_at_work(story: Story) -> None:
    named_lock(story.path, LEASE).write_text("4194305")  # beyond the largest process id that Linux gives
    assert find_worker(story.ledger) is None
    named_lock(story.path, LEASE).write_text("not a number")
    assert find_worker(story.ledger) is None
    work(story.ledger, once=True, waits=False)


def mixed_run(story: Story, number: int, stars: int, step: int | None = None) -> None:
    """A run of action in which recovery made the second step, rated."""
    context = story.ledger.context("ada")
    recovery: Assignment = {"role": "recovery", "arm": "stable", "adapter": None, "rollout": None}

    def play(run: TaskRun) -> None:
        run.start(
            context, others=(recovery,), role="action", arm="stable", adapter=None, rollout=None, environment="miniwob",
            capabilities=OFFERED["miniwob"], task="click-test", seed=number, base="embedded", session=None, policy={},
        )  # fmt: skip
        for made_by in ("action", "recovery"):
            run.take_step(
                context, role=made_by, prompt="sha256:aa", answer="sha256:bb", error="", model_ms=1, environment_ms=1,
                prompt_tokens=1, completion_tokens=1,
            )  # fmt: skip
        if stars >= 4:
            run.succeed(100, 1.0, Policy(), context)
        else:
            run.fail("wrong", "", 100, -1.0, Policy(), context)
        run.rate(stars, "human", [], None, context, step=step)

    story.ledger.write(TaskRun, derive_id("mixed", number), play)
    process_new_events(story.ledger)


def test_a_mean_that_leaves_low_ratings_out_is_shown_with_the_least_that_it_can_be(story: Story) -> None:
    for number in range(10):
        mixed_run(story, number, 5 if number % 2 else 1)
    roles = {it["role"]: it for it in document("status", db=story.path)["roles"]}
    recovery = roles["recovery"]
    assert (recovery["window"]["mean"], recovery["window"]["least_mean"], recovery["success"]) == (5.0, 3.0, 0.5)
    said = "recovery, its mean: low ratings of runs of several roles are attributed to none; with all of them the mean is 3.00"
    assert said in output("status", db=story.path)


def test_a_mean_of_good_runs_alone_is_said_to_be_that(story: Story) -> None:
    for number in range(6):
        mixed_run(story, number, 5 if number % 2 else 1, step=None if number % 2 else 1)
    roles = {it["role"]: it for it in document("status", db=story.path)["roles"]}
    assert roles["recovery"]["window"]["note"].startswith("3 ratings of good runs alone; no low one")
    assert roles["action"]["window"]["note"] == ""
    mixed_run(story, 6, 2, step=2)
    roles = {it["role"]: it for it in document("status", db=story.path)["roles"]}
    assert (roles["recovery"]["window"]["note"], roles["recovery"]["window"]["least_mean"]) == ("", 4.25)
    assert call("replay", db=story.path).exit_code == 0
