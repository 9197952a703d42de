"""Fresh weights that can already copy: an induction circuit set by hand in the first two layers, then trained further.

Copying from the page is the basic skill, and from random weights it appears only after millions of tokens. It needs two
heads in sequence (*In-context Learning and Induction Heads*, arXiv 2209.11895). The first writes, at every place, the
previous token. The second finds the place whose previous token equals the present token, and outputs the token there.
Both are written here into two heads of layer 0 and two of layer 1. Setting weights to values that training would reach
is mimetic initialisation (arXiv 2305.09828).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM

HEADS = 2
"""Heads of each kind."""
PAIRS = 6
"""Number of the fastest rotary pairs, by which a head finds the previous place; chosen: fewer blur it, slower ones add
little."""
FIRST_SLOW_PAIR = 14
"""The first rotary pair that is slow enough to match tokens a page apart; chosen for rope_theta 1e5, 64 wide."""
EMBEDDING, CONSTANT, SHARPNESS, MATCH, BEFORE, OUTPUT, GAIN = 1.0, 6.0, 8.0, 8.0, 4.0, 8.0, 0.1
"""Chosen: the embeddings' standard deviation, large so that what the layers add does not drown the token, and the constant
in every embedding; the logits of place and of match; the scales of what is written; the final norm's gain, small because
the embeddings, which are large, are also the output layer."""


def set_induction(model: LlamaForCausalLM) -> None:
    """Write the circuit into a new model, in place. Its other weights stay as they are."""
    import torch

    config = model.config
    size = config.hidden_size // config.num_attention_heads
    slow = torch.cat([torch.arange(FIRST_SLOW_PAIR, size // 2), torch.arange(FIRST_SLOW_PAIR, size // 2) + size // 2])
    rank = len(slow)  # dimensions in which tokens are compared
    speed = 1e5 ** (-torch.arange(PAIRS) * 2 / size)  # radians per place; the inverse of rope_theta's powers
    embeddings = model.model.embed_tokens.weight
    first, second = model.model.layers[0].self_attn, model.model.layers[1].self_attn
    with torch.no_grad():
        # Residual stream: 0 is constant; then the compared dimensions; then room for the previous token; then the rest.
        embeddings.mul_(EMBEDDING / config.initializer_range)
        embeddings[:, 0] = CONSTANT
        embeddings[:, 1 + HEADS * rank : 1 + 2 * HEADS * rank] = 0.0
        scale = float(embeddings[:, 1 + 2 * HEADS * rank :].std()) * config.hidden_size**0.5
        seen = (
            CONSTANT
            / (scale**2 * (1 - HEADS * rank / config.hidden_size) + CONSTANT**2) ** 0.5
            * config.hidden_size**0.5
        )
        rest = torch.arange(1 + 2 * HEADS * rank, config.hidden_size)
        for head in range(HEADS):
            rows = torch.arange(head * size, (head + 1) * size)
            own = torch.arange(1 + head * rank, 1 + (head + 1) * rank)
            room = own + HEADS * rank
            copied = torch.cat([own, rest[head::HEADS]])[:size]

            for projection, turn in ((first.q_proj, -speed), (first.k_proj, torch.zeros(PAIRS))):
                projection.weight[rows] = 0.0
                projection.weight[rows[:PAIRS], 0] = SHARPNESS / seen * torch.cos(turn)
                projection.weight[rows[size // 2 : size // 2 + PAIRS], 0] = SHARPNESS / seen * torch.sin(turn)
            first.v_proj.weight[rows] = 0.0
            first.v_proj.weight[rows[:rank], own] = 1.0
            first.o_proj.weight[:, rows] = 0.0
            first.o_proj.weight[room, rows[:rank]] = BEFORE

            second.q_proj.weight[rows] = 0.0
            second.q_proj.weight[rows[slow], own] = MATCH
            second.k_proj.weight[rows] = 0.0
            second.k_proj.weight[rows[slow], room] = 1.0
            second.v_proj.weight[rows] = 0.0
            second.v_proj.weight[rows[: len(copied)], copied] = 1.0
            second.o_proj.weight[:, rows] = 0.0
            second.o_proj.weight[copied, rows[: len(copied)]] = OUTPUT
        model.model.norm.weight.fill_(GAIN)
