"""Examples as token ids, and batches of them: which answers an objective learns from.

Prompts are rendered by the same function as in serving.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ...domain.errors import ModelError, TrainingError
from ...domain.page.media import keys_in_messages
from ...domain.page.tools import ToolCall
from ...domain.settings.recipe import Recipe
from ..data.examples import Example
from ..serving.chat_template import answer_tokens, prompt_tokens
from .answer_loss import IGNORED
from .shared_beginning import MULTIPLE

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

    from ..vision.processor import SeenPrompt
    from .sight import Sight

TOO_LONG = "too long"
UNSEEN = "shows what the base does not take"
"""The reason why an example is left out: it has a sound, or a picture, and the base takes none."""
Look = Callable[[], "SeenPrompt"]
"""Makes a prompt with its pictures."""
REFUSED = "refused by the chat template"
"""Reasons why an example is left out: longer than the recipe allows, or with turns that the model's chat template
refuses, such as two user turns in a row."""


@dataclass(frozen=True)
class Item:
    """One example as token ids. ``rejected`` and ``unrelated`` are empty where the example has none.

    ``unrelated`` is another judged answer for this item's prompt: KTO uses it to measure how far the model has moved in
    general.
    """

    prompt: list[int]
    answer: list[int]
    label: str
    rejected: list[int] = field(default_factory=list)
    unrelated: list[int] = field(default_factory=list)
    look: Look | None = None
    """Makes what the model is given beside the prompt's tokens; None where the prompt shows no picture."""

    @property
    def row(self) -> dict[str, list[int]]:
        """Input ids and labels for supervised training; -100 marks a token without loss."""
        return {"input_ids": self.prompt + self.answer, "labels": [IGNORED] * len(self.prompt) + self.answer}

    @property
    def longest(self) -> int:
        """Tokens of its longest sequence."""
        return len(self.prompt) + max(len(self.answer), len(self.rejected), len(self.unrelated))

    @property
    def tokens(self) -> int:
        """Tokens of all its sequences."""
        answers = [part for part in (self.answer, self.rejected, self.unrelated) if part]
        return len(self.prompt) * len(answers) + sum(map(len, answers))


def tokenize(
    examples: Sequence[Example],
    tokenizer: PreTrainedTokenizerBase,
    longest: int,
    recipe: Recipe | None = None,
    left_out: Counter[str] | None = None,
    sight: Sight | None = None,
) -> list[Item]:
    """The examples that an objective of the recipe uses and that are at most ``longest`` tokens long.

    An example whose turns the chat template refuses is left out; a rejected answer that is too long is dropped alone.
    An example with a picture is left out where there is no ``sight``. ``left_out`` counts examples left out by reason. Raises
    ``TrainingError`` when nothing is left.
    """
    recipe = recipe or Recipe()
    left_out = Counter() if left_out is None else left_out
    items, refusal = [], ""
    for number, example in enumerate(examples, 1):
        if not is_learnt_from(example, recipe):
            continue
        try:
            shown = keys_in_messages(example.messages)
            look = None if sight is None or not shown else sight.of(example)
            if shown and look is None:
                refusal = refusal or f"the base takes no {'pictures' if sight is None else 'sounds'}"
                left_out[UNSEEN] += 1
                continue
            prompt = prompt_tokens(tokenizer, example.messages, example.tools) if look is None else look().tokens
            answer = _answer(tokenizer, example, example.completion, example.tool_calls)
            rejected = (
                _answer(tokenizer, example, example.rejected, example.rejected_calls)
                if _is_pair(example, recipe)
                else []
            )
        except ModelError as error:
            refusal = refusal or str(error)
            left_out[REFUSED] += 1
            logging.getLogger(__name__).warning("example %d is left out: %s", number, error)
            continue
        rejected = rejected if len(prompt) + len(rejected) <= longest else []
        is_useful = example.label != "target" or recipe.sft_weight > 0 or rejected
        if is_useful and len(prompt) + len(answer) <= longest:
            items.append(Item(prompt, answer, example.label, rejected, look=look))
        else:
            left_out[TOO_LONG] += 1
    if not items:
        raise TrainingError(_none_left(examples, recipe, longest, left_out[TOO_LONG], refusal))
    return _with_unrelated(items, longest)


def _answer(tokenizer: PreTrainedTokenizerBase, example: Example, text: str, calls: Sequence[ToolCall]) -> list[int]:
    """The tokens of one of the example's answers."""
    return answer_tokens(tokenizer, text, calls, messages=example.messages, tools=example.tools)


