"""What was rolled back is made live again: what is recorded, told, explained and replayed, and what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from command_line import document, lines, output, refused

from grokputer.runners.archive.replay import replay
from grokputer.runners.improvement.decisions import decide_again
from grokputer.runners.store.log import adapters_folder
from story import Story

MADE_UP = ("HeldOutJudged", "DatasetBuilt")


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path / "events.db")


def roll_out(story: Story, *, promote: str = "") -> None:
    story.run()
    story.run()
    story.prove(story.train(story.ask()))
    if promote:
        output("rollouts", "promote", promote, "--reason", "good", db=story.path)


def live(story: Story) -> str | None:
    [action] = [it for it in document("status", db=story.path)["roles"] if it["role"] == "action"]
    return None if action["live"] is None else str(action["live"])


def holds(story: Story) -> None:
    """The log replays, and each decision is made again."""
    assert replay(story.ledger).is_equal
    assert [it for it in decide_again(story.ledger) if it.difference and it.kind not in MADE_UP] == []


def test_a_rollback_by_hand_is_undone(story: Story) -> None:
    roll_out(story, promote="lora-v1")
    output("rollouts", "rollback", "lora-v1", "--reason", "complaints", db=story.path)
    before = document("status", db=story.path)["position"]
    said = output("rollouts", "forward", "lora-v1", "--reason", "it was the network", "--as", "ada", db=story.path)
    assert "lora-v1 is promoted, with 100 % of the runs of role action; live is lora-v1" in said
    assert live(story) == "lora-v1"
    [*_, promoted] = lines(story.path, "--event", "AdapterPromoted")
    assert (promoted["actor"], promoted["data"]["cause"], promoted["data"]["replaced"]) == ("ada", "forward", None)
    [*_, alert] = lines(story.path, "--event", "AlertRaised")
    assert (alert["data"]["kind"], alert["data"]["severity"], alert["data"]["by"]) == ("rolled forward", "info", "ada")
    assert "rolled forward by ada, in place of the base: it was the network" in output("why", "lora-v1", db=story.path)
    then = document("at", before, db=story.path)["roles"][0]["live"]
    assert (then, document("adapters", db=story.path)[0]["status"]) == (None, "live")
    holds(story)


def test_one_goes_to_the_base_and_back_and_a_rollback_leads_to_what_was_live_before(story: Story) -> None:
    roll_out(story, promote="lora-v1")
    roll_out(story, promote="lora-v2")
    output("rollouts", "rollback", "lora-v2", "--to", "base", "--reason", "both worse", db=story.path)
    output("rollouts", "forward", "lora-v2", "--reason", "not so", db=story.path)
    output("rollouts", "forward", "lora-v1", "--reason", "this one", db=story.path)
    assert live(story) == "lora-v1"
    output("rollouts", "rollback", "lora-v1", "--reason", "no, the other", db=story.path)
    assert live(story) == "lora-v2"
    holds(story)


def test_a_canary_that_was_never_live_is_made_live_after_it_was_rolled_back(story: Story) -> None:
    roll_out(story)
    output("rollouts", "abort", "lora-v1", "--reason", "too soon", db=story.path)
    output("rollouts", "forward", "lora-v1", "--reason", "after all", db=story.path)
    assert live(story) == "lora-v1"
    assert lines(story.path, "--event", "CycleClosed")[-1]["data"]["outcome"] == "rolled back"


def test_a_rollout_that_is_compared_with_what_is_replaced_ends_and_says_why(story: Story) -> None:
    roll_out(story, promote="lora-v1")
    roll_out(story)
    output("rollouts", "rollback", "lora-v1", "--reason", "complaints", db=story.path)
    roll_out(story)
    output("rollouts", "forward", "lora-v1", "--reason", "it was the network", db=story.path)
    phases = {it["adapter"]: (it["phase"], it["message"]) for it in document("rollouts", db=story.path)}
    assert phases["lora-v3"] == ("rolled back", "the base, which it was compared with, was replaced by lora-v1")
    [*_, alert] = [it["data"] for it in lines(story.path, "--event", "AlertRaised")]
    assert (alert["kind"], alert["adapter"], alert["by"]) == ("rollout ended", "lora-v3", "grokputer")
    statuses = {it["adapter"]: it["status"] for it in document("adapters", db=story.path)}
    assert statuses == {"lora-v1": "live", "lora-v2": "rolled back", "lora-v3": "rolled back"}
    holds(story)


def test_rolling_forward_is_refused_with_the_reason_where_the_adapter_cannot_be_live(story: Story) -> None:
    roll_out(story)
    said = refused("rollouts", "forward", "lora-v1", "--reason", "now", db=story.path)
    assert "the rollout of lora-v1 is under way" in said and "rollouts promote" in said
    output("rollouts", "promote", "lora-v1", "--reason", "good", "--as", "eve", db=story.path)
    said = refused("rollouts", "forward", "lora-v1", "--reason", "now", db=story.path)
    assert "lora-v1 is live already; lora-v1 was promoted by eve at" in said
    story.prove(story.train(story.ask()), matches=False)
    said = refused("rollouts", "forward", "lora-v2", "--reason", "now", db=story.path)
    assert "lora-v2 has no rollout: it was rejected before any traffic" in said
    output("rollouts", "rollback", "lora-v1", "--reason", "bad", db=story.path)
    shutil.rmtree(adapters_folder(story.path) / "weights")
    said = refused("rollouts", "forward", "lora-v1", "--reason", "now", db=story.path)
    assert "the weights of lora-v1 are not in " in said and "backup" in said


def test_a_share_that_a_person_sets_stays_and_is_explained(story: Story) -> None:
    roll_out(story)
    words = ("rollouts", "share", "lora-v1")
    said = output(*words, "30", "--reason", "little traffic", "--as", "ada", db=story.path)
    assert "lora-v1 is progressing, with 30 % of the runs" in said
    assert "share set from 15 to 30 % by ada: little traffic" in output("why", "lora-v1", db=story.path)
    again = refused(*words, "30", "--reason", "again", db=story.path)
    assert "lora-v1 has 30 % of the runs already; lora-v1 was given 30 % of the runs by ada at" in again
    assert "with 5 % of the runs" in output(*words, "5", "--reason", "a demo", db=story.path)
    output("rollouts", "promote", "lora-v1", "--reason", "good", db=story.path)
    assert "lora-v1 is promoted already" in refused(*words, "30", "--reason", "late", db=story.path)
    holds(story)
