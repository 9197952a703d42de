"""``grokputer rollouts check``: the health of a rollout as an exit status that no error looks like."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import call

from grokputer.domain.aggregates.adapter import Adapter
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.improvement.weights import note_missing
from grokputer.runners.store.states import load_state
from grokputer.runners.wiring.registries import open_registry
from story import Story

HEALTHY, FAILING, UNDECIDED = 0, 1, 2


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path / "events.db")


def check(story: Story, adapter: str = "lora-v1") -> tuple[int, str]:
    result = call("rollouts", "check", adapter, db=story.path)
    return result.exit_code, result.output


def test_a_live_adapter_is_healthy_and_stays_so_when_another_replaces_it(story: Story) -> None:
    story.promote()
    assert check(story) == (HEALTHY, "lora-v1 is healthy: it is live\n")
    rollout = story.prove(story.train(story.ask()))
    story.assess(rollout, "promote")
    assert check(story) == (HEALTHY, "lora-v1 is healthy: it is replaced\n")


def test_an_adapter_is_undecided_until_there_is_evidence(story: Story) -> None:
    for _ in range(2):
        story.run()
    adapter = story.train(story.ask())
    assert check(story) == (UNDECIDED, "lora-v1 is undecided: its proof is to come\n")
    story.prove(adapter)
    status, said = check(story)
    assert status == UNDECIDED
    assert said.startswith("lora-v1 is undecided: canary with 15 %, hold (")
    call("rollouts", "pause", "lora-v1", db=story.path)
    assert check(story)[1].startswith("lora-v1 is undecided: paused canary with 15 %, ")


@pytest.mark.parametrize(("reason", "health"), [("error", FAILING), ("", HEALTHY)])
def test_a_canary_is_what_the_verdict_on_its_runs_says(story: Story, reason: str, health: int) -> None:
    story.set("canary.approval", "every step")
    for key, value in (("canary.min_runs", 2), ("canary.bake_s", 0), ("canary.weight_percent", 50)):
        story.set(key, value)
    for _ in range(2):
        story.run()
    story.prove(story.train(story.ask()))
    for number in range(40):
        if check(story)[0] == health:
            break
        run = story.run(succeeds=not reason, reason=reason)
        story.rate(run, 1 if reason else 5)
        assert number < 39
    assert check(story)[0] == health


def test_an_adapter_that_was_rolled_back_is_failing_and_the_reason_is_in_words(story: Story) -> None:
    story.promote()
    call("rollouts", "rollback", "lora-v1", "--reason", "it forgets", db=story.path)
    assert check(story) == (FAILING, "lora-v1 is failing: it was rolled back: it forgets\n")
    shown = call("rollouts", "check", "lora-v1", "--json", db=story.path)
    assert (shown.exit_code, json.loads(shown.stdout)["health"]) == (FAILING, "failing")


def test_an_adapter_that_does_not_pass_its_proof_is_failing(story: Story) -> None:
    story.run()
    adapter = story.train(story.ask())
    story.prove(adapter, matches=False)
    assert story.ledger.get(Adapter, adapter).rejected is not None
    assert check(story)[0] == FAILING


def test_an_adapter_whose_weights_are_missing_while_it_serves_is_failing(story: Story) -> None:
    story.promote()
    state = load_state(story.ledger)
    store = open_registry(state.policy, story.path)
    store.path(state.registry.adapters["lora-v1"].weights).joinpath("adapter_config.json").unlink()
    note_missing(story.ledger, state, store)
    process_new_events(story.ledger)
    assert check(story) == (FAILING, "lora-v1 is failing: it is live, and its weights are missing\n")


@pytest.mark.parametrize("words", [(), ("lora-v1", "--jsom"), ("lora-v1", "lora-v2"), ("lora-v9",)])
def test_an_error_never_looks_like_undecided(story: Story, words: tuple[str, ...]) -> None:
    story.promote()
    result = call("rollouts", "check", *words, db=story.path)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr


def test_help_is_no_error(story: Story) -> None:
    assert call("rollouts", "check", "--help").exit_code == 0
