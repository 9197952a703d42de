"""Success of a model by task in the browser, with greedy answers: the table of the model card."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..adapters.serving.base_model import Base
from ..adapters.serving.local import LocalModel
from ..domain.ports import Environment, Model
from ..runners.agent.episode import ask_model, is_success, play
from ..runners.environments.miniwob.environment import BASE_TASKS, UNSEEN_TASKS, MiniWob

STEPS = 12
"""Actions after which an episode has failed."""
LONGEST_ANSWER = 64
"""Tokens after which an answer is cut off."""


@dataclass
class Score:
    """A model's result on one task: ``successes`` of ``episodes``, and the total number and time of its actions."""

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


def play_episode(model: Model, computer: Environment, score: Score, seed: int) -> tuple[bool, list[str]]:
    """Play one episode and add it to the score; return whether it succeeded, and its actions."""
    steps = list(play(computer, computer.reset(score.task, seed), ask_model(model, None, LONGEST_ANSWER), STEPS))
    succeeded = bool(steps) and is_success(steps[-1].page)
    score.seconds += sum(step.completion.duration_ms for step in steps) / 1000
    score.actions += len(steps)
    score.episodes += 1
    score.successes += succeeded
    return succeeded, [step.answer for step in steps]


def evaluate(
    folder: Path, tasks: Iterable[str] | None, seeds: Sequence[int], show_failures: bool = False
) -> list[Score]:
    """Measure the tasks (default: base and unseen), print one line for each on stdout, and return the scores."""
    model, scores = LocalModel(Base(str(folder), quantization="none")), list[Score]()
    print("| task | success | episodes | ms per action |\n|---|---|---|---|")
    with MiniWob() as computer:
        for task in tasks or (*BASE_TASKS, *UNSEEN_TASKS):
            scores.append(Score(task))
            for seed in seeds:
                succeeded, history = play_episode(model, computer, scores[-1], seed)
                if show_failures and not succeeded:
                    print(f"{task} {seed}: {history}", file=sys.stderr)
            print(scores[-1].row(), flush=True)
    model.close()
    for name, group in (("base", BASE_TASKS), ("unseen", UNSEEN_TASKS)):
        some = [score.success for score in scores if score.task in group]
        if some:
            print(f"mean of {len(some)} {name} tasks: {sum(some) / len(some):.3f}")
    return scores
