"""Many answers at once, guessed tokens and kept beginnings: faster, and the answers are those without them."""

from __future__ import annotations

import gc
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from bf16_products import multiplies_bf16
from tiny_base import Trained, click_examples, quiet_libraries

from grokputer.adapters.serving.adapted_model import AdaptedModel
from grokputer.adapters.serving.base_model import Base
from grokputer.adapters.serving.chat_template import prompt_tokens
from grokputer.adapters.serving.decoding import slots
from grokputer.adapters.serving.decoding.answers import Prompt, greedy
from grokputer.adapters.serving.decoding.attention import attend
from grokputer.adapters.serving.decoding.guessing import Guesser, best_width
from grokputer.adapters.serving.decoding.key_values import Rows
from grokputer.adapters.serving.decoding.packed_weights import pack_weights
from grokputer.adapters.serving.decoding.prefixes import Prefixes
from grokputer.domain.page.messages import Completion, Message, Request
from grokputer.domain.page.prompt import observe
from grokputer.pretraining.synthetic import demonstrate_synthetic

needs_bf16 = pytest.mark.skipif(not multiplies_bf16(), reason="this CPU has no bf16 products; rounding may differ")


@pytest.fixture(scope="module")
def embedded() -> AdaptedModel:
    return AdaptedModel(Base(quantization="none"), 2)


@pytest.fixture(scope="module")
def pages() -> list[Request]:
    """Pages of 60 to 400 tokens, and other limits: more requests than slots."""
    chance = random.Random(3)
    demonstrations = [each for _ in range(20) for each in demonstrate_synthetic(chance)][:20]
    return [Request(observe(d.page, d.history), max_tokens=3 + 7 * (i % 5)) for i, d in enumerate(demonstrations)]


def texts(answers: Sequence[object]) -> list[str]:
    assert all(isinstance(answer, Completion) for answer in answers)
    return [answer.text for answer in answers if isinstance(answer, Completion)]


def alone(model: AdaptedModel, requests: Sequence[Request]) -> list[str]:
    """The answers one by one, with nothing kept."""
    answers = []
    for request in requests:
        model.prefixes.forget(None)
        answers += texts(model.answer([request]))
    return answers


@needs_bf16
def test_the_embedded_base_answers_in_a_batch_as_it_answers_alone(embedded: AdaptedModel, pages: list[Request]) -> None:
    assert len(pages) > slots.SLOTS
    expected = alone(embedded, pages)
    assert texts(embedded.answer(pages)) == expected
    assert texts(embedded.answer(pages[::-1])) == expected[::-1]


