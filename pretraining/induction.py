"""Fresh weights that can copy already: an induction circuit set by hand in the first two layers, left to training after.

Copying from the page is the skill everything else stands on, and from random weights it takes millions of tokens to
appear. It needs two heads in a row (*In-context Learning and Induction Heads*, arXiv 2209.11895): one that writes down,
at every place, the token before; and one that looks for the place whose token before is the token at hand, and says
what stands there. Both are written here into two heads of layer 0 and two of layer 1. Setting weights by what training
would make of them is mimetic initialisation (arXiv 2305.09828).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM

HEADS = 2
"""Heads of each kind."""
PAIRS = 6
"""Rotary pairs, the fastest, by which a head finds the place before; chosen: fewer blur it, slower ones tell it less."""
FIRST_SLOW_PAIR = 14
"""The first rotary pair that turns so slowly that tokens a page apart still match; chosen for rope_theta 1e5, 64 wide."""
EMBEDDING, CONSTANT, SHARPNESS, MATCH, BEFORE, OUTPUT, GAIN = 1.0, 6.0, 8.0, 8.0, 4.0, 8.0, 0.1
"""Chosen: the embeddings' standard deviation, large so that what the layers add does not drown the token, and the constant
in every embedding; the logits of place and of match; the scales of what is written; the final norm's gain, small because
the embeddings, which are large, are also the output layer."""


def set_induction(model: LlamaForCausalLM) -> None:
    """Write the circuit into a freshly made model, in place. Its other weights stay as they are."""
    import torch

    config = model.config
    size = config.hidden_size // config.num_attention_heads
    slow = torch.cat([torch.arange(FIRST_SLOW_PAIR, size // 2), torch.arange(FIRST_SLOW_PAIR, size // 2) + size // 2])
    rank = len(slow)  # dimensions in which tokens are compared
    speed = 1e5 ** (-torch.arange(PAIRS) * 2 / size)  # radians per place; the inverse of rope_theta's powers
    embeddings = model.model.embed_tokens.weight
    first, second = model.model.layers[0].self_attn, model.model.layers[1].self_attn
    with torch.no_grad():
        # Residual stream: 0 is the same for all tokens; then what is compared; then room for the token before; the rest.
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
