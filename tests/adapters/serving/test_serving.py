"""One base and many adapters: every request gets the answer of its own."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny_base import Trained, build_base, click_examples

from grokputer.adapters.serving.base_model import Base
from grokputer.adapters.serving.local import LocalModel
from grokputer.domain.errors import DamagedWeights, ModelError, UnknownAdapter
from grokputer.domain.page.messages import Completion, Message, Request

PAGES = [example.messages for example in click_examples(8, seed=9)]


@pytest.fixture(scope="module")
def model(tiny_base: Path, trained: Trained) -> Iterator[LocalModel]:
    model = LocalModel(Base(str(tiny_base)))
    model.load("asked", trained.asked.adapter)
    model.load("done", trained.done.adapter)
    yield model
    model.close()


def test_an_adapter_has_learned_what_it_was_taught(model: LocalModel) -> None:
    examples = click_examples(30, seed=5, done=True)
    right = sum(model.complete(e.messages, adapter="done").text == e.completion for e in examples)
    assert right == 30


def test_the_base_answers_as_if_no_adapter_were_loaded(model: LocalModel, tiny_base: Path) -> None:
    bare = LocalModel(Base(str(tiny_base)))
    for page in PAGES:
        assert model.next_logits(page) == bare.next_logits(page)
    bare.close()


def test_a_reloaded_adapter_answers_as_before(model: LocalModel, trained: Trained) -> None:
    before = [model.next_logits(page, adapter="asked") for page in PAGES]
    model.unload("asked")
    model.load("asked", trained.asked.adapter)
    assert [model.next_logits(page, adapter="asked") for page in PAGES] == before


def test_an_answer_is_scored_by_the_probability_of_all_its_tokens_and_its_end(model: LocalModel) -> None:
    import torch

    for adapter in (None, "asked"):
        first = torch.tensor(model.next_logits(PAGES[0], adapter=adapter)).log_softmax(-1)
        score, tokens = model.score(PAGES[0], "", adapter=adapter)
        assert tokens == 1  # the end alone, token 1
        assert score == pytest.approx(first[1].item(), abs=1e-3)
        assert model.score(PAGES[0], "CLICK", adapter=adapter)[0] < first.max().item()
    taught, others = model.score(PAGES[0], "DONE", adapter="done")[0], model.score(PAGES[0], "DONE")[0]
    assert taught > -3 > -15 > others
    with pytest.raises(ModelError, match="do not fit"):
        model.score(PAGES[0], "Ok" * 600)


def test_sixteen_threads_that_ask_at_once_get_their_own_answers(model: LocalModel) -> None:
    adapters = [None, "asked", "done"]
    right = {
        (i, adapter): model.complete(page, adapter=adapter, max_tokens=16)
        for i, page in enumerate(PAGES)
        for adapter in adapters
    }
    wrong: list[str] = []

    def ask(thread: int) -> None:
        for turn in range(6):
            i, adapter = (thread + turn) % len(PAGES), adapters[(thread * 7 + turn) % 3]
            answer = model.complete(PAGES[i], adapter=adapter, max_tokens=16)
            if answer.text != right[i, adapter].text:
                wrong.append(answer.text)

    threads = [threading.Thread(target=ask, args=(thread,)) for thread in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({answer.text for answer in right.values()}) > len(adapters)
    assert not wrong


def test_answers_are_those_of_generate(tiny_base: Path, trained: Trained, model: LocalModel) -> None:
    import torch
    from tiny_base import quiet_libraries

    from grokputer.adapters.serving.chat_template import prompt_tokens

    with quiet_libraries():
        from peft import PeftModel

        bare, tokenizer = Base(str(tiny_base)).load()
        reference = PeftModel.from_pretrained(bare, str(trained.asked.adapter)).eval()
    for page in PAGES:
        ids = torch.tensor([prompt_tokens(tokenizer, page)])
        options = {"attention_mask": torch.ones_like(ids), "max_new_tokens": 32, "do_sample": False}
        output = reference.generate(input_ids=ids, **options)  # type: ignore[no-untyped-call]
        expected = tokenizer.decode(output[0, ids.shape[1] :], skip_special_tokens=True)
        assert model.complete(page, adapter="asked", max_tokens=32).text == expected


def test_a_batch_over_several_adapters_gives_the_answers_in_order(model: LocalModel) -> None:
    requests = [Request(page, adapter, 24) for page in PAGES for adapter in ("asked", "done", None)]
    alone = [model.complete(r.messages, adapter=r.adapter, max_tokens=24) for r in requests if r.adapter]
    together = [c for c, r in zip(model.complete_many(requests), requests, strict=True) if r.adapter]
    assert [it.text for it in together if isinstance(it, Completion)] == [it.text for it in alone]


def test_an_answer_ends_where_the_model_ends_it_or_where_it_must(model: LocalModel) -> None:
    whole = model.complete(PAGES[0], adapter="done")
    assert "<eos>" not in whole.text
    assert whole.completion_tokens is not None and whole.completion_tokens < 64
    for count in range(1, whole.completion_tokens + 1):
        cut = model.complete(PAGES[0], adapter="done", max_tokens=count)
        assert cut.completion_tokens == count
        assert whole.text.startswith(cut.text)


def test_sampling_is_repeated_by_its_seed(model: LocalModel) -> None:
    def sample(seed: int) -> str:
        return model.complete(PAGES[0], temperature=2.0, seed=seed, max_tokens=16).text

    assert sample(1) == sample(1)
    assert len({sample(seed) for seed in range(4)}) > 1


def test_an_adapter_that_had_to_make_room_comes_back_when_asked(
    tiny_base: Path, trained: Trained, model: LocalModel
) -> None:
    small = LocalModel(Base(str(tiny_base)), resident=1)
    small.load("asked", trained.asked.adapter)
    small.load("done", trained.done.adapter)
    assert small.names() == ["asked", "done"]
    for adapter in ("asked", "done", "asked"):
        assert small.next_logits(PAGES[0], adapter=adapter) == model.next_logits(PAGES[0], adapter=adapter)
    small.close()


def test_weights_that_changed_on_the_disk_are_not_read_again(tiny_base: Path, trained: Trained, tmp_path: Path) -> None:
    shutil.copytree(trained.asked.adapter, tmp_path / "adapter")
    small = LocalModel(Base(str(tiny_base)), resident=1)
    small.load("mine", tmp_path / "adapter")
    small.load("done", trained.done.adapter)
    (tmp_path / "adapter" / "adapter_model.safetensors").write_bytes(b"")
    with pytest.raises(DamagedWeights, match=r"of adapter mine have changed in .*; restore them"):
        small.complete(PAGES[0], adapter="mine")
    assert small.complete(PAGES[0], adapter="done").text
    small.close()


def test_a_name_can_be_given_other_weights(tiny_base: Path, trained: Trained, model: LocalModel) -> None:
    other = LocalModel(Base(str(tiny_base)))
    for adapter in (trained.asked, trained.done):
        other.load("stable", adapter.adapter)
    assert other.names() == ["stable"]
    assert other.next_logits(PAGES[0], adapter="stable") == model.next_logits(PAGES[0], adapter="done")
    other.close()


def test_the_last_adapter_can_go_and_another_come(tiny_base: Path, trained: Trained, model: LocalModel) -> None:
    other = LocalModel(Base(str(tiny_base)))
    other.load("asked", trained.asked.adapter)
    other.unload("asked")
    assert other.next_logits(PAGES[0]) == model.next_logits(PAGES[0])
    other.load("done", trained.done.adapter)
    assert other.next_logits(PAGES[0], adapter="done") == model.next_logits(PAGES[0], adapter="done")
    other.close()


def test_loading_adapters_between_requests_leaves_the_base_as_it_is(tiny_base: Path, trained: Trained) -> None:
    other = LocalModel(Base(str(tiny_base)))
    before = other.next_logits(PAGES[0])
    for name in ("one", "two", "three"):
        other.load(name, trained.asked.adapter)
        assert other.next_logits(PAGES[0]) == before
    other.close()


def test_an_adapter_that_is_not_loaded_is_unknown(model: LocalModel) -> None:
    for ask in (lambda: model.complete(PAGES[0], adapter="lora-v9"), lambda: model.unload("lora-v9")):
        with pytest.raises(UnknownAdapter, match="adapter lora-v9 is not loaded; loaded are: asked, done"):
            ask()


def test_an_adapter_of_another_base_is_refused_and_leaves_no_trace(
    tiny_base: Path, trained: Trained, tmp_path: Path
) -> None:
    wider = LocalModel(Base(str(build_base(tmp_path / "wider", width=128))))
    before = wider.next_logits(PAGES[0])
    with pytest.raises(ModelError, match="does not fit the base model") as refused:
        wider.load("asked", trained.asked.adapter)
    assert "\n" not in str(refused.value)
    assert wider.names() == []
    assert wider.next_logits(PAGES[0]) == before
    wider.close()


def test_an_adapter_with_missing_weights_is_refused(model: LocalModel, trained: Trained, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    shutil.copytree(trained.asked.adapter, tmp_path / "adapter")
    weights = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    weights.pop(sorted(weights)[0])
    save_file(weights, tmp_path / "adapter" / "adapter_model.safetensors")
    with pytest.raises(ModelError, match="do not match"):
        model.load("partial", tmp_path / "adapter")
    assert model.names() == ["asked", "done"]


def test_a_folder_without_safetensors_is_refused(model: LocalModel, trained: Trained, tmp_path: Path) -> None:
    shutil.copytree(trained.asked.adapter, tmp_path / "adapter")
    (tmp_path / "adapter" / "adapter_model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"adapter_model\.safetensors is missing"):
        model.load("empty", tmp_path / "adapter")


def test_a_prompt_that_does_not_fit_is_one_line(model: LocalModel) -> None:
    long: list[Message] = [{"role": "user", "content": "x" * 500}]
    with pytest.raises(ModelError, match="prompt of 501 tokens and 64 for the answer do not fit the model's 512"):
        model.complete(long)


def test_a_prompt_that_does_not_fit_takes_no_other_of_its_batch_along(model: LocalModel) -> None:
    fits, long = PAGES[0], [Message(role="user", content="x" * 600)]
    first, refused, last = model.complete_many([Request(page, None, 8) for page in (fits, long, fits)])
    assert isinstance(refused, ModelError)
    assert isinstance(first, Completion) and isinstance(last, Completion)
    assert first.text == last.text == model.complete(fits, max_tokens=8).text


def test_a_base_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"lacks config\.json") as refused:
        LocalModel(Base(str(tmp_path)))
    assert "\n" not in str(refused.value)


def test_a_base_of_pickles_is_refused(tiny_base: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_base, tmp_path / "base")
    (tmp_path / "base" / "model.safetensors").rename(tmp_path / "base" / "pytorch_model.bin")
    with pytest.raises(ModelError, match="pickles alone"):
        LocalModel(Base(str(tmp_path / "base")))


def test_a_base_can_be_served_without_quantisation(tiny_base: Path) -> None:
    plain = LocalModel(Base(str(tiny_base), quantization="none"))
    assert (plain.complete(PAGES[0], max_tokens=4).completion_tokens or 0) <= 4
    plain.close()


def test_a_config_that_is_no_lora_is_refused(model: LocalModel, trained: Trained, tmp_path: Path) -> None:
    shutil.copytree(trained.asked.adapter, tmp_path / "adapter")
    (tmp_path / "adapter" / "adapter_config.json").write_text(json.dumps({"peft_type": "PROMPT_TUNING"}))
    with pytest.raises(ModelError, match="does not fit the base model"):
        model.load("other", tmp_path / "adapter")
    assert model.names() == ["asked", "done"]
