"""What QLoRA saves: a model trained in NF4, compared with 16-bit LoRA and full fine-tuning.

    python benchmarks/gpu/qlora.py --shape 8b --method nf4      # or lora, full; prints one JSON object

Adapters are trained by the package's own trainer with the preset ``large``; full fine-tuning by TRL with the same
arguments, weights and AdamW's state in bf16.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from model import SHAPES, Shape, build, item, tokenizer

from grokputer.adapters.serving.base_model import use_threads
from grokputer.adapters.training.batches import Item
from grokputer.adapters.training.child import reason
from grokputer.adapters.training.trainer import make_arguments, make_trainer
from grokputer.domain.settings.recipe import Recipe, preset

METHODS = ("nf4", "lora", "full")
WARMING = 1
"""Steps before the measurement starts."""
STEPS = 3
"""Optimiser steps that are timed."""


def main() -> None:
    """Measure one method."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--shape", choices=SHAPES, required=True)
    options.add_argument("--method", choices=METHODS, required=True)
    given = options.parse_args()
    print(json.dumps(measure(SHAPES[given.shape], given.method)))


def measure(shape: Shape, method: str) -> dict[str, Any]:
    """Parameters that are trained, bytes of the weights, peak memory in bytes beyond the libraries', tokens per second."""
    import torch

    use_threads(2)
    libraries = peak_bytes()
    model = build(shape, is_nf4=method == "nf4")
    weights = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
    recipe = recipe_of(shape).replace(quantization="nf4")
    rows = (WARMING + STEPS) * shape.batch * shape.accumulation
    with tempfile.TemporaryDirectory() as folder:
        trainer = _make(model, [item(shape, seed) for seed in range(rows)], recipe, method, Path(folder))
        seconds = train(trainer)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return {
        "trained": sum(parameter.numel() for parameter in trainer.model.parameters() if parameter.requires_grad),
        "weights_bytes": weights,
        "peak_bytes": peak_bytes() - libraries,
        "tokens_per_s": round(STEPS * shape.batch * shape.accumulation * shape.length / seconds, 1),
    }


def recipe_of(shape: Shape) -> Recipe:
    """The preset ``large`` with the batches and the length of the shape."""
    return preset("large").replace(
        batch=shape.batch, accumulation=shape.accumulation, max_length=shape.length, packing=False, epochs=1
    )


def train(trainer: Any) -> float:
    """Train to the end; the seconds of the steps after those that warm up."""
    clock = _clock()
    trainer.add_callback(clock)
    trainer.args.save_strategy = "no"
    trainer.train()
    return float(clock.ends[-1] - clock.ends[WARMING - 1])


def peak_bytes() -> int:
    """The most memory so far: of the GPU, or of this process where there is none."""
    import torch

    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _make(model: Any, items: list[Item], recipe: Recipe, method: str, folder: Path) -> Any:
    if method != "full":
        return make_trainer(model, tokenizer(), items, recipe, folder)
    from datasets import Dataset  # type: ignore[import-untyped]
    from trl.trainer.sft_trainer import SFTTrainer

    model.config.use_cache = False
    rows: Any = Dataset.from_list([item.row for item in items])
    return SFTTrainer(
        model=model, args=make_arguments(recipe, folder, model.dtype), processing_class=tokenizer(), train_dataset=rows
    )


def _clock() -> Any:
    from transformers import TrainerCallback

    class Clock(TrainerCallback):
        """When each optimiser step ended; the loss, which is logged after each, has waited for the GPU."""

        def __init__(self) -> None:
            self.ends: list[float] = []

        def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if "loss" in (kwargs.get("logs") or {}):
                self.ends.append(time.monotonic())

    return Clock()


if __name__ == "__main__":
    try:
        main()
    except Exception as error:
        sys.exit(reason(error))
