"""The chaos run: its plan of kills, its checks, each of which can fail, and a short run of the whole."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from places import ROOT

from grokputer.benchmarks import chaos
from grokputer.benchmarks.killed import checks, plan
from grokputer.benchmarks.killed.parts import Outage
from grokputer.benchmarks.killed.plan import Phase, Plan, Progress
from grokputer.benchmarks.killed.programs import Answered
from grokputer.domain.aggregates.adapter import Adapter
from grokputer.domain.aggregates.run import TaskRun
from story import Story

ANSWER = "CLICKbutton:Ok[1]"
LENGTHS = {Phase.TRAINING: 100.0, Phase.GATE: 5.0, Phase.CANARY: 100.0}
ENDPOINT, BOOT = "http://vllm/v1", "1790000001.000"


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path / "events.db")


def answered(run: UUID, stars: int = 5) -> Answered:
    """What a program got by the run of a story."""
    return Answered("1-1", run.hex, "base", ANSWER, stars, True, 0.0, 1.0, 1)


def test_a_seed_gives_one_plan_in_which_each_part_is_killed_as_often_as_it_says() -> None:
    drawn, again = (Plan.draw(7, plan.TWICE, LENGTHS) for _ in range(2))
    assert drawn.left == again.left != Plan.draw(8, plan.TWICE, LENGTHS).left
    assert set(drawn.counts().values()) == {2}
    assert set(Plan.draw(7, plan.ONCE, LENGTHS).counts()) == set(drawn.counts())


def test_a_training_is_killed_only_while_a_checkpoint_has_to_carry_it_on() -> None:
    drawn = Plan.draw(7, {Phase.TRAINING: ("training", "ray")}, LENGTHS)
    assert drawn.next(Phase.BEFORE, 1000, Progress(is_far=True)) is None
    assert drawn.next(Phase.TRAINING, 1000, Progress()) is None
    assert drawn.next(Phase.CANARY, 0, Progress(), {"ray"}) is None, "it is away already"
    found = drawn.next(Phase.CANARY, 0, Progress())
    assert found is not None and found.part == "ray", (
        "a cluster can be killed at any time, a training that is over cannot"
    )
    assert drawn.next(Phase.CANARY, 0, Progress(is_far=True)) is None
    outage = Outage("ray", 0.0, 1.0)
    assert checks.not_killed(Counter(ray=1, training=1), [outage]) == ["training: killed 0 times of 1"]
    assert checks.not_killed(Counter(ray=1), [replace(outage, is_planned=False)]) == ["ray: killed 0 times of 1"]


def test_an_answer_or_a_rating_that_the_log_does_not_have_is_found(story: Story) -> None:
    run, lost = story.run(succeeds=None), uuid4()
    story.rate(run, 5)
    given = [answered(run)]
    assert checks.lost_answers(story.ledger, given) == checks.lost_ratings(story.ledger, given) == []
    assert len(checks.lost_answers(story.ledger, [replace(given[0], text="another")])) == 1
    assert len(checks.lost_answers(story.ledger, [replace(given[0], run=lost.hex)])) == 1
    assert len(checks.lost_answers(story.ledger, given * 2)) == 1, "one run for two requests"
    assert len(checks.lost_ratings(story.ledger, [replace(given[0], stars=1)])) == 1
    story.rate(run, 5, "bob")
    assert len(checks.lost_ratings(story.ledger, given)) == 1, "it is there twice"
    unrated = answered(story.run(succeeds=None))
    assert len(checks.lost_ratings(story.ledger, [unrated])) == 1
    assert checks.lost_ratings(story.ledger, [replace(unrated, is_rated=False)]) == []


def test_a_second_training_and_a_missing_decision_are_found(story: Story) -> None:
    story.promote()
    assert checks.cycle(story.ledger) == checks.open_runs(story.ledger) == checks.damage(story.ledger) == []
    assert checks.other_decisions(story.ledger, story.path.parent) != [], "no trainer made the dataset of the story"
    story.ask("once more")
    assert checks.cycle(story.ledger) == ["TrainingRequested: 2 times"]
    story.ledger.write(
        TaskRun,
        uuid4(),
        lambda run: run.start(
            story.ledger.context("ada"), role="action", arm="stable", adapter=None, rollout=None, environment="chat",
            capabilities=(), task=story.ledger.put("x"), seed=0, base="embedded", session=None, policy={},
        ),
    )  # fmt: skip
    assert len(checks.open_runs(story.ledger)) == 1


def test_decisions_of_a_log_equal_those_of_a_file_fed_the_same_events(story: Story) -> None:
    for stars in (5, 4, 5):
        story.rate(story.run(succeeds=None), stars)
    assert checks.other_decisions(story.ledger, story.path.parent) == []


def test_an_answer_of_a_server_before_its_proof_or_after_another_start_is_found(story: Story, tmp_path: Path) -> None:
    story.run()
    adapter, file = story.train(story.ask()), tmp_path / "vllm.jsonl"
    known = story.ledger.get(Adapter, adapter)
    assert known.registered is not None
    numbers = {"prompts": 4, "effect": 1.5, "error": 0.01, "rounding": 0.008, "max_difference": 0.02}
    story.ledger.write(
        Adapter, adapter, lambda it: it.serve(ENDPOINT, BOOT, numbers, story.ledger.context("grokputer"), problem="")
    )
    proven = next(iter(story.ledger.read(1, None, ("AdapterServed",)))).event.time.timestamp()

    def found(time: float, boot: str = BOOT, *, is_proof: bool = False) -> list[str]:
        line = {"time": time, "boot": boot, "path": "/v1/chat/completions", "status": 200, "is_proof": is_proof}
        name = known.registered.weights.removeprefix("sha256:")  # type: ignore[union-attr]
        file.write_text(json.dumps({**line, "model": name}) + '\n{"cut')
        return checks.unproven(story.ledger, {ENDPOINT: file})

    assert found(proven + 1) == []
    assert "proven at" in found(proven - 1)[0]
    assert "proven at None" in found(proven + 1, "another start")[0]
    assert found(proven + 1, is_proof=True) == [f"{ENDPOINT} answered by no adapter"]


@pytest.mark.slow
def test_a_fleet_whose_every_part_is_killed_once_loses_nothing_and_learns_once(tmp_path: Path) -> None:
    if missing := chaos.complain():
        pytest.skip(missing)
    out, home = tmp_path / "out", tmp_path / "home"
    home.mkdir()  # what other tests leave at home is not this run's
    words = [
        sys.executable,
        ROOT / "benchmarks" / "chaos.py",
        "--minutes",
        "3",
        "--once",
        "--per-second",
        "1.5",
        "--out",
        out,
    ]
    environment = {**os.environ, "HOME": str(home)}
    environment.pop("SSL_CERT_DIR", None)  # the tests' folder has no certificates, and the client of S3 wants some
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-8000:]}"
