"""Decisions by hand on rollouts, from the command line: what each changes, what it says, and what is refused."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest
from command_line import document, lines, output, refused

from story import Story


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path / "events.db")


def roll_out(story: Story) -> None:
    """An adapter that a person asked for gets its share of the runs."""
    story.run()
    story.run()
    story.prove(story.train(story.ask()))


def live(story: Story) -> str | None:
    [action] = [it for it in document("status", db=story.path)["roles"] if it["role"] == "action"]
    return None if action["live"] is None else str(action["live"])


def test_a_rollout_is_paused_resumed_and_aborted(story: Story) -> None:
    roll_out(story)
    assert "lora-v1 is paused, with 15 % of the runs" in output("rollouts", "pause", "lora-v1", db=story.path)
    again = refused("rollouts", "pause", "lora-v1", db=story.path)
    assert "lora-v1 was paused by " in again and "; nothing was recorded" in again
    assert "lora-v1 is progressing" in output("rollouts", "resume", "lora-v1", db=story.path)
    said = output("rollouts", "abort", "lora-v1", "--reason", "wrong tasks", "--as", "ada", db=story.path)
    assert "lora-v1 is rolled back, with 0 % of the runs of role action; live is the base" in said
    [rolled] = lines(story.path, "--event", "AdapterRolledBack")
    assert (rolled["actor"], rolled["data"]["reason"]) == ("ada", "wrong tasks")
    assert lines(story.path, "--event", "CycleClosed")[-1]["data"]["outcome"] == "rolled back"


def test_a_decided_rollout_can_neither_be_paused_nor_aborted(story: Story) -> None:
    roll_out(story)
    output("rollouts", "promote", "lora-v1", "--reason", "good", db=story.path)
    for wanted in (["pause"], ["abort", "--reason", "no"], ["approve"]):
        assert "lora-v1 is promoted already" in refused("rollouts", wanted[0], "lora-v1", *wanted[1:], db=story.path)


def test_an_adapter_without_a_rollout_or_no_longer_live_is_not_rolled_back(story: Story) -> None:
    for name in ("lora-v1", "lora-v2"):
        roll_out(story)
        output("rollouts", "promote", name, "--reason", "good", db=story.path)
    said = refused("rollouts", "rollback", "lora-v1", "--reason", "old", db=story.path)
    assert "lora-v1 is not live any more; roll back the adapter that is" in said
    story.prove(story.train(story.ask()), matches=False)
    assert "lora-v3 has no rollout" in refused("rollouts", "promote", "lora-v3", "--reason", "good", db=story.path)
    assert live(story) == "lora-v2"


def test_a_promotion_that_needs_approval_waits_for_it(story: Story) -> None:
    story.set("canary.approval", "promotion")
    roll_out(story)
    assert "does not wait for approval" in refused("rollouts", "approve", "lora-v1", db=story.path)
    [rollout] = document("rollouts", db=story.path)
    story.assess(UUID(rollout["id"]), "promote")
    [paused] = document("rollouts", db=story.path)
    assert paused["phase"] == "paused"
    [*_, alert] = lines(story.path, "--event", "AlertRaised")
    assert alert["data"]["kind"] == "approval needed"
    assert "live is lora-v1" in output("rollouts", "approve", "lora-v1", "--reason", "reviewed", db=story.path)
    assert lines(story.path, "--event", "AdapterPromoted")[-1]["data"]["reason"] == "reviewed"


def test_a_live_adapter_is_rolled_back_to_any_that_once_was_live(story: Story) -> None:
    for name in ("lora-v1", "lora-v2", "lora-v3"):
        roll_out(story)
        output("rollouts", "promote", name, "--reason", "good", db=story.path)
    said = output("rollouts", "rollback", "lora-v3", "--to", "lora-v1", "--reason", "both worse", db=story.path)
    assert "live is lora-v1" in said
    assert live(story) == "lora-v1"
    output("rollouts", "rollback", "lora-v1", "--to", "base", "--reason", "start anew", db=story.path)
    assert live(story) is None


def test_an_adapter_that_is_live_again_can_be_rolled_back_again(story: Story) -> None:
    for name in ("lora-v1", "lora-v2"):
        roll_out(story)
        output("rollouts", "promote", name, "--reason", "good", db=story.path)
        if name == "lora-v1":
            output("rollouts", "rollback", name, "--reason", "a mistake", db=story.path)
    output("rollouts", "rollback", "lora-v2", "--to", "lora-v1", "--reason", "v1 was better", db=story.path)
    phases = {it["adapter"]: it["phase"] for it in document("rollouts", db=story.path)}
    assert (live(story), phases) == ("lora-v1", {"lora-v1": "promoted", "lora-v2": "rolled back"})
    output("rollouts", "rollback", "lora-v1", "--reason", "no, it was not", db=story.path)
    assert live(story) is None


def test_no_person_decides_in_the_programs_own_name(story: Story) -> None:
    roll_out(story)
    said = refused("rollouts", "pause", "lora-v1", "--as", "grokputer", db=story.path)
    assert "grokputer is one of the program's own names" in said


def test_a_rollback_to_what_was_never_live_is_refused_with_what_was(story: Story) -> None:
    roll_out(story)
    said = refused("rollouts", "rollback", "lora-v1", "--to", "base", "--reason", "no", db=story.path)
    assert "lora-v1 is not live: its runs return to the base" in said
    output("rollouts", "promote", "lora-v1", "--reason", "good", db=story.path)
    said = refused("rollouts", "rollback", "lora-v1", "--to", "lora-v9", "--reason", "no", db=story.path)
    assert "lora-v9 has never been live in role action; the runs can go to base" in said


def test_rolling_back_the_live_adapter_ends_the_rollout_that_was_compared_with_it(story: Story) -> None:
    roll_out(story)
    output("rollouts", "promote", "lora-v1", "--reason", "good", db=story.path)
    roll_out(story)
    output("rollouts", "rollback", "lora-v1", "--reason", "users complain", db=story.path)
    phases = {it["adapter"]: (it["phase"], it["message"]) for it in document("rollouts", db=story.path)}
    assert phases["lora-v2"] == ("rolled back", "lora-v1, which it was held against, was rolled back")
    [action] = [it for it in document("status", db=story.path)["roles"] if it["role"] == "action"]
    assert (action["live"], action["canary"], action["cycle"]) == (None, None, None)


def test_a_rollout_under_way_is_shown_as_it_stands_now(story: Story) -> None:
    for rule in ("canary.rule", "rating.rule"):
        story.set(rule, "sequential")
    roll_out(story)
    for _ in range(10):
        story.run()
    [rollout] = document("rollouts", db=story.path)
    assert (rollout["verdict"], rollout["numbers"]["rule"]) == ("hold", "sequential")
    runs = {arm: rollout["numbers"][arm]["runs"] for arm in ("canary", "stable")}
    assert sum(runs.values()) == 10
    assert "canary runs succeeded against" in output("rollouts", db=story.path)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("canary.ramp", "30", "30:3, 50:6:3600"),
        ("canary.ramp", "0:4", "30:3, 50:6:3600"),
        ("canary.ramp", "50:0", "30:3, 50:6:3600"),
        ("canary.ramp", "30:3, 20:8", "20 % is no more than the 30 % before it"),
        ("canary.ramp", "10:3", "no more than the first share, canary.weight_percent 15"),
        ("canary.dry_run", "success, rating", "or none"),
        ("canary.approval", "always", "one of none, promotion, every step"),
        ("canary.randomization_unit", "person", "one of run, session"),
    ],
)
def test_a_setting_of_rollouts_that_makes_no_sense_is_refused(story: Story, key: str, value: str, words: str) -> None:
    assert words in refused("settings", "set", key, value, db=story.path)


KEPT = "the rollout of lora-v1 keeps the value it began with"


@pytest.mark.parametrize(
    ("rule", "key", "value", "is_kept"),
    [
        ("sequential", "canary.ramp", "30:3", True),
        ("sequential", "canary.weight_percent", "20", True),
        ("sequential", "action.canary.promote_at", "40", True),
        ("sequential", "canary.bake_s", "5", True),
        ("sequential", "canary.randomization_unit", "run", True),
        ("sequential", "ocr.canary.promote_at", "40", False),
        ("sequential", "canary.approval", "promotion", False),
        ("sequential", "rating.window", "20", False),
        ("threshold", "canary.rule", "relative", True),
        ("threshold", "canary.weight_percent", "20", True),
        ("threshold", "canary.min_success", "0.5", False),
    ],
)
def test_a_change_says_which_rollout_under_way_keeps_what_it_began_with(
    story: Story, rule: str, key: str, value: str, is_kept: bool
) -> None:
    story.set("canary.rule", rule)
    roll_out(story)
    before = document("rollouts", db=story.path)[0]["weight_percent"]
    said = output("settings", "set", key, value, db=story.path)
    assert said.startswith(f"{key} is {value}\n") or key.endswith(("_s", "_at"))
    assert (KEPT in said) is is_kept
    assert ("'grokputer rollouts share lora-v1'" in said) is (
        is_kept and key in ("canary.ramp", "canary.weight_percent")
    )
    assert document("rollouts", db=story.path)[0]["weight_percent"] == before
    assert (KEPT in output("settings", "unset", key, db=story.path)) is is_kept
    output("rollouts", "abort", "lora-v1", "--reason", "done", db=story.path)
    assert KEPT not in output("settings", "set", key, value, db=story.path)


def test_a_setting_is_unset_and_its_history_says_so(story: Story) -> None:
    output("settings", "set", "rating.window", "30", db=story.path)
    said = output("settings", "unset", "rating.window", "--reason", "as it was", "--as", "ada", db=story.path)
    assert said == "rating.window is 50 again\n"
    assert "rating.window is not set, it is 50; nothing was recorded" in output(
        "settings", "unset", "rating.window", db=story.path
    )
    assert "rating.window" not in [row["key"] for row in document("settings", "--changed", db=story.path)]
    assert "rating.window unset by ada, from 30 back to 50: as it was" in output("why", "rating.window", db=story.path)
    assert "rating.windows is not a setting" in refused("settings", "unset", "rating.windows", db=story.path)
    assert document("replay", db=story.path)["is_equal"]


def test_a_channel_that_is_unset_owes_nothing_any_more(story: Story) -> None:
    story.set("alert.email_to", "ada@example.org")
    roll_out(story)
    output("rollouts", "pause", "lora-v1", db=story.path)
    assert document("alerts", db=story.path)[-1]["deliveries"]["email"]["status"] == "owed"
    output("settings", "unset", "alert.email_to", db=story.path)
    assert document("alerts", db=story.path)[-1]["deliveries"]["email"]["status"] == "turned off"
