"""How close the estimate of a training comes to its real cost, on the embedded model.

    python benchmarks/cost.py --sizes 60 240

For each size of dataset: the estimate of ``train --dry-run``, then the training itself, as ratios estimate / measured.
The machine should be idle otherwise. The examples are pages from pretraining.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from grokputer.adapters.data.examples import Example, write_examples
from grokputer.adapters.training.job import TrainingJobSpec
from grokputer.adapters.training.probe import probe
from grokputer.adapters.training.process import train
from grokputer.domain.page.messages import Page
from grokputer.domain.page.prompt import observe
from grokputer.domain.settings.recipe import Recipe

WORDS = ("Ok", "Cancel", "Next", "Back", "Send", "Yes", "No", "Help", "Reply", "Forward", "Delete", "Submit")


def main() -> None:
    """Estimate and train for each size, and print the ratios."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--sizes", type=int, nargs="+", default=[60, 240])
    options.add_argument("--epochs", type=int, default=Recipe().epochs)
    arguments = options.parse_args()
    recipe = Recipe(epochs=arguments.epochs)
    print(
        f"{'examples':>8} {'steps':>6} {'probe s':>8} {'estimate s':>11} {'measured s':>11} {'time':>6} {'memory':>7}"
    )
    for size in arguments.sizes:
        with tempfile.TemporaryDirectory() as folder:
            dataset = Path(folder) / "dataset.jsonl"
            write_examples(dataset, [page(number) for number in range(size)])
            spec = TrainingJobSpec(Path(folder) / "job", dataset, recipe)
            began = time.monotonic()
            estimate = probe(spec)
            probed_s = time.monotonic() - began
            result = train(spec)
        assert estimate.duration_s is not None and estimate.peak_memory_bytes is not None
        assert (estimate.steps, estimate.examples, estimate.tokens) == (result.steps, result.examples, result.tokens)
        print(
            f"{size:8} {estimate.steps:6} {probed_s:8.1f} {estimate.duration_s:11.1f} {result.duration_s:11.1f} "
            f"{estimate.duration_s / result.duration_s:6.2f} {estimate.peak_memory_bytes / result.peak_memory_bytes:7.2f}",
            flush=True,
        )


def page(number: int) -> Example:
    """A page of 2 to 24 buttons and the click on one of them: lengths vary as those of real pages do."""
    count = 2 + number * 7 % 23
    lines = tuple(f"button:{WORDS[(number + i) % len(WORDS)]}[{i + 1}]" for i in range(count))
    messages = tuple(observe(Page(f"Click button {number % count + 1}.", lines), []))
    return Example(messages, f"CLICK{lines[number % count]}", "correction")


if __name__ == "__main__":
    main()
