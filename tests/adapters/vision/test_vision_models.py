"""A tiny vision model: its answers depend on the picture, an adapter is trained on pictures, applied, and switched off."""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tiny_base import quiet_libraries
from tiny_vision import QUESTION, color_examples, draw_square, key_of

from grokputer.adapters.data.examples import Example, write_examples
from grokputer.adapters.data.media_files import write_media
from grokputer.adapters.serving.base_model import Base
from grokputer.adapters.serving.chat_template import prompt_tokens
from grokputer.adapters.serving.local import LocalModel
from grokputer.adapters.training.batches import UNSEEN
from grokputer.adapters.training.job import TrainingJobSpec, TrainingResult
from grokputer.adapters.training.trainer import train_job
from grokputer.adapters.vision.pictures import open_picture
from grokputer.domain.errors import InvalidExamples, ModelError, TrainingError
from grokputer.domain.page.media import IMAGE, add_marks, write_url
from grokputer.domain.page.messages import Message, Request
from grokputer.domain.settings.recipe import Recipe

RECIPE = Recipe(epochs=6, batch=8, accumulation=1, learning_rate=1e-2, quantization="none", checkpoint_steps=1000)
TEXT = Example(({"role": "user", "content": "task"},), "button", "correction")
HEADER = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
LARGE = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + HEADER + struct.pack(">I", zlib.crc32(HEADER)) + b"\0" * 40
RED, BLUE = draw_square("red"), draw_square("blue")


def asking(*urls: str, words: str = QUESTION) -> tuple[list[Message], dict[str, str]]:
    media = {key_of(number): url for number, url in enumerate(urls)}
    return [{"role": "user", "content": add_marks(words, media)}], media


def job(folder: Path, base: Path, recipe: Recipe, count: int = 32) -> TrainingJobSpec:
    examples, media = color_examples(count)
    (folder / "job").mkdir(parents=True)
    write_examples(folder / "dataset.jsonl", [*examples, TEXT])
    write_media(folder / "media", media)
    return TrainingJobSpec(folder / "job", folder / "dataset.jsonl", recipe, Base(str(base)))


@dataclass(frozen=True)
class Sighted:
    """A model with an adapter that was trained on pictures."""

    model: LocalModel
    result: TrainingResult
    losses: list[float]


