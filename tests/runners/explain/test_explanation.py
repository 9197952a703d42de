"""Why a run got its adapter, a setting its value, a rollout its end: from a real log, by the name that a person types."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from grokputer.domain.aggregates.rollout import Rollout
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.errors import Hint, NotFound
from grokputer.domain.events import Assignment, TaskStarted
from grokputer.domain.rules.routing import Route, arm_of, draw
from grokputer.projections.explain.tree import Node, walk
from grokputer.runners.explain.explanation import Explanation, explain
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.store.states import load_state
from story import Story


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path / "events.db")


def why(story: Story, name: object) -> Explanation:
    return explain(story.ledger, load_state(story.ledger), str(name))


def kinds(nodes: list[Node]) -> list[str]:
    return [node.kind for node in nodes]


def draws(explained: Explanation) -> list[Node]:
    return [node for node in walk(explained.roots) if node.kind == "Draw"]


def start_of(story: Story, run: UUID) -> TaskStarted:
    event = story.ledger.history(run)[0].event
    assert isinstance(event, TaskStarted)
    return event


def runs_on(story: Story, arm: str, **given: Any) -> Iterator[UUID]:
    """New runs until the draw has sent some to the arm."""
    for _ in range(200):
        run = story.run(**given)
        if start_of(story, run).arm == arm:
            yield run


# --- runs ---


def test_a_run_before_any_adapter_went_to_the_base_because_there_was_nothing_else(story: Story) -> None:
    explained = why(story, story.run().hex)
    [own] = draws(explained)
    assert own.text == "role action: no rollout was under way, so all runs went to the base"
    assert own.children == []
    assert explained.about["arm"] == "stable"


def test_a_canarys_run_shows_its_draw_the_share_and_how_the_canary_came_about(story: Story) -> None:
    adapter = story.train(story.fall())
    rollout = story.prove(adapter)
    run = next(runs_on(story, "canary"))
    [own] = draws(why(story, run.hex[:12]))
    assert own.data["drawn"] == draw(rollout.hex, run.hex)
    assert own.data["drawn"] * 100 < own.data["share_percent"] == 15
    assert f"is {own.data['drawn']:.4f}, under the canary's share of 0.15: canary arm, lora-v1" in own.text
    way, started = own.children
    assert kinds(way.children) == [
        "RatingThresholdBreached", "TrainingRequested", "TrainingCompleted", "AdapterRegistered", "AdapterEvaluated",
        "HeldOutJudged",
    ]  # fmt: skip
    assert started.kind == "RolloutStarted"


def test_a_stable_run_beside_a_canary_was_drawn_over_its_share(story: Story) -> None:
    story.prove(story.train(story.fall()))
    [own] = draws(why(story, next(runs_on(story, "stable")).hex))
    assert own.data["drawn"] * 100 >= own.data["share_percent"]
    assert "not under the canary's share of 0.15: stable arm, the base" in own.text


def test_the_share_is_the_one_in_force_when_the_run_began(story: Story) -> None:
    rollout = story.prove(story.train(story.fall()))
    context = story.ledger.context("ada")
    story.ledger.write(Rollout, rollout, lambda it: it.weigh(60, context))
    process_new_events(story.ledger)
    run = story.run()
    story.ledger.write(Rollout, rollout, lambda it: it.weigh(90, context))
    process_new_events(story.ledger)
    [own] = draws(why(story, run.hex))
    assert own.data["share_percent"] == 60
    assert start_of(story, run).arm == arm_of(own.data["drawn"], 60)
    assert "share set from 15 to 60 %" in [node.text for node in own.children]
    assert "90" not in " ".join(node.text for node in own.children)


def test_a_run_after_the_promotion_names_when_its_adapter_went_live(story: Story) -> None:
    story.promote()
    run = story.run()
    [own] = draws(why(story, run.hex))
    assert own.text == "role action: no rollout was under way, so all runs went to lora-v1"
    way, live = own.children
    assert "how lora-v1 came about" in way.text
    assert live.kind == "AdapterPromoted"


def test_a_run_after_a_roll_back_is_explained_by_the_roll_back(story: Story) -> None:
    rollout_id = story.prove(story.train(story.fall()))
    story.assess(rollout_id, "promote")
    context = story.ledger.context("eve")
    story.ledger.write(Rollout, rollout_id, lambda it: it.roll_back("it clicks Cancel", context, is_live=True))
    process_new_events(story.ledger)
    [own] = draws(why(story, story.run().hex))
    assert own.data["adapter"] is None
    assert ["it clicks Cancel" in child.text for child in own.children] == [True]


def test_a_run_that_was_drawn_just_before_a_promotion_is_explained_by_what_was_live_then(story: Story) -> None:
    story.promote()
    rollout = story.prove(story.train(story.ask()))
    story.assess(rollout, "promote")
    run, context = UUID(int=8), story.ledger.context("ada")
    story.ledger.write(
        TaskRun,
        run,
        lambda it: it.start(
            context, role="action", arm="stable", adapter="lora-v1", rollout=rollout.hex, environment="miniwob",
            task="click-link", seed=1, base="embedded@sha256:00", session=None, policy={"canary_weight_percent": 15},
        ),
    )  # fmt: skip
    [own] = draws(why(story, run.hex))
    assert (own.data["share_percent"], own.data["canary"]) == (15, "lora-v2")
    started, way, live = own.children
    assert started.kind == "RolloutStarted"
    assert "how lora-v1 came about" in way.text
    assert (live.kind, live.data["adapter"]) == ("AdapterPromoted", "lora-v1")


def test_a_session_is_named_where_its_runs_are_drawn_one_by_one(story: Story) -> None:
    story.set("canary.randomization_unit", "run")
    rollout = story.prove(story.train(story.fall()))
    run = story.run(session="talk")
    [own] = draws(why(story, run.hex))
    assert own.data["drawn"] == draw(rollout.hex, run.hex)
    assert f"the hash of run {run.hex[:8]}, by itself though part of session talk, in the rollout is" in own.text


def test_a_session_that_stays_is_explained_by_its_first_run(story: Story) -> None:
    story.set("canary.randomization_unit", "session")
    rollout = story.prove(story.train(story.fall()))
    first, second = story.run(session="talk"), story.run(session="talk")
    drawn, kept = draws(why(story, first.hex))[0], draws(why(story, second.hex))[0]
    assert drawn.data["drawn"] == kept.data["drawn"] == draw(rollout.hex, "talk")
    assert drawn.data["follows"] is None
    assert "the hash of session talk in the rollout" in drawn.text
    assert kept.data["follows"] == story.ledger.position_of(f"{first}/1")
    assert f"session talk stays on the arm that its run at {kept.data['follows']} was drawn for" in kept.text


def test_each_role_of_a_run_has_a_draw_of_its_own(story: Story) -> None:
    story.run()
    story.run()
    rollout = story.prove(story.train(story.ask(role="recovery")))
    run, context = UUID(int=7), story.ledger.context("ada")
    arm = arm_of(draw(rollout.hex, run.hex), 15)
    other: Assignment = {
        "role": "recovery",
        "arm": arm,
        "adapter": "lora-v1" if arm == "canary" else None,
        "rollout": rollout.hex,
    }
    story.ledger.write(
        TaskRun,
        run,
        lambda it: it.start(
            context, role="action", arm="stable", adapter=None, rollout=None, others=[other], environment="miniwob",
            task="click-link", seed=1, base="embedded@sha256:00", session=None,
            policy={"canary_weight_percent": 0, "recovery.canary_weight_percent": 15},
        ),
    )  # fmt: skip
    own, recovery = draws(why(story, run.hex))
    assert own.text == "role action: no rollout was under way, so all runs went to the base"
    assert (recovery.data["share_percent"], recovery.data["is_drawn_so"]) == (15, True)
    assert recovery.text.startswith("role recovery: the hash of run ")


def test_a_run_may_be_named_by_its_id_as_other_programs_write_it(story: Story) -> None:
    run = story.run()
    assert why(story, str(run).upper()).about["run"] == run.hex


def test_a_pinned_run_names_who_pinned_it(story: Story) -> None:
    story.promote()
    run, context, pin = UUID(int=5), story.ledger.context("eve"), Route("pinned", "lora-v1", None)
    story.ledger.write(
        TaskRun,
        run,
        lambda it: it.start(
            context, role="action", arm=pin.arm, adapter=pin.adapter, rollout=None, environment="miniwob",
            task="click-link", seed=1, base="embedded@sha256:00", session="gate/lora-v1", policy={},
        ),
    )  # fmt: skip
    [own] = draws(why(story, run.hex))
    assert own.text == "role action: pinned to lora-v1 by eve, in session gate/lora-v1; no draw was made"
    assert own.children[0].kind == "Path"


def test_a_draw_that_says_otherwise_than_the_record_is_told(story: Story) -> None:
    rollout = story.prove(story.train(story.fall()))
    run, context = UUID(int=6), story.ledger.context("ada")
    drawn = arm_of(draw(rollout.hex, run.hex), 15)
    other = "stable" if drawn == "canary" else "canary"
    story.ledger.write(
        TaskRun,
        run,
        lambda it: it.start(
            context, role="action", arm=other, adapter=None, rollout=rollout.hex, environment="miniwob", task="click-link",
            seed=1, base="embedded@sha256:00", session=None, policy={},
        ),
    )  # fmt: skip
    [own] = draws(why(story, run.hex))
    assert own.data["is_drawn_so"] is False
    assert "recorded is another arm" in own.text


# --- settings ---


def test_a_setting_tells_who_changed_it_from_what_to_what_why_and_for_how_long(story: Story) -> None:
    story.set("rating.threshold", 4.0, "stricter since the release")
    first = story.ledger.position
    story.run()
    story.set("rating.threshold", 3.5, "")
    explained = why(story, "rating.threshold")
    last = next(it.position for it in reversed(list(story.ledger.read(1, None, ("PolicyChanged",)))))
    assert [node.text for node in explained.roots] == [
        f"rating.threshold set from 3.8 to 4 by ada: stricter since the release; in force until {last}",
        "rating.threshold set from 4 to 3.5 by ada: no reason given; in force since",
    ]
    assert [node.data["until"] for node in explained.roots] == [last, None]
    assert explained.roots[0].position == first
    assert explained.about["value"] == 3.5
    assert explained.title.startswith("rating.threshold is 3.5; its default is 3.8 (")


def test_a_setting_of_one_role_is_told_with_the_one_for_all(story: Story) -> None:
    story.set("action.rating.threshold", 3.0)
    story.set("rating.threshold", 4.0)
    assert why(story, "action.rating.threshold").about["value"] == 3.0
    assert why(story, "recovery.rating.threshold").about["value"] == 4.0
    assert why(story, "rating.threshold").about["value"] == 4.0
    assert why(story, "action.rating.threshold").roots[1].text.endswith("in force since; role action kept its own 3")
    assert len(why(story, "recovery.rating.threshold").roots) == 1


def test_a_setting_that_was_never_changed_says_so(story: Story) -> None:
    explained = why(story, "canary.bake_s")
    assert explained.roots == []
    assert explained.title.endswith("it was never changed")
    rank = "training.r is 16, its default (source: operators' requirements); it was never changed"
    assert why(story, "training.r").title == rank


# --- rollouts and adapters ---


def test_a_rollout_tells_how_its_adapter_came_about_and_what_came_of_it(story: Story) -> None:
    rollout = story.prove(story.train(story.fall()))
    story.assess(rollout, "roll back", "success")
    explained = why(story, rollout.hex[:8])
    way, started = explained.roots
    assert kinds(way.children)[-1] == "HeldOutJudged"
    assert kinds(started.children) == ["CanaryAssessed", "CanaryWeightSet", "AdapterRolledBack"]
    assert explained.about["status"] == "rolled back"


def test_a_roll_back_by_hand_shows_how_the_canary_stood_just_then(story: Story) -> None:
    adapter = story.train(story.fall())
    rollout = story.prove(adapter)
    for _, run in zip(range(3), runs_on(story, "canary", succeeds=False), strict=False):
        story.rate(run, 1)
    context = story.ledger.context("eve")
    story.ledger.write(Rollout, rollout, lambda it: it.roll_back("seen enough", context))
    process_new_events(story.ledger)
    [back] = [node for node in walk(why(story, "lora-v1").roots) if node.kind == "AdapterRolledBack"]
    standing = back.children[0]
    assert standing.text == "the canary's verdict then: hold (few runs): 3 of the 10 canary runs needed"
    assert standing.data["canary"]["success"] == 0.0


def test_a_decision_of_the_rule_itself_needs_no_standing_beside_its_look(story: Story) -> None:
    story.promote()
    assert "Standing" not in kinds(list(walk(why(story, "lora-v1").roots)))


# --- names that are none ---


def test_an_unknown_name_is_refused_with_what_there_is_and_where_to_look(story: Story) -> None:
    with pytest.raises(NotFound, match=r"'lora-v7' is not an adapter \(none is registered yet\)"):
        why(story, "lora-v7")
    with pytest.raises(NotFound, match=r"not a setting \(close to it: rating\.threshold\)"):
        why(story, "ratng.threshold")
    with pytest.raises(NotFound, match="is not an adapter"):
        why(story, "action.model.revision")


def test_a_beginning_of_several_ids_is_refused_with_the_candidates(story: Story) -> None:
    for last in range(2):
        story.run(id=UUID(f"abcd0000-0000-4000-8000-00000000000{last}"))
    with pytest.raises(
        NotFound, match=r"more than one run, rollout or training begins with 'abcd': .*give more of the id"
    ):
        why(story, "abcd")


def test_a_training_is_explained_by_its_adapter_and_one_without_says_how_it_stands(story: Story) -> None:
    story.run()
    story.ask("many new corrections")
    training = story.training()
    with pytest.raises(NotFound, match=f"training {training.hex[:8]} is requested and has made no adapter") as refused:
        why(story, training.hex[:8])
    assert refused.value.hint is Hint.SEE_TRAININGS
    story.train(training)
    assert why(story, training.hex[:8]) == why(story, "lora-v1")
