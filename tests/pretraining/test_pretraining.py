"""Pretraining: fresh weights that can copy, a stream that is the same for the same seed, and a run that can be continued."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest

from grokputer.domain.page.messages import Page
from grokputer.pretraining.corpus import (
    Sample,
    batches,
    collate,
    encode,
    encode_questions,
    load_demonstrations,
    prompt,
    save_demonstrations,
)
from grokputer.pretraining.pretrain import Recipe, Training, learning_rate, new_model
from grokputer.pretraining.questions import Questions
from grokputer.pretraining.synthetic import Demonstration, demonstrate_synthetic
from grokputer.pretraining.tokenizer import train_tokenizer

SMALL = Recipe(steps=8, layers=2, tokens=512, warmup=2, curriculum_pools=2)


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return train_tokenizer(
        prompt(each) + each.action for seed in range(200) for each in demonstrate_synthetic(Random(seed))
    )


@pytest.fixture(scope="module")
def demonstrated(tokenizer: Any) -> list[Sample]:
    return encode(tokenizer, [each for seed in range(50) for each in demonstrate_synthetic(Random(seed), 0.2)])


def test_fresh_weights_repeat_what_they_saw(tokenizer: Any) -> None:
    import torch

    ids = torch.randint(2, len(tokenizer), (2, 60), generator=torch.Generator().manual_seed(0)).repeat(1, 2)
    with torch.no_grad():
        written = new_model(SMALL, tokenizer)(ids).logits.argmax(-1)
    assert float((written[:, 61:-1] == ids[:, 62:]).float().mean()) > 0.8


def test_the_same_seed_gives_the_same_batches(tokenizer: Any, demonstrated: list[Sample]) -> None:
    first, again = (next(iter(batches(tokenizer, demonstrated, 3, 512, 2))) for _ in range(2))
    assert first[1].ids.equal(again[1].ids)
    assert first[1].weights.equal(again[1].weights)


def test_only_the_answer_counts_in_full_and_the_page_not_at_all(tokenizer: Any) -> None:
    page = Page("Go on.", ("button:Go[1]",))
    (sample,) = encode(tokenizer, [Demonstration(page, (), "CLICKbutton:Go[1]")])
    head, tail = (len(tokenizer(text)["input_ids"]) for text in ("task: Go on.\nbutton:Go[1]", "\ntask: Go on.\ndo: "))
    rest = len(sample.ids) - head - tail
    assert sample.weights == pytest.approx([0.0] * head + [0.1] * tail + [1.0] * rest)
    assert collate([sample], pad=1).weights[0, : len(sample.ids)].tolist() == pytest.approx(sample.weights)


def test_every_answer_about_a_page_counts_and_follows_its_question(tokenizer: Any) -> None:
    asked = (("Go on.", "CLICKbutton:Go[1]"), ("Stop.", "CLICKbutton:Stop[2]"))
    (sample,) = encode_questions(tokenizer, [Questions(("button:Go[1]", "button:Stop[2]"), asked)])
    said = tokenizer.decode([id for id, weight in zip(sample.ids, sample.weights, strict=True) if weight == 1])
    assert said == "CLICKbutton:Go[1]<|end|>CLICKbutton:Stop[2]<|end|>"
    assert tokenizer.decode(sample.ids).endswith("<|end|>\ntask: Stop.\ndo: CLICKbutton:Stop[2]<|end|>")


def test_the_learning_rate_rises_stays_and_ends_at_nothing() -> None:
    recipe = Recipe(steps=100, warmup=10, decay_share=0.5)
    assert [learning_rate(recipe, step) for step in (0, 9, 40, 75, 100)] == pytest.approx([0.1, 1.0, 1.0, 0.5, 0.0])


def test_a_run_that_goes_on_from_its_state_ends_as_one_that_never_stopped(
    tmp_path: Path, tokenizer: Any, demonstrated: list[Sample]
) -> None:
    some = [collate(demonstrated[at : at + 4], 1) for at in (0, 4, 8, 12)]
    whole, halves = Training(SMALL, tokenizer), Training(SMALL, tokenizer)
    for batch in some:
        whole.learn(batch)
    for batch in some[:2]:
        halves.learn(batch)
    halves.save(tmp_path / "state.pt")
    resumed = Training(SMALL, tokenizer)
    resumed.load(tmp_path / "state.pt")
    for batch in some[2:]:
        resumed.learn(batch)
    assert all(resumed.masters[name].equal(weights) for name, weights in whole.masters.items())


def test_demonstrations_are_read_back_as_written(tmp_path: Path) -> None:
    written = [Demonstration(Page("Click Ok.", ("button:Ök[1]",), error="no"), ("CLICKa[1]",), "CLICKbutton:Ök[1]")]
    save_demonstrations(tmp_path / "some.jsonl", written)
    assert load_demonstrations(tmp_path / "some.jsonl") == written
