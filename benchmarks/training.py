"""Training SmolLM2: its speed beside that of TRL's supervised trainer, and the figures of its default recipe.

    python benchmarks/training.py speed
    python benchmarks/training.py sweep

Needs the model ``smollm2`` (``make weights``). The examples are first commands of the program's shell tasks, in words and
with the files of the folder, 60 to 300 tokens long. Held out are other seeds, and with ``sweep`` other wordings too.
"Right" is an answer whose every token is the likeliest one, which is what greedy decoding writes.

``speed`` trains each side in a process of its own, in turn, on one thread, with the same rows, rank, learning rate,
schedule, epochs and 16 examples a step, and counts CPU seconds of the training alone. The options say how many rows
each side has in a batch. ``sweep`` trains one adapter for each learning rate and rank.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from grokputer.adapters.data.examples import Example
from grokputer.adapters.serving.base_model import Base, use_threads
from grokputer.adapters.training.batches import Item, collate, tokenize
from grokputer.adapters.training.trainer import make_arguments, make_trainer, plain_attention
from grokputer.domain.page.action import write_command
from grokputer.domain.page.messages import Page
from grokputer.domain.page.prompt import observe
from grokputer.domain.settings.recipe import Recipe
from grokputer.runners.environments.shell.families import OWN
from grokputer.runners.environments.shell.family import PHRASINGS

PLAIN, OWN_SIDE = "plain TRL", "grokputer"
STEP = 16
"""Examples of an optimiser step."""


def main() -> None:
    """Print the table that is asked for."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("what", choices=("speed", "sweep"))
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--examples", type=int, default=48)
    options.add_argument("--epochs", type=int, default=1)
    options.add_argument("--plain-batch", type=int, default=4)
    options.add_argument("--batch", type=int, default=4)
    options.add_argument("--rates", type=float, nargs="+", default=[5e-4, 1e-3, 2e-3, 4e-3])
    options.add_argument("--ranks", type=int, nargs="+", default=[16])
    options.add_argument("--only", help=argparse.SUPPRESS)
    arguments = options.parse_args()
    if arguments.only:
        print(json.dumps(train(json.loads(arguments.only))))
    elif arguments.what == "speed":
        compare(arguments)
    else:
        sweep(arguments)


def compare(arguments: argparse.Namespace) -> None:
    """Both sides in turn, and the medians."""
    common = {"examples": arguments.examples, "epochs": arguments.epochs, "r": 16, "learning_rate": 1e-3, "names": 1}
    batches = {PLAIN: arguments.plain_batch, OWN_SIDE: arguments.batch}
    measured: dict[str, list[dict[str, Any]]] = {side: [] for side in batches}
    print(
        "| side | batch | examples per CPU s | peak memory, GB | last loss | held-out loss |\n|---|---|---|---|---|---|"
    )
    for _ in range(arguments.rounds):
        for side, batch in batches.items():
            measured[side].append(alone({**common, "side": side, "batch": batch}))
    rates = {}
    for side, rows in measured.items():
        each = [row["trained"] / row["cpu_s"] for row in rows]
        rates[side] = median(each)
        print(
            f"| {side} | {batches[side]} | {median(each):.2f} ({min(each):.2f}-{max(each):.2f}) | "
            f"{median(row['peak_gb'] for row in rows):.2f} | {rows[0]['loss']:.3f} | {rows[0]['held_out']:.3f} |"
        )
    print(f"{rates[OWN_SIDE] / rates[PLAIN]:.2f} times the examples per CPU second")


def sweep(arguments: argparse.Namespace) -> None:
    """An adapter for each learning rate and rank."""
    print(
        "| rank | learning rate | loss, other names | right | loss, other wordings | right |\n|---|---|---|---|---|---|"
    )
    for r in arguments.ranks:
        for rate in arguments.rates:
            common = {"examples": arguments.examples, "epochs": arguments.epochs, "batch": arguments.batch}
            row = alone({**common, "side": OWN_SIDE, "r": r, "learning_rate": rate, "names": 0})
            print(
                f"| {r} | {rate:g} | {row['held_out']:.3f} | {row['right']:.0%} | {row['worded']:.3f} | "
                f"{row['worded_right']:.0%} |",
                flush=True,
            )


