"""The loss of a model on running text, such as prose that has nothing to do with what an adapter learnt."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...domain.errors import ModelError
from .adapted_model import AdaptedModel
from .base_model import Base, positions
from .plain_text import break_tokens, find_seam, join_tokens

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

WINDOW = 512
"""Tokens that are read at once; chosen. Nothing before a window's first token helps to predict the others."""


@dataclass(frozen=True)
class TextLoss:
    """The loss on a text."""

    nats: float
    """The sum over all predicted tokens."""
    tokens: int
    """Tokens that were predicted: all but the first of each window."""

    @property
    def mean(self) -> float:
        """Nats per token."""
        return self.nats / self.tokens if self.tokens else math.nan


def text_losses(base: Base, documents: Sequence[str], adapters: Mapping[str, Path]) -> dict[str | None, TextLoss]:
    """The loss of the bare base, under None, and of each adapter on it, by name; the base is loaded once.

    Raises ``ModelError`` where the base cannot be loaded, where an adapter does not fit it, and where the text is too short.
    """
    model = AdaptedModel(base, 1)
    size = min(WINDOW, positions(model.model) or WINDOW)
    windows = list(_windows(model.tokenizer, documents, size))
    if not windows:
        raise ModelError("the general text has fewer than two tokens, so nothing can be predicted; give a longer one")
    losses: dict[str | None, TextLoss] = {None: _measure(model.model, windows)}
    for name, folder in adapters.items():
        model.bring(name, folder)
        model.apply(name)
        losses[name] = _measure(model.model, windows)
    return losses


def _windows(tokenizer: PreTrainedTokenizerBase, documents: Sequence[str], size: int) -> Iterator[list[int]]:
    """The documents' tokens in pieces of at most ``size``; text of control tokens stays text."""
    seam = find_seam(documents)
    for document in documents:
        tokens = join_tokens(tokenizer, break_tokens(tokenizer, document, seam, "user"), seam)
        for start in range(0, len(tokens), size):
            if len(window := tokens[start : start + size]) > 1:
                yield window


def _measure(model: Any, windows: Sequence[list[int]]) -> TextLoss:
    import torch

    nats, count = 0.0, 0
    for window in windows:
        ids = torch.tensor([window], device=model.device)
        with torch.inference_mode():
            logits = model(input_ids=ids, use_cache=False).logits[0, :-1].float()  # (tokens - 1, vocab)
            nats += float(torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="sum"))
        count += len(window) - 1
    return TextLoss(nats, count)
