"""What an adapter costs in serving: answers per second of an 8B-shaped model with and without one, alone and in batches.

    python benchmarks/gpu/serving.py                  # on a GPU the shape of Llama 3 8B, on a CPU a small one

The weights are random, and each answer has its maximum length: speed does not depend on what a model knows. Rates are
multiples of the bare bf16 base that answers one request after another.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from typing import Any

from grokputer.adapters.serving.base_model import device, free_gpu, use_threads
from grokputer.adapters.training.child import reason
from grokputer.adapters.training.lora import configure_lora
from grokputer.benchmarks.gpu.qlora import SHAPES, build
from grokputer.domain.settings.recipe import preset

ROUNDS = 3
"""Rounds of which the median counts, after one that does not."""
SIZES = (1, 16, 64)
"""Requests in a batch."""


def main() -> None:
    """Measure each base, bare and with an adapter, and print the table."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--shape", choices=SHAPES)
    given = options.parse_args()
    use_threads(2)
    name = given.shape or ("8b" if device().startswith("cuda") else "small")
    shape = SHAPES[name]
    prompt, answer = shape.length // 4, shape.length // 32
    print(f"shape {name} on {device()}: prompts of {prompt} tokens, answers of {answer}")
    print(f"{'base':6} {'adapter':8} " + " ".join(f"{f'{size} at once':>18}" for size in SIZES))
    first = 0.0
    for base in ("bf16", "nf4"):
        model = build(shape, is_nf4=base == "nf4").eval()
        for adapter in ("none", "r=16"):
            served = with_adapter(model) if adapter != "none" else model
            rates = [answers_per_s(served, size, prompt, answer) for size in SIZES]
            first = first or rates[0]
            print(f"{base:6} {adapter:8} " + " ".join(f"{rate:9.2f}/s {rate / first:6.2f}" for rate in rates))
        del model, served
        free_gpu()


def with_adapter(model: Any) -> Any:
    """The model with a fresh adapter of the preset ``large``, unmerged as it is served, in the base's dtype."""
    import torch
    from peft import get_peft_model

    adapted: Any = get_peft_model(model, configure_lora(preset("large"), model))
    for parameter in adapted.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.to(torch.bfloat16)
    return adapted.eval()


def answers_per_s(model: Any, size: int, prompt: int, answer: int) -> float:
    """Answers of ``answer`` tokens a second, with so many requests of ``prompt`` tokens in a batch: the median."""
    import torch

    torch.manual_seed(0)
    prompts = torch.randint(2, model.config.vocab_size, (size, prompt), device=device())
    took = []
    with torch.inference_mode():
        for _ in range(1 + ROUNDS):
            began = time.monotonic()
            made = model.generate(
                input_ids=prompts,
                attention_mask=torch.ones_like(prompts),
                max_new_tokens=answer,
                min_new_tokens=answer,
                do_sample=False,
                pad_token_id=0,
            )
            made.cpu()
            took.append(time.monotonic() - began)
    return size / statistics.median(took[1:])


if __name__ == "__main__":
    try:
        main()
    except Exception as error:
        sys.exit(reason(error))
