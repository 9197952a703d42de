"""The path of a GPU without bf16 (T4, V100): an adapter trained in fp16 with loss scaling.

    python benchmarks/gpu/half.py --shape 1b      # prints one JSON object

The trainer is told that the GPU has no bf16. Without a GPU there is nothing to measure, and the object says so.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

from model import SHAPES, Shape, build, item, tokenizer
from qlora import STEPS, WARMING, recipe_of, train

from grokputer.adapters.serving.base_model import compute_dtype, device, use_threads
from grokputer.adapters.training.child import reason
from grokputer.adapters.training.trainer import make_trainer


def main() -> None:
    """Train a few steps."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--shape", choices=SHAPES, required=True)
    given = options.parse_args()
    print(json.dumps(measure(SHAPES[given.shape])))


def measure(shape: Shape) -> dict[str, Any]:
    """The dtype, whether losses were scaled, the losses, which must be finite, and examples per second."""
    if device() == "cpu":
        return {"skipped": "a CPU computes in bf16; this needs a GPU"}
    use_threads(2)
    size = shape.batch * shape.accumulation
    with patch("torch.cuda.is_bf16_supported", lambda **given: False), tempfile.TemporaryDirectory() as folder:
        dtype = compute_dtype()
        model = build(shape, is_nf4=False).to(dtype).requires_grad_(False)
        items = [item(shape, seed) for seed in range((WARMING + STEPS) * size)]
        recipe = recipe_of(shape).replace(quantization="none")
        trainer: Any = make_trainer(model, tokenizer(), items, recipe, Path(folder))
        seconds = train(trainer)
    losses = [round(entry["loss"], 3) for entry in trainer.state.log_history if "loss" in entry]
    return {
        "dtype": str(dtype).removeprefix("torch."),
        "is_scaled": bool(trainer.args.fp16),
        "losses": losses,
        "examples_per_s": round(STEPS * size / seconds, 2),
    }


if __name__ == "__main__":
    try:
        main()
    except Exception as error:
        sys.exit(reason(error))
