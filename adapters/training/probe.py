"""A probe: a few steps of a training, in their own process, to measure the cost of the whole on this machine.

It runs the actual trainer (``trainer.py``) on selected rows in a temporary folder, and keeps only times and memory.
``python -m grokputer.adapters.training.probe JOB_DIR`` is the process.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ...domain.settings.recipe import Recipe
from ..registry.files import write_atomically
from .child import main
from .cost import Estimate, Plan, Trial, estimate_duration_s, plan_probe
from .job import TrainingJobSpec
from .process import ProcessLauncher, train
from .trainer import row_lengths, take_in_order

PROCESS = f"{__package__}.probe"
"""The module that is the probe's process."""
FILE = "probe.json"
"""The file with the measurements, in the probe's folder."""
LIMIT_S = 30.0
"""Seconds of training after which a probe starts no further step, once it has timed one; chosen."""


def probe(job: TrainingJobSpec) -> Estimate:
    """The estimated cost of the training, from a few steps of it. The job's folder is not changed.

    Raises ``TrainingError`` with the reason when it cannot be trained, insufficient memory included.
    """
    with tempfile.TemporaryDirectory(prefix="grokputer-probe-") as folder:
        directory = Path(folder) / "job"
        result = train(
            replace(job, directory=directory, dataset=job.dataset.resolve()), launcher=ProcessLauncher(PROCESS)
        )
        measured = json.loads((directory / FILE).read_text(encoding="utf-8"))
    step_s = tuple(measured["step_s"])
    trial = Trial(step_s, result.duration_s - sum(step_s), measured["save_s"])
    plan = Plan(**measured["plan"])
    return Estimate(
        result.examples,
        result.left_out,
        result.tokens,
        plan.steps,
        estimate_duration_s(plan, trial, job.recipe),
        result.peak_memory_bytes,
        result.device,
        f"{len(step_s)} steps measured on this machine",
    )


def shorten(trainer: Any, recipe: Recipe, directory: Path) -> None:
    """Turn a trainer that is about to start into a probe: planned rows in their order, timed steps, one checkpoint."""
    from transformers import TrainerCallback

    class Timing(TrainerCallback):
        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self.step_s: list[float] = []
            self.began = self.last = time.monotonic()

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            now = time.monotonic()
            self.step_s.append(now - self.last)
            self.last = now
            if now - self.began > LIMIT_S and len(self.step_s) > plan.untimed:
                control.should_training_stop = control.should_save = True

        def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self.save_s = time.monotonic() - self.last

        def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            measured = {"plan": asdict(plan), "step_s": self.step_s, "save_s": self.save_s}
            write_atomically(directory / FILE, json.dumps(measured))

    plan = plan_probe(row_lengths(trainer), recipe)
    trainer.train_dataset = trainer.train_dataset.select(plan.order)
    take_in_order(trainer, range(len(plan.order)))
    trainer.args.num_train_epochs = 1
    trainer.args.save_steps = len(plan.step_tokens)
    trainer.add_callback(Timing())


if __name__ == "__main__":
    job = TrainingJobSpec.read(Path(sys.argv[1]))
    sys.exit(main(job.directory, lambda trainer: shorten(trainer, job.recipe, job.directory)))
