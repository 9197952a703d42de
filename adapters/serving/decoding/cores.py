"""One CPU thread for a short pass through the model, and one for each core for a long pass.

Threads wait for one another after each product. For a few tokens and a small model that takes longer than the products;
for a long prompt, or a model of a billion parameters, it does not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedModel

LONG = 40_000_000_000
"""Multiplications of a pass (tokens times parameters) from which on it uses all cores. Measured on two cores with a model of
135 million parameters, where it is 300 tokens (``benchmarks/serving.py threads``): 16 long prompts are answered 1.6 times as
fast as with one thread. With a quarter of it, short prompts took 0.9 to 1.1 times as long.
"""
SMALL = 30_000_000
"""Parameters below which a model always uses one; chosen: the embedded model, whose whole prompt takes milliseconds."""
LARGE = 500_000_000
"""Parameters from which on it always uses all. Measured with packed bf16 layers as wide as those of a billion, two threads
beside one: 1.4 times as fast at one token, 1.9 times at 16."""


def share_cores(model: PreTrainedModel, text: Sequence[int]) -> bool:
    """Let each pass of a model on a CPU use as many threads as pay, up to as many as the calling thread has; whether it does.

    It does only where a pass over the text, repeated until it is long, gives the same bits with one thread and with all.
    Only the calling thread may use the model.
    """
    import torch

    most, parameters = torch.get_num_threads(), model.num_parameters()
    if model.device.type != "cpu" or most == 1 or parameters < SMALL:
        torch.set_num_threads(1)
        return False
    ids = torch.tensor([[text[i % len(text)] for i in range(max(2, -(-LONG // parameters)))]])
    passes = []
    for threads in (1, most):
        torch.set_num_threads(threads)
        with torch.inference_mode():
            passes.append(model(input_ids=ids, use_cache=False).logits)
    torch.set_num_threads(1)
    if not torch.equal(*passes):
        return False

    def choose(_: object, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        tokens = named.get("input_ids", arguments[0] if arguments else None)
        is_long = tokens is None or tokens.numel() * parameters >= LONG or parameters >= LARGE
        wanted = most if is_long else 1
        if torch.get_num_threads() != wanted:
            torch.set_num_threads(wanted)

    model.register_forward_pre_hook(choose, with_kwargs=True)
    return True
