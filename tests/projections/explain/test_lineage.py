"""Why an adapter is what it is: the tree of recorded causes, from the ratings to the decision."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from grokputer.domain.aggregates.adapter import Adapter
from grokputer.domain.aggregates.rollout import Rollout
from grokputer.projections.explain.lineage import trace
from grokputer.projections.explain.tree import Node
from grokputer.runners.improvement.process_manager import process_new_events
from story import Story


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path / "events.db")


def nodes(roots: list[Node]) -> Iterator[Node]:
    for node in roots:
        yield node
        yield from nodes(node.children)


def path_to(roots: list[Node], kind: str) -> list[str]:
    """The kinds from a root down to the first node of this kind."""
    for node in roots:
        if node.kind == kind:
            return [node.kind]
        below = path_to(node.children, kind)
        if below:
            return [node.kind, *below]
    return []


def find(roots: list[Node], kind: str) -> Node:
    return next(node for node in nodes(roots) if node.kind == kind)


def tree(story: Story, adapter: UUID) -> list[Node]:
    return trace(story.ledger, adapter)


def test_the_promotion_hangs_from_the_ratings_by_the_recorded_causes(story: Story) -> None:
    roots = tree(story, story.promote())
    assert path_to(roots, "AdapterPromoted") == [
        "Ratings",
        "RatingThresholdBreached",
        "TrainingRequested",
        "TrainingCompleted",
        "AdapterRegistered",
        "HeldOutJudged",
        "RolloutStarted",
        "AdapterPromoted",
    ]
    assert path_to(roots, "CycleClosed")[-2:] == ["AdapterPromoted", "CycleClosed"]


def test_the_events_of_a_training_and_of_a_rollout_are_children_of_its_first_event(story: Story) -> None:
    roots = tree(story, story.promote())
    job = [child.kind for child in find(roots, "TrainingRequested").children]
    assert job == ["DatasetBuilt", "TrainingStarted", "TrainingProgressed", "TrainingCompleted"]
    rollout = [child.kind for child in find(roots, "RolloutStarted").children]
    assert rollout == ["CanaryAssessed", "CanaryAssessed", "CanaryWeightSet", "AdapterPromoted"]


def test_the_causes_lead_from_the_promotion_back_to_the_last_rating(story: Story) -> None:
    roots = tree(story, story.promote())
    by_position = {node.position: node for node in nodes(roots) if node.kind not in ("Ratings", "Source", "HeldOut")}
    node, kinds = find(roots, "AdapterPromoted"), []
    while node.caused_by in by_position:
        node = by_position[node.caused_by]
        kinds.append(node.kind)
    assert kinds[0] == "CanaryAssessed"
    assert kinds[-2:] == ["RatingThresholdBreached", "TaskRated"]


def test_every_node_stands_where_the_log_has_it(story: Story) -> None:
    for node in nodes(tree(story, story.promote())):
        if node.kind not in ("Ratings", "Source", "HeldOut"):
            assert node.kind == story.ledger.at(node.position).event.TOPIC


def test_the_ratings_are_those_of_the_window_with_count_mean_and_raters(story: Story) -> None:
    ratings = tree(story, story.promote())[0]
    assert ratings.data["count"] == 10
    assert ratings.data["mean"] == 2.4  # eight of 2 and two of 4
    assert ratings.data["by_rater"] == {
        "ada (human)": {"count": 5, "mean": 2.4},
        "bob (human)": {"count": 5, "mean": 2.4},
    }
    rated = [child for child in ratings.children if child.kind == "TaskRated"]
    assert len(rated) == 10
    assert rated[0].position == ratings.data["first_position"]
    assert rated[-1].position == ratings.data["last_position"]


def test_a_rating_that_was_taken_back_is_not_in_the_window(story: Story) -> None:
    changed = story.run(succeeds=False)
    story.rate(changed, 5)
    story.rate(changed, 2)
    ratings = tree(story, story.train(story.fall(9)))[0]
    stars = [child.data["stars"] for child in ratings.children if child.kind == "TaskRated"]
    assert len(stars) == 10
    assert 5 not in stars
    assert ratings.data["mean"] == find([ratings], "RatingThresholdBreached").data["mean"]


def test_the_dataset_names_the_runs_it_came_from(story: Story) -> None:
    dataset = find(tree(story, story.promote()), "DatasetBuilt")
    sources = {child.data["source"]: child for child in dataset.children if child.kind == "Source"}
    assert sources["correction"].data["examples"] == 6
    assert [run["run"] for run in sources["correction"].data["runs"]] == [run.hex for run in story.runs[:6]]
    first = sources["correction"].data["runs"][0]
    assert story.ledger.at(first["position"]).event.originator_id == story.runs[0]
    assert f"{story.runs[0].hex[:8]} at {first['position']}" in sources["correction"].text


def test_the_cost_is_the_measured_one(story: Story) -> None:
    text = find(tree(story, story.promote()), "TrainingCompleted").text
    for figure in ("8 steps", "4000 tokens", "12.5 s", "1000 MB on cpu", "loss 0.2500"):
        assert figure in text


def test_a_training_that_was_interrupted_shows_each_attempt(story: Story) -> None:
    roots = tree(story, story.train(story.fall(), attempts=2))
    assert [node.data["attempt"] for node in nodes(roots) if node.kind == "TrainingStarted"] == [1, 2]


def test_a_rejected_adapter_ends_with_its_reason(story: Story) -> None:
    adapter = story.train(story.fall())
    story.prove(adapter, matches=False)
    roots = tree(story, adapter)
    assert path_to(roots, "CycleClosed")[-3:] == ["AdapterRegistered", "AdapterRejected", "CycleClosed"]
    said = find(roots, "AdapterRejected").text
    assert "not those its trainer recorded: it changes the logits by 1.5 (rms) and is 0.01 from its trainer's" in said


def test_the_gate_shows_its_numbers_and_where_its_runs_stand(story: Story) -> None:
    judged = find(tree(story, story.promote()), "HeldOutJudged")
    assert "14 of 22 held-out failures now succeed against 1 of 22" in judged.text
    [held_out] = judged.children[:1]
    assert held_out.data["runs"][0]["position"] == story.ledger.position_of(f"{story.runs[0]}/1")
    assert held_out.text.startswith("held-out failures: 1 instance done again by both, from ")


def test_an_adapter_refused_at_the_gate_ends_with_its_numbers(story: Story) -> None:
    adapter = story.train(story.fall())
    numbers = {"prompts": 4, "effect": 1.5, "error": 0.01, "rounding": 0.008, "max_difference": 0.02}
    context = story.ledger.context("grokputer", f"{adapter}/1")
    story.ledger.write(Adapter, adapter, lambda it: it.evaluate(True, True, numbers, context))
    story.judge(adapter, 1)
    roots = tree(story, adapter)
    assert path_to(roots, "CycleClosed")[-3:] == ["AdapterRegistered", "AdapterRejected", "CycleClosed"]
    rejected = find(roots, "AdapterRejected")
    assert rejected.data["numbers"]["failed"]["runs"] == {"instances": 22, "adapter": 1, "parent": 1, "fresh": 0}
    assert "no gain: 1 of 22 held-out failures now succeed against 1 of 22" in rejected.text


def test_an_adapter_rolled_back_ends_with_alert_and_closed_cycle(story: Story) -> None:
    adapter = story.train(story.fall())
    story.assess(story.prove(adapter), "roll back", "success")
    roots = tree(story, adapter)
    assert path_to(roots, "AlertRaised")[-2:] == ["RatingThresholdBreached", "AlertRaised"]
    [alert, closed] = find(roots, "AdapterRolledBack").children
    assert (alert.kind, closed.kind) == ("AlertRaised", "CycleClosed")
    assert "alert (critical), canary failed: lora-v1 was rolled back" in alert.text
    assert path_to(roots, "CycleClosed")[-2:] == ["AdapterRolledBack", "CycleClosed"]
    assert "rolled back, to the base: the numbers say roll back" in find(roots, "AdapterRolledBack").text


def test_a_training_asked_for_by_a_person_begins_with_that_person(story: Story) -> None:
    story.run()
    adapter = story.train(story.ask("forty corrections"))
    [root] = tree(story, adapter)
    assert root.kind == "CycleOpened"
    assert root.actor == "ada"
    assert "forty corrections" in root.text


def test_a_decision_by_hand_names_the_person_and_the_reason(story: Story) -> None:
    adapter = story.train(story.fall())
    rollout = story.prove(adapter)
    context = story.ledger.context("eve", f"{rollout}/1")
    story.ledger.write(Rollout, rollout, lambda it: it.promote("looked at it myself", context))
    process_new_events(story.ledger)
    promoted = find(tree(story, adapter), "AdapterPromoted")
    assert promoted.actor == "eve"
    assert "promoted by eve" in promoted.text
    assert "looked at it myself" in promoted.text


def test_an_adapter_that_was_replaced_says_by_which(story: Story) -> None:
    first = story.promote()
    second = story.train(story.ask())
    story.assess(story.prove(second), "promote")
    [*_, last] = tree(story, first)
    assert last.text == "replaced by lora-v2"
    assert story.ledger.at(last.position).event.TOPIC == "AdapterPromoted"


def test_the_tree_as_json_is_plain_and_whole(story: Story) -> None:
    [root] = tree(story, story.promote())
    document = root.to_json()
    assert document["children"][-1]["kind"] == "RatingThresholdBreached"
    assert document["data"]["count"] == 10
