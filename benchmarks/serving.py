"""Answers of the local model beside those of ``transformers.generate``: their speed, and whether they are equal.

    python benchmarks/serving.py stream
    python benchmarks/serving.py batch
    python benchmarks/serving.py adapter
    python benchmarks/serving.py threads

Needs the model ``smollm2`` (``make weights``); ``--model ""`` takes the embedded base. All sides are loaded into one process
and take turns, on one thread but for ``threads``. Each figure is the median of the rounds, in CPU seconds, because other
programs disturb them less than wall time; ``--json`` gives both. The plain side is the model as transformers loads it, in bf16,
with its own attention and cache, called by ``generate`` with greedy decoding.

``stream`` answers requests one by one whose answers repeat their words. ``batch`` answers 16 waiting requests, one by one
and together. ``adapter`` answers 1, 4 and 16 requests with the base and with a LoRA adapter of rank 16 on all linear layers,
whose numbers are random, so that each answer has all its tokens. The program's beginnings of prompts (``prefixes.py``) are
forgotten before each measurement. ``times`` compares tokens per CPU second.

``threads`` answers 16 requests, short ones and some with long pages, with one thread and with the threads that the program
chooses (``cores.py``); its ``times`` compares tokens per second of the clock, so run it alone.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from grokputer.adapters.serving.adapted_model import AdaptedModel
from grokputer.adapters.serving.base_model import Base, use_threads
from grokputer.adapters.serving.chat_template import prompt_tokens
from grokputer.domain.page.messages import Completion, Message, Request

FILES = (
    "quarterly_report_2026.csv",
    "holiday-photos-lisbon.zip",
    "meeting_notes_march.txt",
    "server_backup_full.tar.gz",
)
REPEATING = (
    *(f"Repeat this shell command exactly, and nothing else:\nmv archive/{name} .trash/{name}" for name in FILES),
    *(
        f'Repeat this JSON function call exactly, and nothing else:\n{{"name": "{call}", "arguments": {{"path": "{name}", '
        f'"destination": "archive/{name}"}}}}'
        for call, name in zip(("move_file", "copy_file", "rename_file", "upload_file"), FILES, strict=True)
    ),
)
THINGS = ("France", "Italy", "Spain", "Japan", "Peru", "Kenya", "Norway", "Egypt")
SHORT = tuple(f"{what} of {thing}? Answer in one sentence." for what in ("What is the capital", "Name a river")
              for thing in THINGS)  # fmt: skip
LONG = tuple(f"Write a long story about a {what} to {thing}." for thing in THINGS for what in ("journey", "letter"))
INSTRUCTIONS = (
    "You answer questions of travellers. You are brief and friendly. You give one fact, and you never give advice on "
    "health, money or law. Where you do not know an answer, you say so, and name a place where it can be found. "
    "Numbers have units of the metric system. Names of places are written as the people there write them."
)


def main() -> None:
    """Print the table that is asked for."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("what", choices=("stream", "batch", "adapter", "threads"))
    options.add_argument("--model", default="smollm2")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--tokens", type=int, default=24, help="most tokens of an answer")
    options.add_argument("--json", action="store_true")
    arguments = options.parse_args()
    use_threads(None if arguments.what == "threads" else 1)
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    sides = Sides(arguments.model, arguments.tokens)
    kinds = {"stream": stream, "batch": batch, "adapter": adapter, "threads": threads}
    rows = kinds[arguments.what](sides, arguments.rounds)
    if arguments.json:
        print(json.dumps(rows))
        return
    print("| what | side | requests | tokens | CPU s | times | equal answers |\n|---|---|---|---|---|---|---|")
    for row in rows:
        print(
            f"| {row['what']} | {row['side']} | {row['requests']} | {row['tokens']} | {row['cpu_s']:.2f} "
            f"| {row['times']:.2f} | {row['equal']} |"
        )


class Sides:
    """The program's model and the plain one."""

    def __init__(self, name: str, tokens: int) -> None:
        self.tokens = tokens
        self.own = AdaptedModel(Base(name, quantization="none"), 1)
        self.plain: Any = Base(name, quantization="none").load()[0]

    def generate(self, prompts: Sequence[list[Message]]) -> list[list[int]]:
        """The plain side's answers, one by one."""
        import torch

        answers = []
        for messages in prompts:
            ids = torch.tensor([prompt_tokens(self.own.tokenizer, messages)])
            options = {"max_new_tokens": self.tokens, "do_sample": False, "pad_token_id": 0}
            with torch.inference_mode():
                out = self.plain.generate(ids, attention_mask=torch.ones_like(ids), **options)
            answers.append([token for token in out[0, ids.shape[1] :].tolist() if token not in self.own.stop])
        return answers

    def answer(self, prompts: Sequence[list[Message]], *, together: bool = True) -> list[list[int]]:
        """The program's answers, together or one by one."""
        self.own.prefixes.forget(self.own.slots[self.own.applied] if self.own.applied else None)
        requests = [Request(messages, None, self.tokens) for messages in prompts]
        groups = [requests] if together else [[request] for request in requests]
        completions = [completion for group in groups for completion in self.own.answer(group)]
        return [self._tokens(completion) for completion in completions]

    def _tokens(self, completion: object) -> list[int]:
        assert isinstance(completion, Completion)
        text: list[int] = self.own.tokenizer(completion.text, add_special_tokens=False)["input_ids"]
        return text


