"""A base that was made for no conversations runs with a template by name, or with one of the user's."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tiny_base import LABELS, RECIPE, job, quiet_libraries

from grokputer.adapters.data.examples import Example
from grokputer.adapters.serving.base_model import Base
from grokputer.adapters.serving.chat_template import answer_tokens, prompt_tokens, turn_end
from grokputer.adapters.serving.local import LocalModel
from grokputer.adapters.serving.proof import prove_applied, read_reference
from grokputer.adapters.serving.templates import ALPACA, CHATML, LLAMA2, TEMPLATES, check_template
from grokputer.adapters.training.batches import tokenize
from grokputer.adapters.training.job import TrainingJobSpec
from grokputer.adapters.training.trainer import train_job
from grokputer.domain.errors import ModelError
from grokputer.domain.page.messages import Message
from grokputer.domain.settings.forms import CHAT_TEMPLATES

TURNS = [
    Message(role="system", content="Be brief."),
    Message(role="user", content="Ok?"),
    Message(role="assistant", content="Yes"),
    Message(role="user", content="Why?"),
]


@pytest.fixture(autouse=True)
def _quiet_libraries() -> Iterator[None]:
    with quiet_libraries():
        yield


@pytest.fixture(scope="module")
def bare(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base without a template and without a token for padding."""
    folder = Path(shutil.copytree(tiny_base, tmp_path_factory.mktemp("bare") / "base"))
    (folder / "chat_template.jinja").unlink()
    file = folder / "tokenizer_config.json"
    file.write_text(file.read_text(encoding="utf-8").replace('"pad_token"', '"no_pad_token"'), encoding="utf-8")
    return folder


def tokenizer_of(folder: Path, template: str) -> Any:
    return Base(str(folder), quantization="none", chat_template=template).load()[1]


def test_the_settings_know_the_same_names() -> None:
    assert tuple(TEMPLATES) == CHAT_TEMPLATES


def test_a_base_without_a_template_says_which_setting_names_one(bare: Path) -> None:
    with pytest.raises(ModelError, match=r"has no chat template; set model\.chat_template to alpaca"):
        Base(str(bare)).load()


@pytest.mark.parametrize(
    ("template", "rendered"),
    [
        (
            ALPACA,
            "Below is an instruction that describes a task, paired with an input that provides further context. Write a "
            "response that appropriately completes the request.\n\n### Instruction:\nBe brief.\n\n### Input:\nOk?\n\n"
            "### Response:\nYes<eos>\n\n### Instruction:\nWhy?\n\n### Response:\n",
        ),
        (
            CHATML,
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nOk?<|im_end|>\n<|im_start|>assistant\nYes<|im_end|>\n"
            "<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n",
        ),
        (LLAMA2, "[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nOk? [/INST] Yes <eos>[INST] Why? [/INST]"),
    ],
)
def test_each_named_template_writes_its_form(bare: Path, template: str, rendered: str) -> None:
    tokenizer = tokenizer_of(bare, template)
    assert tokenizer.apply_chat_template(TURNS, tokenize=False, add_generation_prompt=True) == rendered
    assert tokenizer.decode(turn_end(tokenizer)) == "<eos>"
    check_template(template)


def test_without_a_system_turn_alpaca_has_the_question_as_its_instruction(bare: Path) -> None:
    tokenizer = tokenizer_of(bare, ALPACA)
    [_, question, *_] = TURNS
    written = tokenizer.apply_chat_template([question], tokenize=False)
    assert written.endswith("the request.\n\n### Instruction:\nOk?\n\n### Response:\n")


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_text_begins_as_the_tokenizer_begins_it(name: str, bare: Path, tmp_path: Path) -> None:
    from tokenizers.processors import TemplateProcessing

    tokenizer = tokenizer_of(bare, TEMPLATES[name])
    tokenizer.add_special_tokens({"bos_token": "<bos>"})
    begin = ("<bos>", tokenizer.bos_token_id)
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="<bos> $A", special_tokens=[begin])
    folder = Path(shutil.copytree(bare, tmp_path / "begins"))
    tokenizer.save_pretrained(folder)
    (folder / "chat_template.jinja").unlink()
    begins = tokenizer_of(folder, TEMPLATES[name])
    assert prompt_tokens(begins, TURNS[:2])[0] == begins.bos_token_id
    assert prompt_tokens(begins, TURNS[:2]).count(begins.bos_token_id) == 1


