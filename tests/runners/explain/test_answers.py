"""Why begins with one sentence that answers, for adapters, rollouts, runs and settings in every state."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest
from command_line import document, output

from grokputer.domain.vocabulary import HandDecision
from grokputer.runners.improvement.rollouts import decide_by_hand
from grokputer.runners.store.states import load_state
from story import Story


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path / "events.db")


def sentence(story: Story, name: object) -> str:
    """The first line that 'why' prints."""
    return output("why", name, db=story.path).splitlines()[0]


def train_by_hand(story: Story, reason: str = "many new corrections") -> UUID:
    """A person asks for a training, which completes; the adapter."""
    for _ in range(2):
        story.run()
    return story.train(story.ask(reason))


def decide(story: Story, adapter: str, wanted: str, reason: str) -> None:
    decide_by_hand(story.ledger, load_state(story.ledger), adapter, HandDecision(wanted), reason, "eve")


def test_a_promotion_by_the_rule_is_answered_with_both_arms_numbers_and_what_began_it(story: Story) -> None:
    story.promote()
    said = sentence(story, "lora-v1")
    assert said.startswith("lora-v1 was promoted on 2025-03-01 ")
    assert "because 12 of 12 canary runs succeeded (base: 48 of 60)" in said
    assert said.endswith(", after 10 ratings of mean 2.40 led to its training.")


def test_the_answer_for_the_rollout_is_that_of_its_adapter(story: Story) -> None:
    story.promote()
    rollout = document("rollouts", db=story.path)[0]["id"]
    assert sentence(story, rollout[:8]) == sentence(story, "lora-v1")


def test_a_promotion_by_a_person_names_the_person_and_the_reason(story: Story) -> None:
    story.prove(train_by_hand(story, "forty corrections"))
    decide(story, "lora-v1", "promote", "looked at 40 runs by hand")
    said = sentence(story, "lora-v1")
    assert ' by eve because of this: "looked at 40 runs by hand"' in said
    assert said.endswith("after ada asked for its training (forty corrections).")


def test_a_rolled_back_canary_says_by_what_and_to_where(story: Story) -> None:
    story.assess(story.prove(train_by_hand(story)), "roll back", "success")
    said = sentence(story, "lora-v1")
    assert said.startswith("lora-v1 was rolled back on ")
    assert "to the base, because the numbers say roll back" in said


def test_a_replaced_adapter_says_by_which(story: Story) -> None:
    story.promote()
    story.assess(story.prove(story.train(story.ask())), "promote")
    assert " lora-v2 replaced it on 2025-03-01 " in sentence(story, "lora-v1")
    assert "(lora-v1: 48 of 60)" in sentence(story, "lora-v2")


def test_a_paused_an_undecided_a_rejected_and_a_registered_adapter_say_how_they_stand(story: Story) -> None:
    adapter = train_by_hand(story)
    assert "was registered on" in sentence(story, "lora-v1")
    rollout = story.prove(adapter)
    assert "is a canary since" in sentence(story, "lora-v1")
    story.assess(rollout, "hold", "few runs")
    assert "nothing is decided yet; the last verdict was hold: the numbers say hold" in sentence(story, "lora-v1")
    story.assess(rollout, "inconclusive", "no data")
    assert "was paused on" in sentence(story, "lora-v1")
    assert "waits for a person" in sentence(story, "lora-v1")
    decide(story, "lora-v1", "abort", "a better one is ready")
    story.prove(story.train(story.ask()), matches=False)
    assert "lora-v2 was rejected on" in sentence(story, "lora-v2")


def test_a_run_is_answered_with_its_draw(story: Story) -> None:
    first = story.run()
    assert "because no rollout was under way on" in sentence(story, first.hex[:8])
    story.prove(story.train(story.fall()))
    arms: dict[str, UUID] = {}
    while len(arms) < 2:
        run = story.run()
        arms[document("runs", "--limit", 1, db=story.path)[0]["arm"]] = run
    assert "used lora-v1, the canary, because its draw of 0." in sentence(story, arms["canary"].hex)
    assert "is under the canary's share of 0.15." in sentence(story, arms["canary"].hex)
    assert "is not under the canary's share of 0.15." in sentence(story, arms["stable"].hex)


def test_a_setting_is_answered_with_its_last_change_or_that_there_is_none(story: Story) -> None:
    assert sentence(story, "rating.window") == "rating.window is 50, its default: no person has changed it."
    story.set("rating.window", 40, "fewer people rate")
    story.set("rating.window", 30, "fewer still")
    said = sentence(story, "rating.window")
    assert said.startswith("rating.window is 30 because ada set it on 2025-03-01 ")
    assert said.endswith(", from 40: fewer still.")
    assert "because ada set rating.window on" in sentence(story, "action.rating.window")


def test_a_setting_that_was_unset_says_by_whom(story: Story) -> None:
    story.set("rating.window", 40, "fewer people rate")
    output("settings", "unset", "rating.window", "--reason", "enough rate again", "--as", "eve", db=story.path)
    said = sentence(story, "rating.window")
    assert said.startswith("rating.window is 50 again because eve unset it on ")
    assert said.endswith(", from 40: enough rate again.")


def test_an_adapter_that_was_rolled_forward_says_so(story: Story) -> None:
    story.promote()
    decide(story, "lora-v1", "roll back", "users complain")
    assert "was rolled back on " in sentence(story, "lora-v1")
    decide(story, "lora-v1", "forward", "it was the network")
    assert "was rolled forward on " in sentence(story, "lora-v1")
    assert 'by eve because of this: "it was the network"' in sentence(story, "lora-v1")


def test_the_tree_sums_up_runs_ratings_and_looks_and_full_lists_them(story: Story) -> None:
    adapter = story.train(story.fall())
    rollout = story.prove(adapter)
    for reason in ("few runs", "unrated", "few runs", "bake", "unrated"):
        story.assess(rollout, "hold", reason)
    story.assess(rollout, "promote")
    short, full = output("why", "lora-v1", db=story.path), output("why", "lora-v1", "--full", db=story.path)
    ids = [run.hex[:8] for run in story.runs]
    assert sum(short.count(id) for id in ids) == 0
    assert sum(full.count(id) for id in ids) >= 16
    assert (short.count("assessed: hold"), full.count("assessed: hold")) == (1, 5)
    assert "(4 events like it before)" in short
    assert "correction: 6 examples from 6 runs\n" in short
    assert "stars for run" in full


def test_json_has_the_whole_tree_and_no_sentence(story: Story) -> None:
    story.promote()
    found = document("why", "lora-v1", db=story.path)
    assert list(found) == ["adapter", "role", "status", "tree"]
    assert story.runs[0].hex[:8] in str(found)
