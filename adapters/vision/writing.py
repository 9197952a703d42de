"""Answers to prompts with pictures, one by one, by the library's own loop: each kind of vision model has its positions."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

from .processor import SeenPrompt

if TYPE_CHECKING:
    from torch import Tensor


def write_seen(
    model: Any,
    prompt: SeenPrompt,
    limit: int,
    choose: Callable[[Tensor], int],
    stop: Collection[int],
    on_written: Callable[[Sequence[int]], None] = lambda written: None,
) -> tuple[list[int], float]:
    """The tokens of the answer, at most ``limit``, without the one that ends it, and the seconds that it took.

    ``choose`` gets the logits (vocab,) of each token. ``on_written`` gets the tokens so far; an error of it ends the answer.
    """
    import torch
    from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList, StoppingCriteria

    began, length = time.perf_counter(), len(prompt.tokens)

    class Chosen(LogitsProcessor):
        """Leaves the library no choice."""

        def __call__(self, ids: Any, scores: Any) -> Any:
            alone = torch.full_like(scores, -torch.inf)
            alone[0, choose(scores[0].float().cpu())] = 0.0
            return alone

    class Told(StoppingCriteria):
        """Gives the tokens so far."""

        def __call__(self, ids: Any, scores: Any, **others: Any) -> Any:
            on_written([token for token in ids[0, length:].tolist() if token not in stop])
            return torch.zeros(1, dtype=torch.bool, device=ids.device)

    made: Any = GenerationConfig
    with torch.inference_mode():
        written = model.generate(
            **prompt.inputs((), model),
            generation_config=made(max_new_tokens=limit, eos_token_id=sorted(stop), pad_token_id=0, do_sample=False),
            logits_processor=LogitsProcessorList([Chosen()]),
            stopping_criteria=[Told()],
        )[0, length:].tolist()
    return [token for token in written if token not in stop], time.perf_counter() - began