def is_learnt_from(example: Example, recipe: Recipe) -> bool:
    """Whether an objective with a weight uses the example."""
    if example.label != "target":
        return recipe.kto_weight > 0
    return recipe.sft_weight > 0 or _is_pair(example, recipe)


def _is_pair(example: Example, recipe: Recipe) -> bool:
    return recipe.dpo_weight > 0 and example.label == "target" and example.is_pair


def _none_left(examples: Sequence[Example], recipe: Recipe, longest: int, too_long: int, refusal: str) -> str:
    if refusal and not too_long:
        return f"none of {len(examples)} examples can be used: {refusal}"
    if any(is_learnt_from(example, recipe) for example in examples):
        return f"none of {len(examples)} examples is at most {longest} tokens long; raise max_length"
    objectives = {
        "targets (sft_weight)": recipe.sft_weight,
        "good and bad answers (kto_weight)": recipe.kto_weight,
        "rejected answers (dpo_weight)": recipe.dpo_weight,
    }
    used = ", ".join(name for name, weight in objectives.items() if weight > 0)
    return (
        f"none of {len(examples)} examples fits the objectives with a weight: {used}; give another objective a weight"
    )


def _with_unrelated(items: Sequence[Item], longest: int) -> list[Item]:
    """Give each judged item the answer of the judged item before it; the first gets that of the last.

    Source: KTO (arXiv 2402.01306), section 4, shifts the answers within a batch. A shift over the whole dataset is as
    unrelated, needs no fixed order, and lets the reference be computed beforehand.
    """
    judged = [number for number, item in enumerate(items) if item.label != "target"]
    paired = list(items)
    for before, number in zip([*judged[-1:], *judged], judged, strict=False):
        if len(items[number].prompt) + len(items[before].answer) <= longest:
            paired[number] = replace(items[number], unrelated=items[before].answer)
    return paired


def collate(items: Sequence[Item], index: Sequence[int], padding: int) -> dict[str, Any]:
    """The batch of these items; ``index`` are their places in the dataset.

    Shapes: ``input_ids``, ``attention_mask`` and ``labels`` (batch + pairs, seq): the answers, then the rejected ones;
    ``looks`` has for each of these rows what shows its pictures, in a batch with pictures; ``unrelated_*`` (shifted, seq);
    ``is_*`` (batch,); ``chosen`` (pairs,) and ``shifted`` (shifted,) are places in the batch.
    """
    import torch

    chosen = [place for place, item in enumerate(items) if item.rejected]
    shifted = [place for place, item in enumerate(items) if item.unrelated]
    learnt = [(item.prompt, item.answer) for item in items] + [(items[i].prompt, items[i].rejected) for i in chosen]
    looks = [item.look for item in items]
    is_target = torch.tensor([item.label == "target" for item in items])
    tokens = sum(len(item.answer) for item in items if item.label == "target")
    unrelated = _pad([(items[i].prompt, items[i].unrelated) for i in shifted], padding)
    seen = {"looks": [*looks, *(looks[i] for i in chosen)], "unrelated_looks": [looks[i] for i in shifted]}
    return {
        **(seen if any(looks) else {}),
        **_pad(learnt, padding),
        **{f"unrelated_{name}": tensor for name, tensor in unrelated.items()},
        "index": torch.tensor(index),
        "is_target": is_target,
        "is_good": torch.tensor([item.label == "good" for item in items]),
        "is_bad": torch.tensor([item.label == "bad" for item in items]),
        "chosen": torch.tensor(chosen, dtype=torch.long),
        "shifted": torch.tensor(shifted, dtype=torch.long),
        "counts": torch.tensor([tokens, len(items) - int(is_target.sum()), len(chosen)]),
    }


def _pad(sequences: Sequence[tuple[list[int], list[int]]], padding: int) -> dict[str, Tensor]:
    import torch

    width = max((len(prompt) + len(answer) for prompt, answer in sequences), default=0)
    width = math.ceil(width / MULTIPLE) * MULTIPLE
    ids = torch.full((len(sequences), width), padding)
    mask = torch.zeros((len(sequences), width), dtype=torch.long)
    labels = torch.full((len(sequences), width), IGNORED)
    for row, (prompt, answer) in enumerate(sequences):
        end = len(prompt) + len(answer)
        ids[row, :end] = torch.tensor(prompt + answer)
        mask[row, :end] = 1
        labels[row, len(prompt) : end] = torch.tensor(answer)
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}
