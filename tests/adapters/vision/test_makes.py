"""Vision models of other makes: the picture changes the answer, an adapter is trained, applied, and switched off."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tiny_base import quiet_libraries
from tiny_vision import MAKES, QUESTION, color_examples, draw_square, key_of

from grokputer.adapters.data.examples import write_examples
from grokputer.adapters.data.media_files import write_media
from grokputer.adapters.serving.base_model import Base
from grokputer.adapters.serving.local import LocalModel
from grokputer.adapters.training.job import TrainingJobSpec
from grokputer.adapters.training.trainer import train_job
from grokputer.domain.page.media import IMAGE, add_marks
from grokputer.domain.settings.recipe import Recipe

RECIPE = Recipe(epochs=6, batch=8, accumulation=1, learning_rate=1e-2, quantization="none", checkpoint_steps=1000)


def asking(color: str) -> dict[str, Any]:
    """A question about a square of the color."""
    media = {key_of(0): draw_square(color)}
    return {"messages": [{"role": "user", "content": add_marks(QUESTION, media)}], "media": media}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # its training collects others' garbage
@pytest.mark.parametrize("make", MAKES)
def test_an_adapter_of_another_make_sees_is_proven_and_can_be_switched_off(make: str, tmp_path: Path) -> None:
    base = MAKES[make](tmp_path / "base")
    examples, media = color_examples(32)
    (tmp_path / "job").mkdir()
    write_examples(tmp_path / "dataset.jsonl", examples)
    write_media(tmp_path / "media", media)
    with quiet_libraries():
        result = train_job(TrainingJobSpec(tmp_path / "job", tmp_path / "dataset.jsonl", RECIPE, Base(str(base))))
    rows = [json.loads(line) for line in (tmp_path / "job" / "progress.jsonl").read_text().splitlines()]
    losses = [row["loss"] for row in rows if "loss" in row]
    assert (result.examples, result.left_out) == (32, 0) and losses[-1] < losses[0] / 2
    model = LocalModel(Base(str(base), quantization="none"))
    model.load("eyes", result.adapter)
    assert model.takes == {IMAGE} and model.prove("eyes", result.adapter).is_applied
    before = {color: model.score(answer=color, **asking(color)) for color in ("red", "blue")}
    assert model.score(answer="red", **asking("red"))[0] != model.score(answer="red", **asking("blue"))[0]
    applied = model.score(answer="red", adapter="eyes", **asking("red"))
    assert applied[0] > before["red"][0] + 1
    assert model.score(answer="red", **asking("red")) == before["red"]
    model.close()
