"""The package's trainer beside TRL's supervised trainer: the same rows of different lengths, adapter and batches.

    python benchmarks/gpu/trainers.py --shape 1b --side grokputer      # or trl; prints one JSON object

A quarter of each row is its answer. TRL pads a batch to its longest row and makes logits for all tokens.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from model import SHAPES, Shape, build, item, tokenizer
from qlora import STEPS, WARMING, peak_bytes, recipe_of, train

from grokputer.adapters.serving.base_model import use_threads
from grokputer.adapters.training.batches import Item
from grokputer.adapters.training.child import reason
from grokputer.adapters.training.lora import configure_lora
from grokputer.adapters.training.trainer import make_arguments, make_trainer
from grokputer.domain.settings.recipe import Recipe

SIDES = ("trl", "grokputer")


def main() -> None:
    """Measure one side."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--shape", choices=SHAPES, required=True)
    options.add_argument("--side", choices=SIDES, required=True)
    given = options.parse_args()
    print(json.dumps(measure(SHAPES[given.shape], given.side)))


def measure(shape: Shape, side: str) -> dict[str, Any]:
    """Examples per second, peak memory in bytes, and the loss of the last step."""
    use_threads(2)
    model = build(shape, is_nf4=False).requires_grad_(False)
    recipe = recipe_of(shape).replace(quantization="none")
    size = shape.batch * shape.accumulation
    items = [item(shape, seed, is_ragged=True) for seed in range((WARMING + STEPS) * size)]
    with tempfile.TemporaryDirectory() as folder:
        make = _plain if side == "trl" else make_trainer
        trainer: Any = make(model, tokenizer(), items, recipe, Path(folder))
        seconds = train(trainer)
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return {
        "examples_per_s": round(STEPS * size / seconds, 2),
        "peak_bytes": peak_bytes(),
        "last_loss": round(losses[-1], 3),
    }


def _plain(model: Any, words: Any, items: Sequence[Item], recipe: Recipe, folder: Path) -> Any:
    """TRL's trainer as its documents use it."""
    from datasets import Dataset  # type: ignore[import-untyped]
    from trl.trainer.sft_trainer import SFTTrainer

    model.config.use_cache = False
    arguments = make_arguments(recipe, folder, model.dtype)
    arguments.pad_to_multiple_of = None
    return SFTTrainer(
        model=model,
        args=arguments,
        processing_class=words,
        train_dataset=Dataset.from_list([item.row for item in items]),
        peft_config=configure_lora(recipe, model),
    )


if __name__ == "__main__":
    try:
        main()
    except Exception as error:
        sys.exit(reason(error))
