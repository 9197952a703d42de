"""The pictures of a training's examples: looked at when a batch needs them, so that memory holds those of one batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ...domain.page.media import keys_in_messages
from ..data.examples import Example
from ..serving.chat_template import prompt_tokens
from ..vision.processor import Processor, SeenPrompt, shown_urls

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

    from .batches import Look


@dataclass(frozen=True)
class Sight:
    """The base's processor and tokenizer, and the dataset's pictures as ``data:`` URLs by their keys."""

    processor: Processor
    tokenizer: PreTrainedTokenizerBase
    media: Mapping[str, str]

    def of(self, example: Example) -> Look | None:
        """What makes the example's prompt with its pictures; None where it shows a sound."""
        shown = keys_in_messages(example.messages)
        if not all(self.media[key].startswith("data:image/") for key in shown):
            return None
        return partial(self._look, example)

    def _look(self, example: Example) -> SeenPrompt:
        tokens = prompt_tokens(self.tokenizer, example.messages, example.tools, self.media)
        return self.processor.look(tokens, shown_urls(example.messages, self.media))


def in_groups(
    model: Any, inputs: Mapping[str, Tensor], looks: Sequence[Look | None]
) -> Iterator[tuple[list[int], dict[str, Tensor]]]:
    """The rows of a batch in groups whose pictures fit into one pass, and the model's arguments for each group.

    Rows without pictures are one group. Pictures of equal shapes are joined along their first dimension, as all vision
    models of transformers take them.
    """
    import torch

    seen = [None if look is None else look() for look in looks]
    groups: dict[Any, list[int]] = {}
    for row, prompt in enumerate(seen):
        shape = None if prompt is None else tuple((name, each.shape[1:]) for name, each in prompt.tensors.items())
        groups.setdefault(shape, []).append(row)
    for rows in groups.values():
        given = {name: tensor[rows] for name, tensor in inputs.items()}
        prompts = [prompt for row in rows if (prompt := seen[row]) is not None]
        width = given["input_ids"].shape[1]
        for name in prompts[0].of_tokens if prompts else ():
            padded = [[*prompt.of_tokens[name], *[0] * (width - len(prompt.tokens))] for prompt in prompts]
            given[name] = torch.tensor(padded, device=model.device)
        for name in prompts[0].tensors if prompts else ():
            joined = torch.cat([prompt.tensors[name] for prompt in prompts])
            given[name] = joined.to(model.device, model.dtype if joined.is_floating_point() else None)
        yield rows, given