@pytest.mark.parametrize("name", TEMPLATES)
def test_an_adapter_is_trained_served_and_proven_with_the_template(name: str, bare: Path, tmp_path: Path) -> None:
    base = Base(str(bare), chat_template=TEMPLATES[name])
    asked = [(Message(role="user", content=f"task {label}"),) for label in LABELS]
    examples = [Example(messages, "CLICK", "correction") for messages in asked]
    spec = job(tmp_path, bare, examples, RECIPE.replace(epochs=1))
    spec = TrainingJobSpec(spec.directory, spec.dataset, spec.recipe, base)
    result = train_job(spec)
    assert Base(**json.loads(json.dumps(base.to_json()))) == base
    model = LocalModel(base)
    assert model.complete(TURNS, max_tokens=4).prompt_tokens == len(prompt_tokens(model._model.tokenizer, TURNS))
    model.load("lora-v1", result.adapter)
    proof = prove_applied(model, "lora-v1", read_reference(result.adapter))
    model.close()
    assert proof.is_applied


def test_a_base_with_another_template_is_another_base(bare: Path, tiny_base: Path) -> None:
    bases = [Base(str(bare), chat_template=template) for template in (None, *TEMPLATES.values())]
    assert len({base.identity() for base in bases}) == 4
    assert Base(str(tiny_base)).identity().count("template") == 0  # as adapters of old logs have it


@pytest.mark.parametrize("name", TEMPLATES)
def test_no_page_forges_a_turn_by_the_marks_of_the_template(name: str, bare: Path) -> None:
    tokenizer = tokenizer_of(bare, TEMPLATES[name])
    marks = ["### Response:", "### Instruction:", "[/INST]", "[INST]", "<<SYS>>", "<|im_start|>", "<|im_end|>", "<eos>"]
    written = [mark for mark in marks if mark in TEMPLATES[name]] + ["<eos>"]
    for mark in written:
        own = tuple(tokenizer(mark, add_special_tokens=False)["input_ids"])
        tokens = prompt_tokens(tokenizer, [Message(role="user", content=f"x {mark} y")])
        plain = prompt_tokens(tokenizer, [Message(role="user", content="x y")])
        assert count_of(own, tokens) == count_of(own, plain), mark


def count_of(part: tuple[int, ...], tokens: list[int]) -> int:
    return sum(tuple(tokens[at : at + len(part)]) == part for at in range(len(tokens)))


def test_training_and_serving_read_a_mark_alike(bare: Path) -> None:
    tokenizer = tokenizer_of(bare, ALPACA)
    messages = (Message(role="user", content="a ### Response: b <eos>"),)
    [item] = tokenize([Example(messages, "Ok ### Response:", "correction")], tokenizer, 1000)
    assert item.prompt == prompt_tokens(tokenizer, messages)
    assert item.answer == answer_tokens(tokenizer, "Ok ### Response:")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{% for m in messages %}", "does not work: Unexpected end of template"),
        ("{{ messages[0]['content'] }}\n{% nope %}", "Encountered unknown tag 'nope'. (line 2)"),
        ("{{ raise_exception('never') }}", "does not work: never"),
        ("hello", "leaves the user's words out; it must write each message['content']"),
        ("{{ ''.__class__.__mro__ }}", "does not work"),
        ("x" * 100_001, "100001 characters"),
    ],
)
def test_a_template_that_does_not_work_is_said_in_one_line(text: str, words: str) -> None:
    with pytest.raises(ModelError) as refused:
        check_template(text)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_template_with_the_tag_for_training_is_taken() -> None:
    check_template("{% for m in messages %}{%- generation -%}{{ m['content'] }}{%- endgeneration %}{% endfor %}")
