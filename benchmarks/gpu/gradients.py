"""The gradient of an adapter on an NF4 base and on a bf16 base, against the same weights in fp32.

    python benchmarks/gpu/gradients.py --shape small      # prints one JSON object

A base whose layout has no gradient trains silently wrong, with the right loss. So the gradient of every adapter weight is
compared with that of a dense model: 1 is the same direction (cosine) and the same length (ratio).
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
from typing import Any

from model import SHAPES, Shape, build, item

from grokputer.adapters.serving.base_model import device, use_threads
from grokputer.adapters.training.child import reason
from grokputer.adapters.training.lora import configure_lora, widen
from grokputer.domain.settings.recipe import preset

ROWS = 4


def main() -> None:
    """Compare both bases."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--shape", choices=SHAPES, default="small")
    given = options.parse_args()
    print(json.dumps(measure(SHAPES[given.shape])))


def measure(shape: Shape) -> dict[str, Any]:
    """Cosine, ratio of lengths and both losses for each base."""
    use_threads(2)
    return {name: _compare(shape, is_nf4=name == "nf4") for name in ("nf4", "bf16")}


def _compare(shape: Shape, *, is_nf4: bool) -> dict[str, float]:
    import torch

    torch.manual_seed(0)
    base = build(shape, is_nf4=is_nf4).requires_grad_(False)
    dense = dense_copy(base)
    gradients, losses = [], []
    for model, is_mixed in ((base, True), (dense, False)):
        gradient, loss = _gradient(model, shape, is_mixed=is_mixed)
        gradients.append(gradient)
        losses.append(loss)
    first, second = gradients
    cosine = torch.nn.functional.cosine_similarity(first, second, dim=0)
    return {
        "cosine": round(float(cosine), 5),
        "ratio": round(float(first.norm() / second.norm()), 5),
        "loss": round(losses[0], 4),
        "dense_loss": round(losses[1], 4),
    }


def dense_copy(model: Any) -> Any:
    """The same weights as plain fp32 layers; those in NF4 are unpacked."""
    import torch
    from bitsandbytes.functional import dequantize_4bit

    dense = copy.deepcopy(model)
    for name, layer in list(dense.named_modules()):
        if type(layer).__name__ == "Linear4bit":
            plain = torch.nn.Linear(layer.in_features, layer.out_features, bias=False, device=device())
            plain.weight.data = dequantize_4bit(layer.weight.data, layer.weight.quant_state).float()
            dense.set_submodule(name, plain)
    dense.is_loaded_in_4bit = False
    return dense.float().requires_grad_(False)


def _gradient(base: Any, shape: Shape, *, is_mixed: bool) -> tuple[Any, float]:
    """The gradient of a fixed adapter on fixed rows, as one vector in fp32, and the loss; mixed is as the trainer computes."""
    import torch
    from peft import get_peft_model

    model: Any = get_peft_model(base, configure_lora(preset("large").replace(dropout=0.0), base))
    widen(model)
    torch.manual_seed(1)
    for parameter in model.parameters():
        if parameter.requires_grad:  # the same on both bases, and no zero matrix, so that all weights have a gradient
            parameter.data = 0.02 * torch.randn(parameter.shape).to(parameter.device)
    loss_sum = 0.0
    for seed in range(ROWS):
        row = item(shape, seed)
        tokens = torch.tensor([[*row.prompt, *row.answer]], device=device())
        labels = tokens.clone()
        labels[0, : len(row.prompt)] = -100
        with torch.autocast(device().split(":")[0], torch.bfloat16, enabled=is_mixed):
            loss = model(input_ids=tokens, labels=labels).loss
        loss.backward()
        loss_sum += float(loss)
    gradient = torch.cat([p.grad.float().flatten().cpu() for p in model.parameters() if p.requires_grad])
    return gradient, loss_sum / ROWS


if __name__ == "__main__":
    try:
        main()
    except Exception as error:
        sys.exit(reason(error))
