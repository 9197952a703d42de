"""The difference between two moments: all that changed, and nothing that did not."""

from __future__ import annotations

from pathlib import Path

from command_line import document, output, refused

from grokputer.projections.explain.diff import compare
from grokputer.projections.state.state import State
from grokputer.runners.store.states import load_state
from story import Story


def test_a_promotion_shows_in_what_is_live_and_in_the_adapters_status(tmp_path: Path) -> None:
    story = Story(tmp_path / "events.db")
    training = story.fall()
    before = story.ledger.position
    rollout = story.prove(story.train(training))
    story.assess(rollout, "promote")
    found = {
        it.what: (it.before, it.after) for it in compare(load_state(story.ledger, before), load_state(story.ledger))
    }
    assert found["role action, live"] == (None, "lora-v1")
    assert found["adapter lora-v1, status"] == (None, "live")
    assert found["role action, cycle in flight"] == (True, False)
    assert found[f"training {training.hex[:8]}, status"] == ("requested", "completed")
    assert not any(what.startswith("setting") for what in found)
    assert "runs of base as action (stable), runs" not in found


def test_a_moment_does_not_differ_from_itself_and_the_two_orders_say_the_same(tmp_path: Path) -> None:
    story = Story(tmp_path / "events.db")
    story.set("rating.window", 30)
    story.rate(story.run(), 5)
    end = story.ledger.position
    assert list(compare(load_state(story.ledger), load_state(story.ledger))) == []
    assert document("diff", 2, end, db=story.path) == document("diff", end, 2, db=story.path)
    shown = document("diff", 2, end, db=story.path)
    assert sum(shown["events"].values()) == end - 2
    assert {"what": "setting rating.window", "before": None, "after": 30} in shown["changes"]
    assert "setting rating.window" in output("diff", 2, end, db=story.path)


def test_all_of_a_log_differs_from_nothing(tmp_path: Path) -> None:
    story = Story(tmp_path / "events.db")
    story.promote()
    kinds = {it.what.split()[0] for it in compare(State(), load_state(story.ledger))}
    assert [
        it.what.split(",")[0] for it in compare(State(), load_state(story.ledger)) if it.what.startswith("alert")
    ] == [f"alert at {alert.position}" for alert in load_state(story.ledger).alerts]
    assert kinds == {"setting", "role", "rollout", "adapter", "training", "ratings", "runs", "alert"}


def test_an_unknown_position_and_an_unreadable_time_are_refused(tmp_path: Path) -> None:
    story = Story(tmp_path / "events.db")
    assert "no event at position 99" in refused("diff", 1, 99, db=story.path)
    assert "neither a position nor a time" in refused("diff", "yesterday", 1, db=story.path)
