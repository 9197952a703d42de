"""The base model that comes with the package: small, complete, and able to do what its card says."""

from __future__ import annotations

import json
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from places import ROOT

from grokputer.adapters.serving.base_model import Base
from grokputer.adapters.serving.local import LocalModel
from grokputer.domain.page.messages import Page
from grokputer.domain.page.prompt import observe

BASE = ROOT / "adapters" / "base"
MEGABYTE = 2**20


@cache
def base() -> tuple[Any, Any]:
    """The model in bf16, and its tokenizer."""
    return Base(quantization="none").load()


@cache
def served() -> LocalModel:
    return LocalModel(Base(quantization="none"))


def test_the_whole_folder_is_under_twenty_megabytes() -> None:
    assert sum(file.stat().st_size for file in BASE.iterdir()) < 20 * MEGABYTE


def test_the_embedded_model_is_a_plain_llama_whose_sizes_suit_four_bit_blocks() -> None:
    config = json.loads((BASE / "config.json").read_text())
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert config["hidden_size"] % 64 == 0
    assert config["intermediate_size"] % 64 == 0


def test_the_weights_are_bf16_and_safe_to_load() -> None:
    from safetensors import safe_open

    with safe_open(BASE / "model.safetensors", framework="pt") as weights:
        assert {str(weights.get_tensor(name).dtype) for name in weights.keys()} == {"torch.bfloat16"}  # noqa: SIM118
    assert not list(BASE.glob("*.bin")) + list(BASE.glob("*.pt"))


def test_the_tokenizer_and_the_weights_have_the_same_vocabulary() -> None:
    model, tokenizer = base()
    assert model.get_input_embeddings().weight.shape[0] == len(tokenizer)


def test_an_answer_ends_with_the_tokenizers_end() -> None:
    model, tokenizer = base()
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id


@pytest.mark.parametrize(
    ("task", "lines", "history", "action"),
    [
        ('Click on the "Ok" button.', ("p:dolor sit[1]", "button:Cancel[2]", "button:Ok[3]"), [], "CLICKbutton:Ok[3]"),
        (
            'Enter "Mirta" into the text field and press Submit.',
            ("input.text#tt[1]", "button:Submit[2]"),
            [],
            "TYPEinput.text#tt[1]Mirta",
        ),
        (
            'Enter "Mirta" into the text field and press Submit.',
            ("input.text#tt=Mirta[1]", "button:Submit[2]"),
            ["TYPEinput.text#tt[1]Mirta"],
            "CLICKbutton:Submit[2]",
        ),
        (
            "Select qZr and click Submit.",
            ("input.radio:b7[1]", "input.radio:qZr[2]", "button:Submit[3]"),
            [],
            "CLICKinput.radio:qZr[2]",
        ),
    ],
)
def test_the_embedded_model_answers_with_the_next_action(
    task: str, lines: tuple[str, ...], history: list[str], action: str
) -> None:
    assert served().complete(observe(Page(task, lines), history)).text == action


def test_the_chat_template_leaves_the_instructions_out() -> None:
    messages: Any = observe(Page("Click Ok.", ("button:Ok[1]",)), [])
    rendered = base()[1].apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    assert rendered == messages[-1]["content"]


def test_what_identifies_a_base_is_its_weights_its_shape_and_its_tokens(tmp_path: Path) -> None:
    folder = tmp_path / "base"
    shutil.copytree(BASE, folder)
    seen = {Base(str(folder)).fingerprint()}
    assert seen == {Base().fingerprint()}
    for name, old, new in (
        ("config.json", '"num_attention_heads": 4', '"num_attention_heads": 8'),
        ("README.md", "a", "b"),
    ):
        text = (folder / name).read_text(encoding="utf-8")
        (folder / name).write_text(text.replace(old, new), encoding="utf-8")
        seen.add(Base(str(folder)).fingerprint())
    assert len(seen) == 2  # what its card says is no part of it
