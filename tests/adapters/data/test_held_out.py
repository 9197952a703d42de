"""The held-out split: by task instance, the same for ever, and never crossed."""

from __future__ import annotations

import pytest
from past import Past

from grokputer.adapters.data.dataset import Dataset, is_held_out
from grokputer.adapters.data.held_out import EARLY_INSTANCES, FIRST_INSTANCES

SHARE = 0.3


@pytest.fixture
def story() -> Past:
    """One whose role has met its first instances, which are never held out, and their lessons."""
    story = Past()
    for seed in range(FIRST_INSTANCES):
        story.run("warm-up", seed=seed, stars=5)
    return story


def seeds(task: str, is_out: bool, count: int) -> list[int]:
    """The first seeds whose instances fall under the share, or do not."""
    return [seed for seed in range(1000) if is_held_out(f"miniwob/{task}#{seed}", SHARE) == is_out][:count]


def built(story: Past) -> Dataset:
    return story.dataset(replay_share=0.5, held_out_share=SHARE)


def test_about_the_share_is_held_out_and_a_larger_share_holds_out_the_same_and_more() -> None:
    instances = [f"miniwob/click-color#{seed}" for seed in range(1000)]
    few = {it for it in instances if is_held_out(it, 0.15)}
    more = {it for it in instances if is_held_out(it, 0.3)}
    assert few < more
    assert 120 < len(few) < 180
    assert not any(is_held_out(it, 0.0) for it in instances)


def test_a_held_out_run_gives_neither_lesson_nor_replay(story: Past) -> None:
    out, kept = seeds("t", True, 2), seeds("t", False, 2)
    story.run("t", seed=out[0], fails=True, stars=1, corrected=["CLICK held out"])
    story.run("t", seed=kept[0], fails=True, stars=1, corrected=["CLICK lesson"] * 1)
    worked = story.run("t", seed=out[1], stars=5)
    dataset = built(story)
    assert [e.completion for e in dataset.examples if e.source == "correction"] == ["CLICK lesson"]
    assert worked.hex not in {e.run_id for e in dataset.examples}
    assert {(it.seed, it.outcome) for it in dataset.held_out} == {(out[0], "failed"), (out[1], "worked")}


def test_a_held_out_run_knows_its_right_answers(story: Past) -> None:
    failed, worked = seeds("t", True, 2)
    story.run("t", seed=failed, fails=True, stars=1, corrected=["CLICK right"])
    story.run("t", seed=worked, steps=2)
    answers = {it.outcome: [e.completion for e in it.examples] for it in built(story).held_out}
    assert answers == {"failed": ["CLICK right"], "worked": ["CLICK 0", "CLICK 1"]}


def test_a_page_with_other_pictures_is_another_instance_and_knows_its_pictures(story: Past) -> None:
    for number in range(20):
        story.run("t", seed=1, inputs=(story.put(f"picture {number}"),), stars=5)
    story.run("t", seed=seeds("t", True, 1)[0], stars=5)
    out = built(story).held_out
    pictures = [it.inputs for it in out if it.inputs]
    assert 1 < len(pictures) < 20 and len(set(pictures)) == len(pictures)
    assert [it.inputs for it in out if it.seed != 1] == [()]


def test_every_run_of_an_instance_is_on_the_same_side(story: Past) -> None:
    [seed] = seeds("t", True, 1)
    for stars in (1, 2):
        story.run("t", seed=seed, fails=True, stars=stars, corrected=["CLICK a"])
    dataset = built(story)
    assert [e for e in dataset.examples if e.source == "correction"] == []
    assert len(dataset.held_out) == 1


def test_the_first_instances_of_a_role_are_all_learnt_from() -> None:
    story = Past()
    for seed in seeds("t", True, FIRST_INSTANCES):
        story.run("t", seed=seed, fails=True, stars=1, corrected=[f"CLICK {seed}"])
    dataset = built(story)
    assert (dataset.lessons, len(dataset.held_out)) == (FIRST_INSTANCES, 0)


def test_nothing_crosses_from_one_side_to_the_other_as_the_log_grows() -> None:
    story = Past()
    trained: set[str] = set()
    out: set[str] = set()
    for number in range(60):
        story.run(
            "t", seed=number % 40, fails=number % 3 > 0, stars=1 if number % 3 else 5, corrected=["A"] * (number % 3)
        )
        dataset = built(story)
        trained |= {e.instance for e in dataset.examples}
        out |= {it.instance for it in dataset.held_out}
        assert not trained & out
    assert out


