"""The corrective dataset: what becomes a training target, and what never does."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from typing import Any

import pytest
from past import Past

from grokputer.adapters.data.dataset import Dataset, is_held_out
from grokputer.adapters.data.examples import Example


@pytest.fixture
def story() -> Past:
    return Past()


def completions(dataset: Dataset) -> list[str]:
    return sorted(example.completion for example in dataset.examples)


def test_a_low_star_alone_is_never_a_target(story: Past) -> None:
    story.run(fails=True, stars=1)
    assert completions(story.dataset()) == []


def test_a_correction_teaches_each_of_its_steps_and_names_its_run(story: Past) -> None:
    run = story.run(fails=True, stars=1, corrected=["TYPE a", "CLICK ok"])
    dataset = story.dataset()
    assert completions(dataset) == ["CLICK ok", "TYPE a"]
    assert {(e.run_id, e.step) for e in dataset.examples} == {(run.hex, 0), (run.hex, 1)}
    assert (dataset.runs, dataset.lessons, dict(dataset.by_source)) == (1, 2, {"correction": 2})


def test_a_correction_of_an_unrated_run_counts_and_of_a_well_rated_one_does_not(story: Past) -> None:
    story.run(fails=True, corrected=["CLICK unrated"])
    story.run(stars=5, corrected=["CLICK well rated"])
    assert completions(story.dataset()) == ["CLICK unrated"]


def test_a_verified_retry_is_a_source_of_its_own(story: Past) -> None:
    story.run(fails=True, stars=2, corrected=["CLICK again"], source="retry")
    assert dict(story.dataset().by_source) == {"retry": 1}


def test_good_runs_are_replayed_for_their_share_of_the_whole(story: Past) -> None:
    story.run(fails=True, stars=1, corrected=[f"CLICK {n}" for n in range(20)])
    for _ in range(30):
        story.run(stars=5)
    dataset = story.dataset(replay_share=1 / 3)
    assert dict(dataset.by_source) == {"correction": 20, "replay": 10}
    assert dataset.lessons == 20


def test_replay_is_drawn_from_every_task_alike(story: Past) -> None:
    story.run(fails=True, stars=1, corrected=[f"CLICK {n}" for n in range(12)])
    for _ in range(50):
        story.run("click-link", stars=5, steps=1)
    for _ in range(6):
        story.run("enter-text", stars=4, steps=1)
    replayed = [e for e in story.dataset(replay_share=0.5).examples if e.source == "replay"]
    tasks = [str(e.messages[0]["content"]).split()[0] for e in replayed]
    assert (tasks.count("click-link"), tasks.count("enter-text")) == (6, 6)


def test_neither_failures_nor_unrated_runs_nor_steps_that_went_wrong_are_replayed(story: Past) -> None:
    story.run(fails=True, stars=1, corrected=["CLICK right"] * 1)
    story.run(fails=True, stars=5)
    story.run(stars=3)
    story.run()
    story.run(stars=5, error="no element [9]")
    assert dict(story.dataset(replay_share=0.5).by_source) == {"correction": 1}


def test_a_failed_step_of_a_good_run_is_replayed_as_the_step_that_followed_it(
    story: Past,
) -> None:
    story.run(fails=True, stars=1, corrected=["CLICK right"])
    run = story.run(stars=5, steps=3, error="no element [9]", error_at=1)
    replayed = {it.step: it for it in story.dataset(replay_share=0.9).examples if it.source == "replay"}
    assert {number: it.completion for number, it in replayed.items()} == {0: "CLICK 1", 1: "CLICK 1", 2: "CLICK 2"}
    assert replayed[0].messages[0]["content"] == f"enter-text {run} step 0"


def test_a_last_step_that_could_not_be_carried_out_is_replayed_as_nothing(story: Past) -> None:
    story.run(fails=True, stars=1, corrected=["CLICK right"])
    story.run(stars=5, steps=2, error="no element [9]", error_at=2)
    replayed = [it.completion for it in story.dataset(replay_share=0.9).examples if it.source == "replay"]
    assert replayed == ["CLICK 0"]


def test_another_roles_runs_teach_nothing(story: Past) -> None:
    story.run(fails=True, stars=1, corrected=["CLICK other"], role="ocr")
    assert completions(story.dataset()) == []


def test_a_persons_correction_outranks_a_demonstration_of_the_same_run(story: Past) -> None:
    story.run(fails=True, stars=1, corrected=["CLICK human"])
    [corrected] = [event for event in story.events if event.TOPIC == "TaskCorrected"]
    rows = [{"messages": [{"role": "user", "content": "page"}], "completion": "CLICK script"}]
    later: dict[str, Any] = vars(corrected) | {"source": "reviewer", "correction": story.put(json.dumps(rows))}
    story.events.append(type(corrected)(**later))
    assert completions(story.dataset()) == ["CLICK human"]


def test_a_correction_that_its_environment_never_tried_teaches_nothing_and_displaces_none(story: Past) -> None:
    story.run(fails=True, stars=1, corrected=["CLICK tried"], source="retry")
    [corrected] = [event for event in story.events if event.TOPIC == "TaskCorrected"]
    rows = [{"messages": [{"role": "user", "content": "page"}], "completion": "CLICK claimed"}]
    claimed: dict[str, Any] = {"source": "human", "is_verified": False, "correction": story.put(json.dumps(rows))}
    story.events.append(type(corrected)(**vars(corrected) | claimed))
    assert completions(story.dataset()) == ["CLICK tried"]


def test_erased_content_leaves_its_examples_out(story: Past) -> None:
    story.run(fails=True, stars=1, corrected=["CLICK gone"])
    story.run(fails=True, stars=1, corrected=["CLICK kept"])
    first = next(vars(event)["correction"] for event in story.events if event.TOPIC == "TaskCorrected")
    del story.content[first]
    assert completions(story.dataset()) == ["CLICK kept"]


def test_the_same_log_and_seed_give_the_same_bytes(story: Past) -> None:
    story.run(fails=True, stars=1, corrected=["CLICK a", "CLICK b", "CLICK c"])
    for _ in range(5):
        story.run(stars=5)
    one, two, other = story.dataset(0.5), story.dataset(0.5), story.dataset(0.5, seed=1)
    assert one.hash == two.hash != other.hash


def test_the_manifest_says_of_each_example_where_it_comes_from_and_what_it_is(story: Past) -> None:
    run = story.run(fails=True, stars=1, corrected=["CLICK a"], seed=7)
    dataset = story.dataset()
    manifest = json.loads(dataset.manifest())
    line = json.dumps(dataset.examples[0].to_json(), separators=(",", ":")) + "\n"
    assert manifest["examples"] == [
        {
            "source": "correction",
            "run": run.hex,
            "step": 0,
            "instance": "miniwob/enter-text#7",
            "hash": "sha256:" + hashlib.sha256(line.encode()).hexdigest(),
        }
    ]
    assert (manifest["dataset"], manifest["by_source"], manifest["held_out"]) == (dataset.hash, {"correction": 1}, [])


def test_the_answer_that_failed_on_the_very_prompt_of_a_correction_is_its_rejected_one(story: Past) -> None:
    story.run("a", fails=True, stars=1, steps=1, page="one page", corrected=["CLICK right"])
    story.run("b", fails=True, stars=1, steps=1, page="another page", corrected=["CLICK  0"])
    story.run("c", fails=True, stars=1, corrected=["CLICK elsewhere"])
    rejected = {example.completion: example.rejected for example in story.dataset().examples}
    assert rejected == {"CLICK right": "CLICK 0", "CLICK  0": "", "CLICK elsewhere": ""}


@pytest.mark.parametrize(
    ("sources", "kept"),
    [(("teacher", "human"), "human"), (("retry", "reviewer"), "reviewer"), (("teacher", "retry"), "retry")],
)
def test_of_two_answers_to_one_prompt_the_more_trusted_ones_is_taught(
    story: Past, sources: tuple[str, str], kept: str
) -> None:
    for source in sources:
        story.run(fails=True, stars=1, source=source, page="the same page", corrected=[f"CLICK {source}"])
    assert completions(story.dataset()) == [f"CLICK {kept}"]


def test_examples_that_differ_by_white_space_alone_are_the_same(story: Past) -> None:
    story.run(fails=True, stars=1, page="a  page\n", corrected=["CLICK ok "])
    story.run(fails=True, stars=1, page="a page", corrected=["CLICK  ok"])
    assert completions(story.dataset(max_duplicates=1)) == ["CLICK ok "]


def test_a_lesson_that_many_runs_gave_comes_as_often_up_to_a_limit(story: Past) -> None:
    for number in range(5):
        story.run(f"same-{number}", fails=True, stars=1, page="always the same page", corrected=["CLICK same"])
    story.run("other", fails=True, stars=1, corrected=["CLICK other"])
    assert Counter(completions(story.dataset(max_duplicates=3))) == {"CLICK same": 3, "CLICK other": 1}
    assert story.dataset(max_duplicates=3).runs == 4  # each copy says which run it is from


def test_a_good_step_is_replayed_as_often_as_runs_took_it_up_to_the_limit(story: Past) -> None:
    for number in range(5):
        story.run(f"good-{number}", stars=5, steps=1, page="always the same page")
    story.run("bad", fails=True, stars=1, corrected=["CLICK 1", "CLICK 2", "CLICK 3"])
    assert Counter(completions(story.dataset(replay_share=0.5, max_duplicates=2)))["CLICK 0"] == 2


def test_a_good_run_that_did_otherwise_than_a_correction_says_is_not_replayed(story: Past) -> None:
    story.run(fails=True, stars=1, page="the page", corrected=["CLICK right"])
    story.run(stars=5, steps=1, page="the page")
    story.run(stars=5, steps=1, page="another page")
    assert completions(story.dataset(replay_share=0.5)) == ["CLICK 0", "CLICK right"]


def test_a_teachers_answer_that_no_environment_tried_counts_only_where_that_is_set(story: Past) -> None:
    story.content["sha256:q"] = "What is the capital of France?"
    told: dict[str, Any] = {"environment": "chat", "stars": 1, "source": "teacher", "is_verified": False}
    story.run("sha256:q", corrected=["Paris"], **told)
    assert completions(story.dataset()) == []
    assert dict(story.dataset(teacher_answers=True).by_source) == {"teacher": 1}


def test_what_a_teacher_made_of_a_run_is_learnt_with_it(story: Past) -> None:
    run = story.run(fails=True, stars=1, corrected=["CLICK right"])
    made = Example(
        ({"role": "user", "content": "other seed"},), "CLICK other", "teacher", run_id=run.hex, instance="m/t#9"
    )
    story.add_set([made], made_of=run)
    dataset = story.dataset()
    assert dict(dataset.by_source) == {"correction": 1, "teacher": 1}
    assert "m/t#9" in {example.instance for example in dataset.examples}


def test_sets_from_outside_are_mixed_in_for_their_share(story: Past) -> None:
    story.run(fails=True, stars=1, corrected=[f"CLICK {n}" for n in range(8)])
    questions = [Example(({"role": "user", "content": f"question {n}"},), "answer", "public") for n in range(50)]
    story.add_set(questions)
    dataset = story.dataset(public_share=0.2)
    assert dict(dataset.by_source) == {"correction": 8, "public": 2}
    assert dataset.lessons == 8
    assert json.loads(dataset.manifest())["imports"][0]["license"] == "MIT"
    assert dict(story.dataset(public_share=0.0).by_source) == {"correction": 8}


def test_judged_answers_from_outside_take_no_place_of_targets_where_nothing_learns_from_them(story: Past) -> None:
    story.run(fails=True, stars=1, corrected=[f"CLICK {n}" for n in range(8)])
    answers = [("bad", "Go away."), ("good", "6"), ("target", "5")]
    story.add_set(
        [Example(({"role": "user", "content": label},), text, "public", label=label) for label, text in answers]
    )
    for weight, wanted in ((0.0, {"target"}), (1.0, {"bad", "good", "target"})):
        examples = story.dataset(public_share=0.5, kto_weight=weight).examples
        assert {it.label for it in examples if it.source == "public"} == wanted


def test_a_set_from_outside_alone_is_no_lesson(story: Past) -> None:
    story.add_set([Example(({"role": "user", "content": "q"},), "a", "public")])
    assert story.dataset().lessons == 0


def test_a_question_from_outside_that_is_held_out_is_not_learnt(story: Past) -> None:
    for number in range(10):
        story.run(fails=True, stars=1, corrected=[f"CLICK {number}"])
    key = next(f"sha256:{n}q" for n in range(1000) if is_held_out(f"chat#sha256:{n}q", 0.1))
    story.content[key] = "What is the capital of France?"
    story.run(key, environment="chat", stars=1, steps=1, page=story.content[key], corrected=["Paris"])
    story.add_set([Example(({"role": "user", "content": "What is the  capital of France?"},), "Paris", "public")])
    dataset = story.dataset(held_out_share=0.1, public_share=0.5)
    assert len(dataset.held_out) == 1
    assert "public" not in dataset.by_source


def test_judged_answers_come_in_where_the_recipe_learns_from_them(story: Past) -> None:
    story.run("a", fails=True, stars=1, steps=2)
    story.run("b", fails=True, stars=2, steps=1, reason="environment")
    for _ in range(5):
        story.run("c", stars=5, steps=1)
    assert story.dataset().lessons == 0
    labels = sorted(example.label for example in story.dataset(kto_weight=1.0).examples)
    assert labels == ["bad", "bad", "good", "good"]


def test_an_answer_that_is_good_elsewhere_is_not_bad(story: Past) -> None:
    story.run("a", fails=True, stars=1, steps=1, page="one page")
    story.run("a", stars=5, steps=1, page="one page")
    assert "bad" not in {example.label for example in story.dataset(kto_weight=1.0).examples}
