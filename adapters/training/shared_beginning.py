"""The common beginning of a batch's rows, computed once: the rows' rests stand after it in one sequence.

Prompts of a role begin alike: with instructions, with tools, with the words of the chat template. Each token attends to the
beginning and to the earlier tokens of its own row, at the positions that it has there. So losses and gradients are those of
the rows one by one, up to rounding, and fewer tokens are computed.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

MULTIPLE = 32
"""The length of every computed sequence is a multiple of this. On a CPU each new batch shape costs memory that is not freed: 16
MB with the embedded model, measured, more than a gigabyte over a training with pages of all lengths; chosen."""
LEAST_GAIN = 1.2
"""How many times fewer tokens make it worth while; chosen."""
MOST = {"eager": 640, "sdpa": 1024}
"""Tokens of one sequence, by the model's attention. More rows make several sequences. The memory of plain attention grows
with the square: measured with SmolLM2, 4.2 GB with eight rows of 165 tokens that share 115, and 8.5 GB with sixteen, which
was also half as fast. The fused kernel takes 2.7 GB with four rows of 342 that share 215, and is a tenth faster there than
plain attention; with eight of them in one sequence it was a fifth slower, because it computes what the mask hides. Both
chosen from that."""
PLACES = {"full_attention", "sliding_attention"}
"""The kinds of layers that know a token's place by its position and its mask alone."""


def can_share(model: Any, width: int) -> bool:
    """Whether rows of this width may stand in one sequence of this model: its layers must take positions and a mask."""
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    config = base.config.get_text_config()
    window = getattr(config, "sliding_window", None)
    return (
        base.config._attn_implementation in MOST
        and "position_ids" in inspect.signature(base.forward).parameters
        and set(getattr(config, "layer_types", None) or ()) <= PLACES
        and (window is None or width <= window)
    )


def typical_length(prompts: Sequence[list[int]], batch: int) -> int:
    """Tokens of a sequence that a training computes, for prompts of the mean length: of all ``batch`` rows where they share
    their beginning, else of one."""
    first, last = min(prompts), max(prompts)  # what these two begin with, all begin with
    unlike = (place for place, (own, other) in enumerate(zip(first, last, strict=False)) if own != other)
    common = next(unlike, min(len(first), len(last)))
    mean = sum(map(len, prompts)) / len(prompts)
    total = common + batch * (mean - common)
    return round(total if batch > 1 and total * LEAST_GAIN <= batch * mean else mean)


def share_beginning(
    inputs: Mapping[str, Tensor], ignored: int, *, is_added: bool, most: int
) -> list[Mapping[str, Tensor]]:
    """The batch as sequences of at most ``most`` tokens, each of which begins with what its rows begin with.

    ``inputs`` has ``input_ids``, ``attention_mask`` and ``labels``, all (batch, seq), padded at the end; a label is
    ``ignored`` where a token has no loss. Each of the result has them, ``position_ids`` too, as (1, tokens), and an
    ``attention_mask`` of (1, 1, tokens, tokens): numbers that are added to scores where ``is_added``, else booleans. The
    labels keep their order. Rows of which that saves too little stay as they are.
    """
    ids, mask = inputs["input_ids"], inputs["attention_mask"].bool()
    rows, width = ids.shape
    common = _common(ids, mask, inputs["labels"] != ignored)
    total = common + int((mask.sum(1) - common).sum())
    if rows < 2 or total * LEAST_GAIN > rows * width:
        return [inputs]
    if total <= most:
        return [_in_one(inputs, common, total, ignored, is_added=is_added)]
    halves = ({name: it[part] for name, it in inputs.items()} for part in (slice(rows // 2), slice(rows // 2, None)))
    return [each for half in halves for each in share_beginning(half, ignored, is_added=is_added, most=most)]


def _in_one(
    inputs: Mapping[str, Tensor], common: int, total: int, ignored: int, *, is_added: bool
) -> dict[str, Tensor]:
    """The rows in one sequence of so many tokens, of which the first are common."""
    import torch

    ids, mask, labels = inputs["input_ids"], inputs["attention_mask"].bool(), inputs["labels"]
    rest = mask.clone()
    rest[:, :common] = False
    first = torch.zeros_like(mask)
    first[0, :common] = True
    taken = first | rest
    row, place = taken.nonzero(as_tuple=True)  # row by row, so the first row's beginning comes first
    row = torch.where(place < common, -1, row)
    spare = math.ceil(total / MULTIPLE) * MULTIPLE - total
    row = torch.nn.functional.pad(row, (0, spare), value=len(ids))
    place = torch.nn.functional.pad(place, (0, spare))
    sees = ((row[None] == -1) | (row[None] == row[:, None])) & (place[None] <= place[:, None])
    return {
        "input_ids": torch.nn.functional.pad(ids[taken], (0, spare))[None],
        "labels": torch.nn.functional.pad(labels[taken], (0, spare), value=ignored)[None],
        "position_ids": place[None],
        "attention_mask": (_added(sees) if is_added else sees)[None, None],
    }


def _common(ids: Tensor, mask: Tensor, has_loss: Tensor) -> int:
    """Tokens that all rows begin with, without the one that predicts the first token with a loss: it is each row's own."""
    alike = (ids == ids[0]).all(0) & mask.all(0)
    alike[:-1] &= ~has_loss[:, 1:].any(0)
    return int(alike.int().cumprod(0).sum())


def _added(sees: Tensor) -> Tensor:
    """Zero where a token sees another, and the least number elsewhere."""
    import torch

    from ..serving.base_model import compute_dtype

    dtype = compute_dtype()
    return torch.zeros(sees.shape, dtype=dtype).masked_fill_(~sees, torch.finfo(dtype).min)
