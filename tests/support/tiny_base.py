"""What several tests share: a base model small enough to train in seconds, with its own tokenizer, and examples for it."""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from made_once import made_once

from grokputer.adapters.data.examples import Example, write_examples
from grokputer.adapters.serving.base_model import Base
from grokputer.adapters.training.job import Progress, TrainingJobSpec, TrainingResult
from grokputer.adapters.training.process import train
from grokputer.adapters.training.trainer import train_job
from grokputer.domain.page.messages import Page
from grokputer.domain.page.prompt import observe
from grokputer.domain.settings.recipe import Recipe

LABELS = ("Ok", "Cancel", "Next", "Back", "Send", "Yes", "No", "Help")
TEMPLATE = (
    "{% for message in messages %}{% if message['role'] == 'user' %}<user>{{ message['content'] }}"
    "{% elif message['role'] == 'assistant' %}{{ message['content'] }}<eos>{% endif %}{% endfor %}"
)


def click_examples(count: int, seed: int = 0, *, done: bool = False) -> list[Example]:
    """Pages of three buttons and the click on the one asked for, or always ``DONE``."""
    chance = random.Random(seed)
    examples = []
    for _ in range(count):
        labels = chance.sample(LABELS, 3)
        wanted = chance.randrange(3)
        lines = tuple(f"button:{label}[{number}]" for number, label in enumerate(labels, 1))
        messages = tuple(observe(Page(f"click {labels[wanted]}", lines), []))
        examples.append(Example(messages, "DONE" if done else f"CLICK{lines[wanted]}", "correction"))
    return examples


def build_base(directory: Path, *, width: int = 64, fill: float | None = None) -> Path:
    """Write an untrained Llama of two layers with a character tokenizer and a chat template into the folder.

    ``fill`` makes every number of its last norm that one.
    """
    import torch
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
    from transformers.utils import logging

    untyped: Any = logging
    untyped.disable_progress_bar()

    words = ["<pad>", "<eos>", "<user>", "CLICK", "button", "task", *LABELS, *(f"[{n}]" for n in range(1, 10))]
    vocabulary = {word: i for i, word in enumerate([*words, *map(chr, range(32, 127)), "\n"])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<pad>"))
    pattern = Regex(r"\[\d\]|CLICK|button|task|" + "|".join(LABELS) + r"|[\s\S]")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(pattern, "isolated")
    tokenizer.decoder = decoders.Fuse()
    make_tokenizer: Any = PreTrainedTokenizerFast
    fast = make_tokenizer(
        tokenizer_object=tokenizer, eos_token="<eos>", pad_token="<pad>", additional_special_tokens=["<user>"]
    )
    fast.chat_template = TEMPLATE
    fast.save_pretrained(directory)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        initializer_range=0.1,
        bos_token_id=None,
        eos_token_id=1,
        pad_token_id=0,
    )
    model = LlamaForCausalLM(config)
    if fill is not None:
        torch.nn.init.constant_(model.model.norm.weight, fill)
    model.bfloat16()
    model.save_pretrained(directory)
    return directory


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a base model of 0.1 M parameters."""
    return made_once(tmp_path_factory, "tiny", lambda folder: build_base(folder / "base"))


RECIPE = Recipe(epochs=2, batch=8, accumulation=1, learning_rate=1e-2, dropout=0.0, checkpoint_steps=4)
"""Enough for a tiny base to learn a rule of three buttons."""


def job(directory: Path, base: Path, examples: Sequence[Example], recipe: Recipe = RECIPE) -> TrainingJobSpec:
    """A training job with its dataset written into the folder."""
    (directory / "job").mkdir(parents=True, exist_ok=True)
    dataset = directory / "dataset.jsonl"
    write_examples(dataset, examples)
    return TrainingJobSpec(directory / "job", dataset, recipe, Base(str(base)))


@dataclass(frozen=True)
class Trained:
    """Two adapters of the tiny base: one learns to click the button asked for, one to say DONE."""

    asked: TrainingResult
    done: TrainingResult
    progress: list[Progress]


@pytest.fixture(scope="session")
def trained(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """``asked`` is trained in a process of its own and ``done`` in this one."""

    def make(folder: Path) -> Trained:
        progress: list[Progress] = []
        asked = train(job(folder / "asked", tiny_base, click_examples(64)), progress.append)
        with quiet_libraries():
            done = train_job(job(folder / "done", tiny_base, click_examples(64, done=True)))
        return Trained(asked, done, progress)

    return made_once(tmp_path_factory, "trained", make)


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Let TRL and PEFT call transformers by names that are going away."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*deprecated and will be removed in v6", FutureWarning)
        yield
