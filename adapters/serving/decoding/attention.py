"""Attention whose result for a token depends on the token and those before it, and on nothing else.

The library's kernels add up in an order that depends on how many tokens are computed at once, and on the padding. In
bf16 the last bits then differ between an answer alone and the same answer in a batch. Here each sum has one order, on
CPUs whose products have that property too (oneDNN's bf16). So keys and values can be kept, padded and shared, and
the answer stays the same bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

NAME = "grokputer_rows"
"""The attention's name among those of transformers."""
BLOCK = 64
"""Tokens whose scores are computed at once: the keys after them are left out; chosen."""
ROUNDING = 1 / 8
"""Differences of the logits up to this share of their spread count as rounding; measured: up to 1/20."""
LEAST = -3e38
"""The score of what a token may not see: its share is exactly 0."""


def use_attention(model: Any, text: Sequence[int]) -> bool:
    """Use this attention in the model; return whether it does.

    Only for models in which each layer sees all earlier tokens, and which leave attention to an interface. The tokens of
    an ordinary ``text`` are computed with both attentions: a model whose own one does more than this keeps it.
    """
    import torch
    from transformers import AttentionInterface, AttentionMaskInterface, DynamicCache
    from transformers.cache_utils import DynamicLayer
    from transformers.masking_utils import sdpa_mask

    layers = DynamicCache(config=model.config).layers
    is_plain = bool(layers) and all(type(layer) is DynamicLayer for layer in layers)
    own = model.config._attn_implementation
    if not is_plain or own != "sdpa" or not getattr(model, "_supports_attention_backend", False):
        return False
    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    ids = torch.tensor([list(text)], device=model.device)
    with torch.inference_mode():
        expected = model(input_ids=ids, use_cache=False).logits.float()
        model.set_attn_implementation(NAME)
        try:
            got = model(input_ids=ids, use_cache=False).logits.float()
            is_same = bool((got - expected).square().mean().sqrt() <= expected.std() * ROUNDING)
        except Exception:  # any: a layer that asks for what this attention does not have
            is_same = False
    if not is_same:
        model.set_attn_implementation(own)
    return is_same


@contextmanager
def library_attention(model: Any) -> Iterator[None]:
    """In the block the model has the library's attention, with which adapters are trained, and scores were recorded."""
    has_own = model.config._attn_implementation == NAME
    if has_own:
        model.set_attn_implementation("sdpa")
    try:
        yield
    finally:
        if has_own:
            model.set_attn_implementation(NAME)


def attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """The attention of queries (batch, heads, tokens, dim) to keys and values (batch, groups, length, dim).

    The mask (batch or 1, 1, tokens, length) is added to the scores, or true for what is seen; without one, the tokens
    are the last ones of the text. Returns (batch, tokens, heads, dim).
    """
    import torch

    if others.get("softcap") is not None or others.get("s_aux") is not None or others.get("position_bias") is not None:
        raise ValueError("this attention has no cap, no sinks and no bias")
    if query.device.type != "cpu":
        return _by_library(module, query, key, value, attention_mask, scaling, **others)
    tokens, length = query.shape[2], key.shape[2]
    if attention_mask is None and tokens > 1:
        attention_mask = torch.ones(tokens, length, dtype=torch.bool).tril(length - tokens)[None, None]
    if attention_mask is not None and attention_mask.dtype == torch.bool:
        attention_mask = torch.zeros(attention_mask.shape).masked_fill_(~attention_mask, LEAST)
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    parts = []
    for start in range(0, tokens, BLOCK):
        stop = min(start + BLOCK, tokens)
        seen = length - tokens + stop  # no row is longer before the pass than the longest one
        mask = None if attention_mask is None else attention_mask[:, :, start:stop, :seen]
        parts.append(_attend(query[:, :, start:stop], key[:, :, :seen], value[:, :, :seen], mask, scale))
    return (parts[0] if len(parts) == 1 else torch.cat(parts, 1)), None


def _by_library(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None,
    **others: Any,
) -> tuple[Tensor, None]:
    """The library's attention: on a GPU, products depend on the shape of a batch anyway."""
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    if attention_mask is not None and attention_mask.is_floating_point():
        attention_mask = attention_mask > LEAST / 2
    return sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **others)


def _attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    import torch

    batch, heads, tokens, dim = query.shape
    groups, length = key.shape[1:3]
    # The heads that share keys become further rows of one product.
    rows = query.reshape(batch * groups, -1, dim)
    keys = key.contiguous().view(batch * groups, length, dim).transpose(1, 2)
    rounded = torch.bmm(rows, keys)
    # The product is rounded to bf16. What the rounding took away is computed by a second one.
    scores = torch.add(rounded.float(), torch.baddbmm(rounded, rows, keys, beta=-1))
    scores = scores.view(batch, heads, tokens, length).mul_(scale)
    if mask is not None:
        scores += mask
    shares = scores.softmax(-1).to(value.dtype).view(batch * groups, -1, length)
    mixed = torch.bmm(shares, value.reshape(batch * groups, length, -1))
    return mixed.view(batch, heads, tokens, -1).transpose(1, 2).contiguous()
