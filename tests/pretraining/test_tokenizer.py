"""The embedded model's tokenizer: the same word is the same tokens everywhere, and every rendering of a prompt agrees."""

from __future__ import annotations

from functools import cache
from random import Random
from typing import Any

import pytest

from grokputer.domain.page.messages import Page
from grokputer.domain.page.prompt import observe
from grokputer.pretraining.corpus import encode, prompt
from grokputer.pretraining.synthetic import Demonstration, demonstrate_synthetic
from grokputer.pretraining.tokenizer import NUMBERS, VOCABULARY, train_tokenizer


@cache
def tokenizer() -> Any:
    texts = [prompt(each) + each.action for seed in range(300) for each in demonstrate_synthetic(Random(seed))]
    return train_tokenizer(texts)


def tokens(text: str) -> list[str]:
    return list(tokenizer().convert_ids_to_tokens(tokenizer()(text)["input_ids"]))


def test_the_tokenizer_has_exactly_its_vocabulary() -> None:
    assert len(tokenizer()) == VOCABULARY


@pytest.mark.parametrize("around", ["button:{}[3]", "Click {} now", '"{}"', "CLICKbutton:{}[3]", "{}"])
def test_a_word_is_the_same_tokens_wherever_it_stands(around: str) -> None:
    inside, alone = " ".join(tokens(around.format("Brotai"))), " ".join(tokens("Brotai"))
    assert alone in inside


def test_a_line_number_is_one_token() -> None:
    assert all(len(tokens(f"[{n}]")) == 1 for n in range(1, NUMBERS + 1))


def test_digits_stand_alone() -> None:
    assert tokens("2038") == ["2", "0", "3", "8"]


def test_a_verb_is_not_part_of_the_word_behind_it() -> None:
    assert tokens("CLICKbutton")[0] == "CLICK"
    assert tokens("TYPEinput")[0] == "TYPE"


@pytest.mark.parametrize("text", ["TYPEinput.text#tt[12]Bob  Smith…", "né 中 €5 ° [65]", "a\nb", ""])
def test_decoding_gives_the_text_back(text: str) -> None:
    assert tokenizer().decode(tokenizer()(text)["input_ids"]) == text


def test_pretraining_serving_and_fine_tuning_render_the_same_tokens() -> None:
    page = Page("Click Ok.", ("button:Ok[1]", "input.text=né 5[2]"), error="cannot read")
    each = Demonstration(page, ("CLICKbutton:Ok[1]",), "TYPEinput.text=né 5[2]Bob Smith")
    messages = observe(each.page, each.history)
    answer = {"role": "assistant", "content": each.action}
    (sample,) = encode(tokenizer(), [each])
    served = tokenizer().apply_chat_template(messages, add_generation_prompt=True, return_dict=True)["input_ids"]
    tuned = tokenizer().apply_chat_template([*messages, answer], return_dict=True, return_assistant_tokens_mask=True)
    answered = len(served)
    assert sample.ids[:answered] == list(served)
    assert sample.ids == list(tuned["input_ids"])
    assert tuned["assistant_masks"] == [0] * answered + [1] * (len(sample.ids) - answered)
    assert sample.weights[answered:] == [1.0] * (len(sample.ids) - answered)
    assert all(weight < 1 for weight in sample.weights[:answered])


def test_a_conversation_of_several_turns_renders() -> None:
    turns = [{"role": role, "content": role} for role in ("system", "user", "assistant", "user")]
    assert tokenizer().apply_chat_template(turns, tokenize=False) == "userassistant<|end|>user"
