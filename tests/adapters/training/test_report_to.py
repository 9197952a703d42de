"""``training.report_to``: the course of a training in another tool too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tiny_base import RECIPE, click_examples, job, quiet_libraries

from grokputer.adapters.training import trainer
from grokputer.adapters.training.job import TrainingJobSpec
from grokputer.runners.wiring import extras


def test_the_named_tool_gets_every_loss(tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the registry of transformers, where TensorBoard's callback is one of several."""
    from transformers import TrainerCallback
    from transformers.integrations import integration_utils

    losses: list[float] = []

    class Shown(TrainerCallback):
        def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            losses.extend([kwargs["logs"]["loss"]] if "loss" in kwargs["logs"] else [])

    untyped: Any = integration_utils
    monkeypatch.setitem(untyped.INTEGRATION_TO_CALLBACK, "tensorboard", Shown)
    spec = job(tmp_path, tiny_base, click_examples(16), RECIPE.replace(epochs=1, quantization="none"))
    spec = TrainingJobSpec(spec.directory, spec.dataset, spec.recipe, spec.base, report_to="tensorboard")
    with quiet_libraries():
        result = trainer.train_job(spec)
    assert len(losses) == result.steps and losses[-1] == result.final_loss


def test_a_job_is_read_with_its_tool_and_without_one(tmp_path: Path) -> None:
    spec = TrainingJobSpec(tmp_path, tmp_path / "dataset.jsonl", report_to="wandb")
    assert spec.to_json()["report_to"] == "wandb"
    assert "report_to" not in TrainingJobSpec(tmp_path, tmp_path / "dataset.jsonl").to_json()


def test_a_tool_that_is_not_installed_is_one_line_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    assert extras.complain_of_reporter("mlflow") == "mlflow is not installed; run: pip install mlflow"
    assert extras.complain_of_reporter("none") == ""
