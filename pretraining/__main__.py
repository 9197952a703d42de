"""Pretrain the embedded base model: ``python -m grokputer.pretraining --steps 3000 --out DIR``.

Records demonstrations of the base tasks in the browser (once: ``DIR/demonstrations.jsonl``), trains the tokenizer, then
the model; the result is in ``DIR/model``. Run it again with ``--resume`` to continue, also towards other ``--steps``.
``--evaluate DIR/model`` measures a model in the browser instead. Two processes of one thread each are twice as fast as
one of two threads: ``OMP_WAIT_POLICY=passive torchrun --nproc-per-node 2 -m grokputer.pretraining --threads 1 ...``.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import fields
from pathlib import Path
from random import Random
from typing import Any

from .corpus import encode, load_demonstrations, prompt, record_demonstrations, save_demonstrations
from .pretrain import Recipe, Training, pretrain
from .synthetic import demonstrate_synthetic
from .tokenizer import train_tokenizer

HELD_OUT_SEED = 90_000
"""The first seed of the demonstrations that measure progress; training seeds are above, evaluation seeds below."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    options = _parser().parse_args(arguments)
    if options.evaluate:
        from .evaluate import evaluate

        evaluate(
            options.evaluate,
            options.tasks,
            range(options.first_seed, options.first_seed + options.episodes),
            options.failures,
        )
        return
    recipe = Recipe(**{field.name: getattr(options, field.name) for field in fields(Recipe)})
    train(recipe, options.out, options.demonstrations, options.resume, options.threads)


def train(recipe: Recipe, out: Path, episodes: int, resume: bool, threads: int) -> None:
    """Record demonstrations, train the tokenizer, train the model; existing files are reused."""
    import torch
    from transformers import AutoTokenizer

    torch.set_num_threads(threads)
    part = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))  # torchrun sets them
    if part[1] > 1:
        torch.distributed.init_process_group("gloo")
    out.mkdir(parents=True, exist_ok=True)
    recorded, checks = out / "demonstrations.jsonl", out / "held_out.jsonl"
    if part[1] > 1 and not (recorded.exists() and (out / "tokenizer").exists()):
        raise SystemExit(f"{out} has no demonstrations and tokenizer yet; make them with one process and --steps 0")
    if not recorded.exists():
        save_demonstrations(checks, record_demonstrations(20, HELD_OUT_SEED))
        save_demonstrations(recorded, record_demonstrations(episodes))
    demonstrations = load_demonstrations(recorded)
    synthetic = [each for i in range(3000) for each in demonstrate_synthetic(Random(f"tokenizer:{i}"))]
    if not (out / "tokenizer").exists():
        texts = [
            prompt(each) + each.action for each in [*demonstrations[:: max(1, len(demonstrations) // 3000)], *synthetic]
        ]
        train_tokenizer(texts).save_pretrained(out / "tokenizer")
    tokenizer: Any = AutoTokenizer.from_pretrained(out / "tokenizer")
    training = Training(recipe, tokenizer)
    if resume:
        training.load(out / "state.pt")
    held_out = {"base": encode(tokenizer, load_demonstrations(checks)), "synthetic": encode(tokenizer, synthetic[:400])}
    pretrain(training, encode(tokenizer, demonstrations), held_out, out, part=part)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m grokputer.pretraining", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("pretraining"), help="folder for all results")
    parser.add_argument("--demonstrations", type=int, default=600, help="episodes per base task")
    parser.add_argument("--resume", action="store_true", help="continue from the folder's last state")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--evaluate", type=Path, help="measure this model in the browser and train nothing")
    parser.add_argument("--tasks", nargs="*", help="the tasks to measure; default: base and unseen")
    parser.add_argument("--episodes", type=int, default=50, help="episodes per task to measure")
    parser.add_argument("--first-seed", type=int, default=0, help="the first seed to measure")
    parser.add_argument("--failures", action="store_true", help="print the actions of the episodes that failed")
    for field in fields(Recipe):
        kind = float if isinstance(field.default, float) else int
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=kind, default=field.default)
    return parser


if __name__ == "__main__":
    main()
