"""Whether imported sessions count: not unless a setting says so, and then as ratings and runs of the bare base alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from command_line import call, document, lines, output
from logged_sessions import write_lines

from grokputer.runners.archive.replay import replay
from grokputer.runners.improvement.decisions import decide_again
from grokputer.runners.store.ledger import Ledger
from story import Story


@pytest.fixture
def db(tmp_path: Path) -> Path:
    path = Ledger.create(tmp_path / "events.db").path
    output("settings", "set", "rating.rule", "threshold", db=path)
    return path


def give(db: Path, count: int, stars: int | None, **more: Any) -> None:
    """Import so many sessions with these stars."""
    file = db.parent / "given.jsonl"
    of = {} if stars is None else {"user_rating": stars}
    output(
        "runs",
        "import",
        write_lines(file, *({"task": f"task {it} {stars}", **of, **more} for it in range(count))),
        db=db,
    )


def action(db: Path) -> dict[str, Any]:
    """Role action, as the status has it."""
    found = document("status", db=db)["roles"][0]
    assert found["role"] == "action"
    return dict(found)


def test_imported_sessions_do_not_count_by_default_and_status_says_why(db: Path) -> None:
    give(db, 20, 2)
    give(db, 5, None)
    found = action(db)
    assert (found["runs"], found["window"]["count"], found["imported"]["counts"]) == (0, 0, False)
    [line] = [it for it in output("status", db=db).splitlines() if "imported" in it]
    assert line.startswith("25 imported sessions of role action do not count: action.sessions.count is false")
    assert "; 5 have no rating; none has steps; none is corrected" in line
    assert not lines(db, "--event", "RatingThresholdBreached")


@pytest.mark.parametrize("is_set_first", [True, False])
def test_where_the_setting_says_so_they_are_ratings_and_runs_of_the_base(db: Path, is_set_first: bool) -> None:
    if is_set_first:
        output("settings", "set", "sessions.count", "true", db=db)
    give(db, 8, 4, iterations=["done"], success=True)
    if not is_set_first:
        output("settings", "set", "sessions.count", "true", db=db)
    found = action(db)
    assert (found["runs"], found["success"]) == (8, 1.0)
    assert (found["window"]["count"], found["window"]["mean"]) == (8, 4.0)
    assert "8 imported sessions of role action count for the base: none is corrected" in output("status", db=db)
    output("settings", "set", "sessions.count", "false", db=db)
    assert (action(db)["runs"], action(db)["window"]["count"]) == (0, 0)


def test_a_role_may_count_its_own_alone(db: Path) -> None:
    output("settings", "set", "ocr.sessions.count", "true", db=db)
    give(db, 3, 4)
    assert action(db)["window"]["count"] == 0


def test_low_ratings_that_count_lead_to_a_breach_that_can_be_explained_and_decided_again(db: Path) -> None:
    output("settings", "set", "sessions.count", "true", db=db)
    give(db, 10, 2)
    [breach] = lines(db, "--event", "RatingThresholdBreached")
    assert (breach["data"]["adapter"], breach["data"]["mean"], breach["data"]["count"]) == (None, 2.0, 10)
    ledger = Ledger.open(db)
    assert replay(ledger).is_equal
    decisions = list(decide_again(ledger))
    assert "RatingThresholdBreached" in {it.kind for it in decisions}
    assert not [it for it in decisions if it.difference]


def test_the_sequential_rule_counts_them_too(db: Path) -> None:
    output("settings", "set", "rating.rule", "sequential", db=db)
    give(db, 40, 1)
    assert not action(db)["window"]["is_breach"]
    output("settings", "set", "sessions.count", "true", db=db)
    assert action(db)["window"]["is_breach"]


def test_imported_sessions_count_with_ratings_of_the_base_and_never_for_an_adapter(tmp_path: Path) -> None:
    story = Story(tmp_path / "events.db")
    story.set("sessions.count", True)
    story.set("rating.window", 3)
    story.rate(story.run(), 5)
    story.rate(story.run(), 5)
    give(story.path, 2, 4)
    assert action(story.path)["window"]["mean"] == 4.3333
    story.rate(story.run(), 5)
    assert action(story.path)["window"]["mean"] == 4.3333
    rollout = story.prove(story.train(story.ask()))
    story.assess(rollout, "promote")
    give(story.path, 5, 1)
    assert (action(story.path)["live"], action(story.path)["window"]["count"]) == ("lora-v1", 0)
    said = output("status", db=story.path)
    assert "7 imported sessions of role action do not count: lora-v1 is live, and they count for the base alone" in said


def test_the_lineage_of_an_adapter_names_the_imported_ratings_that_it_began_with(tmp_path: Path) -> None:
    story = Story(tmp_path / "events.db")
    story.set("sessions.count", True)
    for stars in (4, 4):
        story.rate(story.run(), stars)
    give(story.path, 8, 2)
    story.prove(story.train(story.training()))
    said = output("why", "lora-v1", "--ratings", db=story.path)
    assert "10 ratings, mean 2.40" in said
    page = tmp_path / "why.html"
    call("why", "lora-v1", "--html", page, db=story.path)
    assert page.exists()
