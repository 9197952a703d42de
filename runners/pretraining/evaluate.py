"""Success by task of a model in the browser, answering greedily: the table of the model card."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...domain.ports import Environment, Page
from ...domain.prompt import observe
from ..environments.miniwob import BASE_TASKS, UNSEEN_TASKS, MiniWob

STEPS = 12
"""Actions after which an episode has failed."""
LONGEST_ANSWER = 64
"""Tokens after which an answer is cut off."""


@dataclass
class Score:
    """How a model did on one task: ``successes`` of ``episodes``, and what its actions took in all."""

    task: str
    episodes: int = 0
    successes: int = 0
    actions: int = 0
    seconds: float = 0.0

    @property
    def success(self) -> float:
        """The share of episodes with a reward of 1, in [0, 1]."""
        return self.successes / max(self.episodes, 1)

    def row(self) -> str:
        """The score as a row of a Markdown table."""
        took = 1000 * self.seconds / max(self.actions, 1)
        return f"| {self.task} | {self.success:.2f} | {self.episodes} | {took:.0f} |"


class Greedy:
    """A model read from a folder, answering one prompt at a time with a key-value cache, in bf16."""

    def __init__(self, folder: Path) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
        self.model = model.eval()

    def answer(self, page: Page, history: Sequence[str]) -> str:
        """The action the model would take."""
        import torch

        ids = self.tokenizer.apply_chat_template(observe(page, history), add_generation_prompt=True, return_dict=True)
        given = torch.tensor([ids["input_ids"]])
        with torch.no_grad():
            written = self.model.generate(
                given,
                attention_mask=torch.ones_like(given),
                max_new_tokens=LONGEST_ANSWER,
                do_sample=False,
                pad_token_id=self.tokenizer.pad_token_id,
            )
        return str(self.tokenizer.decode(written[0, given.shape[1] :], skip_special_tokens=True))


def play(model: Greedy, computer: Environment, score: Score, seed: int) -> tuple[bool, list[str]]:
    """One episode, added to the score; whether it succeeded, and what was done."""
    page, history = computer.reset(score.task, seed), list[str]()
    while not page.is_done and len(history) < STEPS:
        started = time.perf_counter()
        action = model.answer(page, history)
        score.seconds += time.perf_counter() - started
        score.actions += 1
        page = computer.act(action)
        history.append(action)
    is_success = page.is_done and page.reward == 1
    score.episodes += 1
    score.successes += is_success
    return is_success, history


def evaluate(
    folder: Path, tasks: Iterable[str] | None, seeds: Sequence[int], show_failures: bool = False
) -> list[Score]:
    """Measure the tasks (default: base and unseen), one line each on stdout as it is known, and return the scores."""
    model, scores = Greedy(folder), list[Score]()
    print("| task | success | episodes | ms per action |\n|---|---|---|---|")
    with MiniWob() as computer:
        for task in tasks or (*BASE_TASKS, *UNSEEN_TASKS):
            scores.append(Score(task))
            for seed in seeds:
                is_success, history = play(model, computer, scores[-1], seed)
                if show_failures and not is_success:
                    print(f"{task} {seed}: {history}", file=sys.stderr)
            print(scores[-1].row(), flush=True)
    for name, group in (("base", BASE_TASKS), ("unseen", UNSEEN_TASKS)):
        some = [score.success for score in scores if score.task in group]
        if some:
            print(f"mean of {len(some)} {name} tasks: {sum(some) / len(some):.3f}")
    return scores