@needs_bf16
def test_answers_are_equal_without_guessed_tokens(
    embedded: AdaptedModel, pages: list[Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    sampled = [Request(page.messages, max_tokens=12, temperature=1.2, seed=i) for i, page in enumerate(pages[:6])]
    guessed = alone(embedded, [*pages[:8], *sampled])
    monkeypatch.setattr(slots, "MOST", 0)
    assert alone(embedded, [*pages[:8], *sampled]) == guessed


@needs_bf16
def test_turns_of_a_talk_are_computed_once_and_its_answers_stay_the_same(embedded: AdaptedModel) -> None:
    messages: list[Message] = [
        Message(
            role="user", content="Name the files in the folder of the quarterly report, please, one after the other."
        )
    ]
    for question in ("And the largest of them?", "Who wrote it?"):
        [expected] = alone(embedded, [Request(messages, max_tokens=16)])
        embedded.prefixes.forget(None)
        embedded.answer([Request(messages[:-2] or messages, max_tokens=16)])
        before = embedded.prefixes.reused
        [answer] = texts(embedded.answer([Request(messages, max_tokens=16)]))
        assert answer == expected
        assert embedded.prefixes.reused - before >= 16
        messages += [Message(role="assistant", content=answer), Message(role="user", content=question)]


def test_instructions_that_waiting_requests_share_are_computed_once(tiny_base: Path) -> None:
    model = AdaptedModel(Base(str(tiny_base)), 1)
    lines = "\n".join(f"rule {number}: press Ok" for number in range(12))
    requests = [
        Request([Message(role="user", content=f"{lines}\ntask: {word}")], max_tokens=6)
        for word in ("Send", "Help", "Back")
    ]
    shared = len(prompt_tokens(model.tokenizer, [Message(role="user", content=f"{lines}\ntask: ")]))
    expected = alone(model, requests)
    model.prefixes.forget(None)
    before = model.prefixes.reused
    assert texts(model.answer(requests)) == expected
    assert model.prefixes.reused - before == 2 * shared
    assert texts(model.answer(requests[:1])) == expected[:1]
    assert model.prefixes.reused - before == 3 * shared


def test_what_was_kept_for_one_adapter_is_not_used_for_another(tiny_base: Path, trained: Trained) -> None:
    model = AdaptedModel(Base(str(tiny_base)), 2)
    model.bring("asked", trained.asked.adapter)
    model.bring("done", trained.done.adapter)
    requests = [Request(example.messages, max_tokens=12) for example in click_examples(4, seed=2)]

    def answer(name: str | None) -> list[str]:
        model.apply(name)
        return texts(model.answer(requests))

    first = {name: answer(name) for name in (None, "asked", "done")}
    assert len({tuple(answers) for answers in first.values()}) == 3
    assert {name: answer(name) for name in ("done", None, "asked")} == first
    model.drop("asked")
    model.bring("asked", trained.done.adapter)
    assert answer("asked") == first["done"]


def test_a_waiting_prompt_takes_the_slot_of_an_ended_answer(tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "SLOTS", 2)
    monkeypatch.setattr(slots, "REFILL", 1)
    monkeypatch.setattr(slots, "MOST", 0)
    model = AdaptedModel(Base(str(tiny_base)), 1)
    prompts = [prompt_tokens(model.tokenizer, example.messages) for example in click_examples(7, seed=4)]
    passes: list[int] = []

    class Counted(slots.SlotDecoder):
        def _write_next(self) -> None:
            passes.append(len(self.answers))
            super()._write_next()

    never = frozenset[int]()
    asked = [Prompt(prompt, 24 if i == 0 else 4, greedy) for i, prompt in enumerate(prompts)]
    written = Counted(model.model, never, Prefixes()).write(asked)
    assert [len(answer.tokens) for answer in written] == [24, *[4] * 6]
    assert len(passes) == 23  # as many as the long answer alone: each pass writes one token of it
    assert sum(passes) == 23 + 6 * 3


def test_an_adapter_that_is_more_than_lora_is_left_to_peft(tiny_base: Path, tmp_path: Path) -> None:
    import torch

    with quiet_libraries():
        from peft import LoraConfig, PeftModel, get_peft_model

        plain, tokenizer = Base(str(tiny_base)).load()
        config = LoraConfig(r=4, use_dora=True, target_modules="all-linear", init_lora_weights=False)
        get_peft_model(plain, config, autocast_adapter_dtype=False).save_pretrained(str(tmp_path))
        again = Base(str(tiny_base)).load()[0]
        reference = PeftModel.from_pretrained(again, str(tmp_path), autocast_adapter_dtype=False).eval()
        model = AdaptedModel(Base(str(tiny_base)), 1)
        messages = click_examples(1)[0].messages
        of_base = model.next_logits(messages)
        model.bring("dora", tmp_path)
        model.apply("dora")
        ids = torch.tensor([prompt_tokens(tokenizer, messages)])
        with torch.no_grad():
            expected = reference(input_ids=ids).logits[0, -1].float()
        assert torch.allclose(torch.tensor(model.next_logits(messages)), expected, atol=0.1)
        model.apply(None)
        assert model.next_logits(messages) == of_base != expected.tolist()


@needs_bf16
@pytest.mark.parametrize("alpha", [32, 24])
def test_fast_layers_of_an_adapter_are_those_of_peft_bit_for_bit(alpha: int, tmp_path: Path) -> None:
    import torch

    with quiet_libraries():
        from peft import LoraConfig, get_peft_model

        reference, tokenizer = Base(quantization="none").load()
        config = LoraConfig(r=16, lora_alpha=alpha, target_modules="all-linear", init_lora_weights=False)
        wrapped = get_peft_model(reference, config, autocast_adapter_dtype=False).eval()
        wrapped.save_pretrained(str(tmp_path))
        model = AdaptedModel(Base(quantization="none"), 1)
        model.bring("random", tmp_path)
        model.apply("random")
        for words in ("Name a river.", "Move a.txt to b.txt, and then delete what is left of the folder."):
            messages = [Message(role="user", content=words)]
            with torch.no_grad():
                logits = wrapped(input_ids=torch.tensor([prompt_tokens(tokenizer, messages)])).logits
            assert model.next_logits(messages) == logits[0, -1].float().tolist()


@needs_bf16
def test_packed_weights_give_the_same_numbers() -> None:
    import torch

    plain, packed = (Base(quantization="none").load()[0] for _ in range(2))
    assert pack_weights(packed) == 6 * 7 + 1
    for count in (1, 7, 90):
        ids = torch.arange(2, 2 + count)[None]
        with torch.inference_mode():
            assert torch.equal(packed(input_ids=ids).logits, plain(input_ids=ids).logits)


# Attention


@needs_bf16
@pytest.mark.parametrize(("heads", "groups"), [(9, 3), (4, 4)])
def test_attention_of_a_token_depends_on_nothing_beside_or_after_it(heads: int, groups: int) -> None:
    import torch

    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator).bfloat16()

    for length in (5, 70, 300):
        keys, values, queries = (
            draw(2, groups, length + 40, 64),
            draw(2, groups, length + 40, 64),
            draw(2, heads, 9, 64),
        )
        places = torch.tensor([[length], [length + 20]]) + torch.arange(9)
        mask = (torch.arange(length + 29) <= places[..., None])[:, None]
        together, _ = attend(None, queries, keys[:, :, : length + 29], values[:, :, : length + 29], mask)
        for i in range(9):
            end = length + i + 1
            one, _ = attend(None, queries[:1, :, i : i + 1], keys[:1, :, :end], values[:1, :, :end], None)
            assert torch.equal(one[0, 0], together[0, i])


def test_attention_is_that_of_the_library_up_to_rounding() -> None:
    import torch

    generator = torch.Generator().manual_seed(0)
    queries, keys, values = (torch.randn(2, n, 150, 32, generator=generator) for n in (4, 2, 2))
    own, _ = attend(None, queries.bfloat16(), keys.bfloat16(), values.bfloat16(), None)
    q, k, v = (x.bfloat16().double().repeat_interleave(4 // x.shape[1], 1) for x in (queries, keys, values))
    exact = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2)
    assert (own.double() - exact).abs().max() < 0.02


# Guesses and kept texts


def test_guesses_are_what_followed_the_longest_suffix_last() -> None:
    guesser = Guesser([1, 2, 3, 4, 9, 2, 3, 5, 7, 2, 3])
    assert guesser.guess(3) == [5, 7, 2]
    guesser.append(4)
    assert guesser.guess(8) == [9, 2, 3, 5, 7, 2, 3, 4]
    assert Guesser([1, 2, 3]).guess(8) == []


@pytest.mark.parametrize(
    ("answers", "chance", "wanted"),
    [(1, 0.9, lambda width: width == 8), (1, 0.01, lambda width: width == 0), (16, 0.5, lambda width: width <= 2)],
)
def test_guessing_pays_where_guesses_are_right_and_few_answers_share_a_pass(
    answers: int, chance: float, wanted: Callable[[int], bool]
) -> None:
    assert wanted(best_width([(8, chance)] * answers))
    assert best_width([(0, chance)] * answers) == 0


def test_an_answer_whose_guesses_fail_stops_guessing() -> None:
    guesser = Guesser([1, 2, 1, 2])
    before = best_width([(8, guesser.chance)])
    for _ in range(80):
        guesser.learn(8, 0)
    assert best_width([(8, guesser.chance)]) == 0 < before


def test_kept_texts_are_the_latest_used_within_their_memory() -> None:
    import torch

    prefixes = Prefixes(most_bytes=3 * 2 * 32 * 4)

    def keep(first: int) -> list[int]:
        tokens = list(range(first, first + 32))
        prefixes.keep(None, tokens, [(torch.zeros(1, 32, 1), torch.zeros(1, 32, 1))])
        return tokens

    one, two, three = keep(0), keep(100), keep(200)
    assert prefixes.find(None, [*one, 7]) is not None
    keep(300)
    assert prefixes.find(None, [*two, 7]) is None
    found = prefixes.find(None, [*three[:20], 7, 8])
    assert found is not None and found[1] == 20
    assert prefixes.find("lora", [*three, 7]) is None
    assert prefixes.bytes <= prefixes.most_bytes
    prefixes.forget(None)
    assert prefixes.bytes == 0


def test_the_keys_and_values_of_a_batch_are_freed_without_a_search_for_garbage(
    embedded: AdaptedModel, pages: list[Request]
) -> None:
    gc.collect()
    gc.disable()
    try:
        for _ in range(2):
            embedded.answer(pages[:4])
        left = [each for each in gc.get_objects() if type(each) is Rows]
    finally:
        gc.enable()
    assert left == []
