"""Real QLoRA on a tiny Llama: what a training says and leaves behind, and which examples it takes."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tiny_base import RECIPE, Trained, click_examples, job, quiet_libraries

from grokputer.adapters.data.examples import Example, dataset_hash
from grokputer.adapters.registry.local import hash_directory
from grokputer.adapters.serving.base_model import Base
from grokputer.adapters.serving.chat_template import answer_tokens, prompt_tokens
from grokputer.adapters.training.batches import Item, tokenize
from grokputer.adapters.training.trainer import make_trainer, train_job
from grokputer.domain.errors import TrainingError
from grokputer.domain.page.messages import Message
from grokputer.domain.settings.recipe import Recipe

SHORT = RECIPE.replace(epochs=1, checkpoint_steps=100)


@pytest.fixture(autouse=True)
def _quiet_libraries() -> Iterator[None]:
    with quiet_libraries():
        yield


def items(base: Base, count: int = 8) -> list[Item]:
    return tokenize(click_examples(count), base.load()[1], 512)


# What a training leaves behind


def test_a_training_reports_every_step(trained: Trained) -> None:
    steps = [progress.step for progress in trained.progress]
    assert steps == list(range(1, 17))
    last = trained.progress[-1]
    assert (last.total_steps, last.epoch) == (16, 2.0)
    assert last.loss < trained.progress[0].loss
    assert last.examples_per_s > 0
    assert last.elapsed_s > 0


def test_a_result_says_what_the_training_cost_and_was_made_of(trained: Trained) -> None:
    result = trained.asked
    assert (result.examples, result.left_out, result.steps) == (64, 0, 16)
    assert result.tokens > 64 * 20
    assert result.duration_s > 0
    assert result.peak_memory_bytes > 100_000_000
    assert result.final_loss == trained.progress[-1].loss
    assert result.dataset_hash == dataset_hash(click_examples(64))
    assert result.adapter_hash == hash_directory(result.adapter)
    assert set(result.versions) == {"torch", "transformers", "peft", "bitsandbytes", "trl"}


def test_an_adapter_is_safetensors_its_config_and_its_reference(trained: Trained, tiny_base: Path) -> None:
    files = sorted(file.name for file in trained.asked.adapter.iterdir())
    assert files == ["adapter_config.json", "adapter_model.safetensors", "reference.json"]
    config = json.loads((trained.asked.adapter / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == tiny_base.name
    assert (config["r"], config["lora_alpha"]) == (16, 32)


def test_the_same_job_gives_the_same_adapter_to_the_bit(trained: Trained, tiny_base: Path, tmp_path: Path) -> None:
    again = train_job(job(tmp_path, tiny_base, click_examples(64, done=True)))
    assert again.adapter_hash == trained.done.adapter_hash


# What a training is given


def test_training_and_serving_render_the_same_prompt(tiny_base: Path) -> None:
    tokenizer = Base(str(tiny_base)).load()[1]
    example = click_examples(1)[0]
    row = tokenize([example], tokenizer, 512)[0].row
    prompt = prompt_tokens(tokenizer, example.messages)
    answered: Any = [*example.messages, {"role": "assistant", "content": example.completion}]
    template: Any = tokenizer.apply_chat_template(answered, return_dict=True)
    assert row["input_ids"] == prompt + answer_tokens(tokenizer, example.completion) == template["input_ids"]
    assert row["labels"] == [-100] * len(prompt) + answer_tokens(tokenizer, example.completion)


def test_packed_examples_do_not_see_each_other(tiny_base: Path, tmp_path: Path) -> None:
    import torch

    base = Base(str(tiny_base), quantization="none")
    model, tokenizer = base.load()
    recipe = Recipe(packing=True, max_length=128, batch=2, dropout=0.0, quantization="none")
    trainer: Any = make_trainer(model, tokenizer, items(base), recipe, tmp_path)
    batch = next(iter(trainer.get_train_dataloader()))
    starts = [*(batch["position_ids"][0] == 0).nonzero().flatten().tolist(), batch["input_ids"].shape[1]]
    assert len(starts) > 3
    with torch.no_grad():
        together = trainer.model(input_ids=batch["input_ids"], position_ids=batch["position_ids"]).logits[0]
        for start, end in pairwise(starts):
            alone = trainer.model(input_ids=batch["input_ids"][:, start:end]).logits[0]
            assert (together[start:end] - alone).abs().max() < 0.05 * alone.std()


def test_examples_that_are_too_long_are_left_out_and_counted(tiny_base: Path, tmp_path: Path) -> None:
    long = dataclasses.replace(click_examples(1)[0], completion="TYPE" + "x" * 600)
    result = train_job(job(tmp_path, tiny_base, [*click_examples(8), long], SHORT))
    assert (result.examples, result.left_out) == (8, 1)
    assert result.reasons == {"too long": 1}


STRICT = (
    "{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if message['role'] == 'user' %}<user>{{ message['content'] }}{% else %}{{ message['content'] }}<eos>"
    "{% endif %}{% endfor %}"
)
"""As the templates of Mistral and Gemma check it."""


@pytest.fixture
def strict_base(tiny_base: Path, tmp_path: Path) -> Path:
    """A base whose chat template takes alternating turns alone."""
    shutil.copytree(tiny_base, tmp_path / "strict")
    (tmp_path / "strict" / "chat_template.jinja").write_text(STRICT)
    return tmp_path / "strict"


def test_an_example_whose_turns_the_chat_template_refuses_is_left_out_and_counted(
    strict_base: Path, tmp_path: Path
) -> None:
    ask: Message = {"role": "user", "content": "click Ok"}
    twice = Example((ask, ask), "DONE", "public")
    result = train_job(job(tmp_path, strict_base, [twice, *click_examples(8)], SHORT))
    assert (result.examples, result.left_out) == (8, 1)
    assert result.reasons == {"refused by the chat template": 1}
    with pytest.raises(TrainingError, match=r"none of 2 examples can be used: .* roles must alternate"):
        train_job(job(tmp_path / "all", strict_base, [twice, twice], SHORT))


def test_a_training_without_a_usable_example_fails(tiny_base: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="none of 2 examples is at most 16 tokens long; raise max_length"):
        train_job(job(tmp_path, tiny_base, click_examples(2), SHORT.replace(max_length=16)))