def alone(what: dict[str, Any]) -> dict[str, Any]:
    """The same in a process of its own."""
    environment = {"OMP_NUM_THREADS": "1", **os.environ}
    command = [sys.executable, __file__, "speed", "--only", json.dumps(what)]
    run = subprocess.run(command, capture_output=True, text=True, env=environment)
    if run.returncode:
        sys.exit(run.stderr)
    row: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return row


def train(what: dict[str, Any]) -> dict[str, Any]:
    """Train one adapter in this process, and measure it."""
    use_threads(1)
    model, tokenizer = Base("smollm2", quantization="none").load()
    recipe = Recipe(
        quantization="none",
        batch=what["batch"],
        accumulation=STEP // what["batch"],
        epochs=what["epochs"],
        learning_rate=what["learning_rate"],
        r=what["r"],
        alpha=2 * what["r"],
    )
    items = tokenize(list(draw(what["examples"], range(PHRASINGS - 2))), tokenizer, 512)
    with tempfile.TemporaryDirectory() as folder:
        own = what["side"] == OWN_SIDE
        trainer: Any = (make_trainer if own else make_plain)(model, tokenizer, items, recipe, Path(folder))
        trainer.args.save_strategy = "no"
        with plain_attention(model, items, recipe.batch) if own else contextlib.nullcontext():
            before = cpu_s()
            with contextlib.redirect_stdout(sys.stderr):
                trainer.train()
            spent = cpu_s() - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    row = {"trained": len(items) * recipe.epochs, "cpu_s": spent, "peak_gb": peak, "loss": losses[-1]}
    first = 1000 * PHRASINGS
    for names, words in (("held_out", range(PHRASINGS - 2)), ("worded", range(PHRASINGS - 2, PHRASINGS))):
        held_out = tokenize(list(draw(59, words, first)), tokenizer, 512)
        row[names], row["right" if names == "held_out" else "worded_right"] = judge(trainer.model, held_out)
        if what["names"]:
            break
    return row


def make_plain(model: Any, tokenizer: Any, items: Sequence[Item], recipe: Recipe, folder: Path) -> Any:
    """TRL's trainer as its documents use it, on the same rows."""
    from datasets import Dataset  # type: ignore[import-untyped]
    from peft import LoraConfig
    from trl.trainer.sft_trainer import SFTTrainer

    lora = LoraConfig(task_type="CAUSAL_LM", r=recipe.r, lora_alpha=recipe.alpha, target_modules="all-linear")
    arguments = make_arguments(recipe, folder, model.dtype)
    arguments.pad_to_multiple_of = None
    rows = Dataset.from_list([item.row for item in items])
    return SFTTrainer(model=model, args=arguments, processing_class=tokenizer, train_dataset=rows, peft_config=lora)


def draw(count: int, words: range, first: int = 0) -> Iterator[Example]:
    """First commands of the shell's tasks, each in one of these wordings; other seeds have other names and files."""
    names = OWN.names()
    for number in range(count):
        round_ = number // len(names) + number
        seed = first + PHRASINGS * number + words[round_ % len(words)]
        task = OWN.make(names[number % len(names)], seed)
        lines = tuple(f"file:{path}[{place}]" for place, path in enumerate(sorted(task.files), 1))
        command = task.solution[0]
        assert isinstance(command, str)
        yield Example(tuple(observe(Page(task.request, lines), [])), write_command(command), "correction")


def judge(model: Any, items: Sequence[Item]) -> tuple[float, float]:
    """The mean loss of the answers' tokens, and the share of answers that greedy decoding would write."""
    import torch

    losses, right = [], 0
    model.eval()
    for item in items:
        batch = collate([item], [0], 0)
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits[0].float()
        start = len(item.prompt) - 1
        answer = torch.tensor(item.answer)
        logits = logits[start : start + len(answer)]
        losses += torch.nn.functional.cross_entropy(logits, answer, reduction="none").tolist()
        right += bool((logits.argmax(-1) == answer).all())
    return sum(losses) / len(losses), right / len(items)


def cpu_s() -> float:
    """CPU seconds of this process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