def test_held_out_runs_are_newest_first_and_take_turns_over_tasks(story: Past) -> None:
    often, seldom = seeds("often", True, 4), seeds("seldom", True, 2)
    for seed in often:
        story.run("often", seed=seed)
    for seed in seldom:
        story.run("seldom", seed=seed)
    order = [(it.task, it.seed) for it in built(story).held_out]
    assert order[:4] == [("seldom", seldom[1]), ("often", often[3]), ("seldom", seldom[0]), ("often", often[2])]
    assert order[4:] == [("often", often[1]), ("often", often[0])]


def test_an_instance_is_held_out_once_as_it_went_last(story: Past) -> None:
    [seed] = seeds("t", True, 1)
    story.run("t", seed=seed, fails=True)
    story.run("t", seed=seed)
    [it] = built(story).held_out
    assert it.outcome == "worked"


def test_a_run_pinned_by_hand_or_lost_to_a_fault_judges_nothing(story: Past) -> None:
    first, second = seeds("t", True, 2)
    story.run("t", seed=first, arm="pinned")
    story.run("t", seed=second, fails=True, reason="environment")
    assert built(story).held_out == []


def test_a_question_asked_again_in_the_same_words_is_the_same_instance() -> None:
    story = Past()
    for key in ("sha256:q1", "sha256:q2"):
        story.content[key] = (
            "What is  the capital of France?" if key.endswith("1") else "What is the capital of France?"
        )
        story.run(key, environment="chat", stars=1, corrected=[f"Paris {key}"], steps=1)
    assert {e.instance for e in story.dataset().examples} == {"chat#sha256:q1"}


def test_an_answer_in_words_is_as_good_as_its_rating(story: Past) -> None:
    keys = [f"sha256:{n}" for n in range(1000) if is_held_out(f"chat#sha256:{n}", SHARE)][:4]
    for key, stars in zip(keys, (1, 5, 3, None), strict=True):
        story.content[key] = key
        story.run(key, environment="chat", stars=stars, steps=1)
    dataset = story.dataset(held_out_share=SHARE)
    assert {(it.task, it.outcome) for it in dataset.held_out} == {
        (keys[0], "failed"),
        (keys[1], "worked"),
        (keys[2], "failed"),
    }


def ask(story: Past, count: int) -> None:
    """So many further questions, each answered wrongly and corrected."""
    for _ in range(count):
        key = story.put(f"question {len(story.content)}")
        story.run(key, environment="chat", stars=1, corrected=["right"], steps=1)


def held_out_questions(story: Past, early: float) -> set[str]:
    held_out = story.dataset(held_out_share=0.15, held_out_early=early).held_out
    return {held.instance for held in held_out}


def test_of_the_first_questions_more_are_held_out_than_of_those_that_follow(story: Past) -> None:
    ask(story, EARLY_INSTANCES)
    plain, early = held_out_questions(story, 0.0), held_out_questions(story, 1 / 3)
    assert plain < early
    assert len(early) >= 10  # what a gate needs
    ask(story, 100)
    assert held_out_questions(story, 1 / 3) - early == held_out_questions(story, 0.0) - plain


def test_of_tasks_that_can_be_played_again_no_more_are_held_out() -> None:
    story = Past()
    for seed in range(FIRST_INSTANCES + EARLY_INSTANCES):
        story.run("t", seed=seed, fails=True, stars=1, corrected=["CLICK a"])
    assert held_out_questions(story, 1 / 3) == held_out_questions(story, 0.0)


def test_questions_of_a_training_without_an_early_share_keep_their_sides(story: Past) -> None:
    ask(story, 15)
    before = held_out_questions(story, 0.0)
    story.request_training(held_out_share=0.15)
    assert held_out_questions(story, 1 / 3) == before
    ask(story, 25)
    after = held_out_questions(story, 1 / 3)
    assert before < after
    story.request_training(held_out_share=0.15, held_out_early=1 / 3)
    assert held_out_questions(story, 1 / 3) == after


def test_without_a_share_nothing_is_held_out_early_either(story: Past) -> None:
    ask(story, EARLY_INSTANCES)
    assert story.dataset(held_out_share=0.0, held_out_early=1 / 3).held_out == []


def test_a_gate_lacks_failures_while_few_questions_are_held_out(story: Past) -> None:
    assert story.dataset(held_out_share=SHARE).missing_for_gate(10) == 10
    ask(story, 20)
    dataset = story.dataset(held_out_share=SHARE)
    assert dataset.missing_for_gate(10) == 10 - len(dataset.held_out)
    story.run("t", seed=seeds("t", True, 1)[0], fails=True)
    assert story.dataset(held_out_share=SHARE).missing_for_gate(10) == 0