Side = Callable[[], list[list[int]]]


def stream(sides: Sides, rounds: int) -> list[dict[str, Any]]:
    """One stream, whose answers repeat the requests."""
    prompts = [asking(words) for words in REPEATING]
    plain, own = "transformers.generate", "grokputer"
    named: dict[str, Side] = {
        plain: lambda: sides.generate(prompts),
        own: lambda: sides.answer(prompts, together=False),
    }
    return compare("one stream, repeating", named, plain, len(prompts), rounds, sides)


def batch(sides: Sides, rounds: int) -> list[dict[str, Any]]:
    """Sixteen requests that wait."""
    rows = []
    for what, system in (("16 waiting", None), ("16 waiting, with instructions", INSTRUCTIONS)):
        prompts = [asking(words, system) for words in SHORT]
        plain = "transformers.generate, one by one"
        named: dict[str, Side] = {
            plain: lambda prompts=prompts: sides.generate(prompts),  # type: ignore[misc]
            "grokputer, one by one": lambda prompts=prompts: sides.answer(prompts, together=False),  # type: ignore[misc]
            "grokputer, together": lambda prompts=prompts: sides.answer(prompts),  # type: ignore[misc]
        }
        rows += compare(what, named, plain, len(prompts), rounds, sides)
    return rows


def adapter(sides: Sides, rounds: int) -> list[dict[str, Any]]:
    """The base and an adapter, in batches of 1, 4 and 16."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        write_adapter(sides.plain, Path(folder))
        sides.own.bring("lora-v1", Path(folder))
        for count in (1, 4, 16):
            prompts = [asking(words) for words in LONG[:count]]

            def own(name: str | None, prompts: list[list[Message]] = prompts) -> list[list[int]]:
                sides.own.apply(name)
                return sides.answer(prompts)

            named: dict[str, Side] = {"base": lambda own=own: own(None), "adapter": lambda own=own: own("lora-v1")}  # type: ignore[misc]
            rows += compare(f"{count} at once", named, "base", count, rounds, sides)
    return rows


def threads(sides: Sides, rounds: int) -> list[dict[str, Any]]:
    """Sixteen requests that wait, with one thread and as the program does."""
    from grokputer.adapters.serving.decoding import cores

    rows = []
    page = "\n".join(f"button:Element number {number}[{number}]" for number in range(30))
    chosen = cores.LONG, cores.LARGE
    for what, after in (("short", ""), ("long", page)):
        prompts = [asking(words + after, INSTRUCTIONS) for words in SHORT]

        def one(prompts: list[list[Message]] = prompts) -> list[list[int]]:
            cores.LONG, cores.LARGE = sys.maxsize, sys.maxsize
            try:
                return sides.answer(prompts)
            finally:
                cores.LONG, cores.LARGE = chosen

        named: dict[str, Side] = {"one thread": one, "grokputer": lambda prompts=prompts: sides.answer(prompts)}  # type: ignore[misc]
        rows += compare(f"16 {what} prompts", named, "one thread", len(prompts), rounds, sides, "wall")
    return rows


def compare(
    what: str, named: dict[str, Side], first: str, count: int, rounds: int, sides: Sides, clock: str = "cpu"
) -> list[dict[str, Any]]:
    """A row for each side, after a round that is not counted: how many times as fast as the first side it writes a token."""
    answers = {name: side() for name, side in named.items()}
    cpu: dict[str, list[float]] = {name: [] for name in named}
    wall: dict[str, list[float]] = {name: [] for name in named}
    for _ in range(rounds):
        for name, side in named.items():
            began, on_wall = time.process_time(), time.perf_counter()
            side()
            cpu[name].append(time.process_time() - began)
            wall[name].append(time.perf_counter() - on_wall)
    tokens = {name: sum(map(len, written)) for name, written in answers.items()}
    texts = {name: [sides.own.tokenizer.decode(a) for a in written] for name, written in answers.items()}
    taken = cpu if clock == "cpu" else wall
    speed = {name: tokens[name] / median(taken[name]) for name in named}
    return [
        {
            "what": what,
            "side": name,
            "requests": count,
            "tokens": tokens[name],
            "cpu_s": median(cpu[name]),
            "wall_s": median(wall[name]),
            "times": speed[name] / speed[first],
            "equal": sum(a == b for a, b in zip(texts[name], texts[first], strict=True)),
        }
        for name in named
    ]


def write_adapter(plain: Any, folder: Path) -> None:
    """Write a LoRA adapter of random numbers for the model into the folder."""
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(0)
    config: Any = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", init_lora_weights=False)
    model: Any = get_peft_model(plain, config, autocast_adapter_dtype=False)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.mul_(0.02)
    model.save_pretrained(str(folder))


def asking(words: str, system: str | None = None) -> list[Message]:
    """The messages of a request."""
    before = [Message(role="system", content=system)] if system is not None else []
    return [*before, Message(role="user", content=words)]


if __name__ == "__main__":
    main()