@pytest.fixture(scope="module")
def sighted(vision_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    spec = job(tmp_path_factory.mktemp("sighted"), vision_base, RECIPE)
    with quiet_libraries():
        result = train_job(spec)
    rows = [json.loads(line) for line in (spec.directory / "progress.jsonl").read_text().splitlines()]
    model = LocalModel(Base(str(vision_base), quantization="none"))
    model.load("eyes", result.adapter)
    yield Sighted(model, result, [row["loss"] for row in rows if "loss" in row])
    model.close()


def test_a_training_on_pictures_lowers_the_loss_and_leaves_nothing_out(sighted: Sighted) -> None:
    assert (sighted.result.examples, sighted.result.left_out) == (33, 0)
    assert sighted.losses[-1] < sighted.losses[0] / 2


def test_the_picture_changes_the_answer_of_the_base(sighted: Sighted) -> None:
    assert sighted.model.takes == {IMAGE}
    red, blue = (sighted.model.score(messages, "red", media=media) for messages, media in (asking(RED), asking(BLUE)))
    assert red[1] == blue[1] and red[0] != blue[0]


def test_the_adapter_changes_the_answer_and_without_it_the_answer_is_the_base_s(sighted: Sighted) -> None:
    messages, media = asking(RED)
    before = sighted.model.score(messages, "red", media=media)
    applied = sighted.model.score(messages, "red", adapter="eyes", media=media)
    after = sighted.model.score(messages, "red", media=media)
    assert applied[0] > before[0] + 1 and after == before


def test_the_trained_adapter_is_proven_and_adapts_the_language_side_alone(sighted: Sighted) -> None:
    assert sighted.model.prove("eyes", sighted.result.adapter).is_applied
    config = json.loads((sighted.result.adapter / "adapter_config.json").read_text())
    assert config["target_modules"] and all("language_model" in name for name in config["target_modules"])


def test_answers_with_and_without_pictures_come_from_one_batch_in_their_order(sighted: Sighted) -> None:
    (red, seen), (plain, _) = asking(RED), asking(words="task")
    requests = [
        Request(red, "eyes", 3, media=seen),
        Request(plain, "eyes", 3),
        Request(red, "eyes", 3, media={key_of(0): write_url(b"RIFF\0\0\0\0WAVEfmt ")}),
    ]
    first, second, third = sighted.model.complete_many(requests)
    alone = sighted.model.complete(red, adapter="eyes", max_tokens=3, media=seen)
    assert getattr(first, "text", None) == alone.text
    assert getattr(second, "text", None) == "button"
    assert isinstance(third, ModelError) and "takes no sounds; set model.base" in str(third)


def test_an_answer_about_a_picture_is_streamed_in_parts(sighted: Sighted) -> None:
    messages, media = asking(RED, BLUE)
    parts: list[str] = []
    whole = sighted.model.stream(Request(messages, None, 6, media=media), parts.append)
    assert "".join(parts) == whole.text and len(parts) > 1 and (whole.prompt_tokens or 0) > 2 * 16


def test_the_prompt_s_tokens_are_those_of_the_model_s_own_processor(vision_base: Path, sighted: Sighted) -> None:
    import transformers

    untyped: Any = transformers
    inner = sighted.model._model
    messages, media = asking(RED, words="a <image> b")
    assert inner.processor is not None
    seen = inner.processor.look(prompt_tokens(inner.tokenizer, messages, (), media), [RED])
    content = [{"type": "text", "text": "a "}, {"type": "image", "image": open_picture(RED)}]
    made = untyped.AutoProcessor.from_pretrained(vision_base)
    expected = made.apply_chat_template(
        [{"role": "user", "content": content}],
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
        add_generation_prompt=True,
    )
    sign: Any = inner.tokenizer.convert_tokens_to_ids("<image>")
    assert seen.tokens.count(sign) == expected["input_ids"][0].tolist().count(
        sign
    )  # the words "<image>" are no picture
    assert bool((seen.tensors["pixel_values"] == expected["pixel_values"]).all())


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 40, "a picture cannot be read"),
        (LARGE, "a picture has more than 50 million pixels"),
    ],
    ids=["damaged", "too large"],
)
def test_a_damaged_picture_is_an_error_in_one_line(sighted: Sighted, data: bytes, words: str) -> None:
    messages, media = asking(write_url(data))
    with pytest.raises(ModelError, match=words):
        sighted.model.complete(messages, media=media)


def test_a_base_without_eyes_leaves_examples_with_pictures_out_and_says_why(tiny_base: Path, tmp_path: Path) -> None:
    spec = job(tmp_path, tiny_base, RECIPE.replace(epochs=1), count=2)
    with quiet_libraries():
        result = train_job(spec)
    assert (result.examples, result.reasons) == (1, {UNSEEN: 2})


def test_a_dataset_whose_pictures_were_changed_is_not_trained_on(vision_base: Path, tmp_path: Path) -> None:
    spec = job(tmp_path, vision_base, RECIPE, count=2)
    file = next(file for file in (tmp_path / "media").iterdir() if file.suffix != ".json")
    file.write_bytes(b"\x89PNG\r\n\x1a\nother")
    with pytest.raises(InvalidExamples, match="does not have the hash in its name"):
        train_job(spec)


@pytest.mark.parametrize(("target", "both"), [("vision", True), ("q_proj,fc1", True), ("attention", False)])
def test_the_target_says_which_sides_are_adapted(vision_base: Path, target: str, both: bool) -> None:
    from peft import get_peft_model

    from grokputer.adapters.training.lora import configure_lora

    model, _ = Base(str(vision_base), quantization="none").load()
    with quiet_libraries():
        adapted: Any = get_peft_model(model, configure_lora(RECIPE.replace(target=target), model))
    names = [name for name, _ in adapted.named_parameters() if "lora_A" in name]
    assert any("language_model" in name for name in names)
    assert any("vision_tower" in name for name in names) == both


def test_a_target_that_only_sees_is_refused(vision_base: Path) -> None:
    from grokputer.adapters.training.lora import configure_lora

    model, _ = Base(str(vision_base), quantization="none").load()
    with pytest.raises(TrainingError, match="adapts no layer of the model's language side"):
        configure_lora(RECIPE.replace(target="fc1"), model)
