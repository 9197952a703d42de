"""Bases of other makes than the embedded one: other layers, other templates, other tokenizers, many files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tiny_base import RECIPE, click_examples, job, quiet_libraries

from grokputer.adapters.registry import files
from grokputer.adapters.serving.base_model import Base
from grokputer.adapters.serving.chat_template import answer_tokens, prompt_tokens, stop_tokens, turn_end
from grokputer.adapters.serving.decoding.answers import Prompt, greedy
from grokputer.adapters.serving.decoding.attention import use_attention
from grokputer.adapters.serving.decoding.padded import write_padded
from grokputer.adapters.serving.decoding.prefixes import Prefixes
from grokputer.adapters.serving.decoding.slots import SlotDecoder
from grokputer.adapters.serving.local import LocalModel
from grokputer.adapters.serving.proof import prove_applied, read_reference
from grokputer.adapters.training.lora import configure_lora
from grokputer.adapters.training.trainer import train_job
from grokputer.domain.errors import ModelError, TrainingError
from grokputer.domain.page.messages import Message
from grokputer.domain.settings.recipe import Recipe

SHAPE = {
    "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 1, "head_dim": 32, "max_position_embeddings": 512, "initializer_range": 0.2,
}  # fmt: skip
KINDS: dict[str, dict[str, Any]] = {
    "qwen3": {}, "mistral": {"sliding_window": 16}, "gemma3_text": {"sliding_window": 16, "query_pre_attn_scalar": 32},
    "phi3": {"head_dim": 32}, "gpt_neox": {}, "gpt2": {},
}  # fmt: skip
ONE_STEP = RECIPE.replace(epochs=1, learning_rate=1e-2)


@pytest.fixture(autouse=True)
def _quiet_libraries() -> Iterator[None]:
    with quiet_libraries():
        yield


@pytest.fixture(scope="module")
def bases(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """An untrained base of each kind, with the tiny base's tokenizer."""
    import torch
    import transformers

    untyped: Any = transformers
    folder = tmp_path_factory.mktemp("kinds")
    for kind, changes in KINDS.items():
        torch.manual_seed(1)
        ids = {"vocab_size": 124, "bos_token_id": None, "eos_token_id": 1, "pad_token_id": 0}
        config = untyped.AutoConfig.for_model(kind, **{**SHAPE, **ids, **changes})
        model = untyped.AutoModelForCausalLM.from_config(config)
        model.bfloat16().save_pretrained(folder / kind, max_shard_size="200KB")
        for file in tiny_base.glob("*token*.json"):
            (folder / kind / file.name).write_bytes(file.read_bytes())
        (folder / kind / "chat_template.jinja").write_bytes((tiny_base / "chat_template.jinja").read_bytes())
    return {kind: folder / kind for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_an_adapter_of_any_kind_of_base_is_trained_served_and_proven(
    kind: str, bases: dict[str, Path], tmp_path: Path
) -> None:
    result = train_job(job(tmp_path, bases[kind], click_examples(8), ONE_STEP))
    model = LocalModel(Base(str(bases[kind])))
    model.load("lora-v1", result.adapter)
    proof = prove_applied(model, "lora-v1", read_reference(result.adapter))
    model.close()
    assert proof.is_applied


def test_a_target_that_the_model_lacks_is_told_with_the_layers_it_has(bases: dict[str, Path]) -> None:
    for kind, layers in (("gpt2", "c_attn, c_fc, c_proj"), ("phi3", "down_proj, gate_up_proj, o_proj, qkv_proj")):
        with pytest.raises(TrainingError, match=f"{layers}; set training.target to all-linear"):
            configure_lora(Recipe(target="attention"), Base(str(bases[kind])).load()[0])


@pytest.mark.parametrize(
    ("kind", "has_slots"), [("mistral", False), ("gemma3_text", False), ("gpt2", True), ("qwen3", True), ("phi3", True)]
)
def test_answers_written_together_with_guesses_are_those_of_the_library(
    kind: str, has_slots: bool, bases: dict[str, Path]
) -> None:
    import torch

    model, tokenizer = Base(str(bases[kind]), quantization="none").load()
    untyped: Any = model
    untyped.float()  # in bf16, two equal ways of computing differ by rounding
    stop = stop_tokens(model, tokenizer)
    prompts = [prompt_tokens(tokenizer, example.messages) for example in click_examples(2)]
    prompts.append(prompts[0][:-7])
    expected = []
    for prompt in prompts:
        ids = torch.tensor([prompt])
        options = {"attention_mask": torch.ones_like(ids), "max_new_tokens": 40, "do_sample": False, "pad_token_id": 0}
        generated: list[int] = untyped.generate(ids, **options)[0, len(prompt) :].tolist()
        expected.append([token for token in generated if token not in stop])
    assert use_attention(model, prompts[0]) == has_slots
    asked = [Prompt(prompt, 40, greedy) for prompt in prompts]
    decoder = SlotDecoder(model, stop, Prefixes())
    written = decoder.write(asked) if has_slots else write_padded(model, asked, stop)
    assert [answer.tokens for answer in written] == expected


def test_checkpointed_gradients_and_a_paged_optimiser_train_too(tiny_base: Path, tmp_path: Path) -> None:
    plain = train_job(job(tmp_path / "plain", tiny_base, click_examples(16), ONE_STEP))
    checkpointed = ONE_STEP.replace(gradient_checkpointing=True)
    again = train_job(job(tmp_path / "again", tiny_base, click_examples(16), checkpointed))
    assert again.final_loss == pytest.approx(plain.final_loss, rel=1e-3)
    with pytest.warns(UserWarning, match="paged|managed"):
        paged = train_job(
            job(tmp_path / "paged", tiny_base, click_examples(16), ONE_STEP.replace(optimizer="paged_adamw_8bit"))
        )
    assert paged.final_loss == pytest.approx(plain.final_loss, rel=0.05)


# Templates and tokenizers


GEMMA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for m in messages %}<user>{{ m['content'] }}{% if m['role'] == 'assistant' %}<turn>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<user>{% endif %}"
)


