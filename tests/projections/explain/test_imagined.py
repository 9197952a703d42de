"""What-if: the recorded history under other settings, beside what did happen, and nothing written."""

from __future__ import annotations

from typing import Any

import pytest
from command_line import document, output, refused
from stores import BOTH, place_in

from grokputer.domain.events import AdapterPromoted
from story import Story


@pytest.fixture(scope="module", params=BOTH)
def story(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Ten low ratings, a breach, a canary on half of the runs, forty good runs, and its promotion by the plain rule."""
    story = Story(place_in(request.param, tmp_path_factory.mktemp("what if")))
    story.set("canary.weight_percent", 50)
    rollout = story.prove(story.train(story.fall()))
    for _ in range(60):
        story.rate(story.run(), 5)
    story.assess(rollout, "promote")
    return story


def moments(story: Story, *arguments: str) -> list[tuple[str, bool]]:
    found = document("what-if", *arguments, db=story.place)
    return [(it["kind"], it["is_recorded"]) for it in found["moments"]]


def test_the_settings_in_force_lead_to_what_was_recorded(story: Story) -> None:
    assert sorted(moments(story)[:2]) == [("breach", False), ("breach", True)]


@pytest.mark.parametrize("key", ["canary.randomization_unit", "routing.unit"])
def test_another_unit_of_randomization_leaves_all_as_it_was_recorded(story: Story, key: str) -> None:
    """Who was drawn is in the record; both names of the setting mean the same."""
    assert moments(story, "--set", f"{key}=run") == moments(story)


def test_a_lower_threshold_would_not_have_breached(story: Story) -> None:
    assert ("breach", False) not in moments(story, "--threshold", "1.5")


def test_a_smaller_minimum_would_have_breached_sooner(story: Story) -> None:
    found: list[dict[str, Any]] = document("what-if", "--minimum", "5", db=story.place)["moments"]
    [recorded, *_] = [it["position"] for it in found if it["kind"] == "breach" and it["is_recorded"]]
    [imagined, *_] = [it["position"] for it in found if it["kind"] == "breach" and not it["is_recorded"]]
    assert imagined < recorded


def test_evidence_would_have_promoted_before_the_person_did(story: Story) -> None:
    arguments: tuple[str, ...] = ("--set", "canary.rule=sequential", "--set", "canary.promote_at=3")
    arguments += ("--set", "canary.success_margin=0.2", "--set", "canary.bake_s=0")
    found = document("what-if", *arguments, db=story.place)["moments"]
    [imagined] = [it for it in found if it["kind"] == "promote" and not it["is_recorded"]]
    [promoted] = story.ledger.read(1, None, (AdapterPromoted.TOPIC,))
    assert imagined["position"] < promoted.position
    assert "evidence for no worse than 20 points" in imagined["message"]


def test_a_canary_that_evidence_would_not_have_decided_is_told_with_what_it_lacked(story: Story) -> None:
    found = document("what-if", "--rule", "sequential", "--set", "canary.promote_at=1e9", db=story.place)["moments"]
    [undecided] = [it for it in found if it["kind"] == "undecided"]
    assert undecided["message"].startswith("evidence: ")


def stored(story: Story) -> list[Any]:
    """All events, texts and views; of a file its bytes."""
    if story.ledger.database.file is not None:
        return [story.path.read_bytes()]
    tables = ("stored_events", "content", "moments", "checkpoints", "runs", "ratings")
    with story.ledger.reading() as rows:
        return [rows.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall() for table in tables]


def test_nothing_is_written(story: Story) -> None:
    before = stored(story)
    assert "imagined" in output("what-if", "--rule", "threshold", "--window", "30", db=story.place)
    assert stored(story) == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--rule", "guess"), ("'guess'", "sequential, threshold, relative")),
        (("--set", "canary.promote_at"), ("'canary.promote_at'", "key=value")),
        (("--threshold", "9"), ("rating.threshold", "from 1 to 5")),
        (("--set", "no.such=1"), ("no.such", "is not a setting")),
    ],
)
def test_what_cannot_be_imagined_is_refused(story: Story, arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    said = refused("what-if", *arguments, db=story.place)
    assert all(word in said for word in words)