@pytest.fixture
def strict(tiny_base: Path) -> Any:
    """A tokenizer that begins each text with a token of its own, whose template does so too and takes no system turn."""
    from tokenizers.processors import TemplateProcessing

    tokenizer: Any = Base(str(tiny_base)).load()[1]
    tokenizer.add_special_tokens({"bos_token": "<bos>", "additional_special_tokens": ["<user>", "<turn>"]})
    bos = ("<bos>", tokenizer.bos_token_id)
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="<bos> $A", special_tokens=[bos])
    tokenizer.chat_template = GEMMA
    assert tokenizer("x")["input_ids"][0] == tokenizer.bos_token_id
    return tokenizer


def test_a_text_begins_with_one_beginning_and_ends_with_the_turns_own_end(strict: Any) -> None:
    prompt = prompt_tokens(strict, [Message(role="user", content="Ok")])
    assert prompt.count(strict.bos_token_id) == 1
    answer = answer_tokens(strict, "Ok")
    assert strict.bos_token_id not in answer
    assert answer[-1] == turn_end(strict) == strict.convert_tokens_to_ids("<turn>")


def test_a_system_turn_goes_to_the_user_where_the_template_has_none(strict: Any) -> None:
    system = [Message(role="system", content="Be brief."), Message(role="user", content="Ok")]
    joined = [Message(role="user", content="Be brief.\n\nOk")]
    assert prompt_tokens(strict, system) == prompt_tokens(strict, joined)


def test_turns_that_a_template_refuses_are_one_line(strict: Any) -> None:
    strict.chat_template = "{{ raise_exception('Roles must\nalternate') }}"
    with pytest.raises(ModelError, match="does not take these turns: Roles must alternate") as refused:
        prompt_tokens(strict, [Message(role="user", content="Ok")])
    assert "\n" not in str(refused.value)


# Weights of many gigabytes


def test_the_hash_of_a_large_file_is_remembered_until_the_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(files, "LARGE", 4)
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"weights")
    first = files.hash_file(file)
    memory = tmp_path / "cache" / "grokputer" / "file-hashes.json"
    [key] = json.loads(memory.read_text())
    memory.write_text(json.dumps({key: "remembered"}))
    assert files.hash_file(file) == "remembered"
    file.write_bytes(b"other weights")
    assert files.hash_file(file) not in (first, "remembered")
    assert len(json.loads(memory.read_text())) == 1


def test_a_downloaded_base_is_known_by_its_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    base = Base("some/model")
    assert base.fingerprint() == "some/model@main"
    reference = tmp_path / "models--some--model" / "refs" / "main"
    reference.parent.mkdir(parents=True)
    reference.write_text("0123abcd")
    assert base.fingerprint() == "some/model@0123abcd"
