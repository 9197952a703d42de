"""What adapters cost in serving: tokens per second of a model with none, one and eight of them, for 1, 16 and 64 streams.

    python benchmarks/gpu/serving.py --shape 8b --base bf16      # or nf4; prints one JSON object

Each answer has its maximum length. Eight adapters share the streams equally; streams of one adapter are answered in one
batch, one adapter after the other, as the package serves them.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from typing import Any

from model import SHAPES, Shape, build

from grokputer.adapters.serving.base_model import device, use_threads
from grokputer.adapters.training.child import reason
from grokputer.adapters.training.lora import configure_lora
from grokputer.domain.settings.recipe import preset

ROUNDS = 3
"""Rounds of which the median counts, after one that does not."""
STREAMS = (1, 16, 64)
ADAPTERS = (0, 1, 8)


def main() -> None:
    """Measure one base."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--shape", choices=SHAPES, required=True)
    options.add_argument("--base", choices=("bf16", "nf4"), required=True)
    given = options.parse_args()
    print(json.dumps(measure(SHAPES[given.shape], is_nf4=given.base == "nf4")))


def measure(shape: Shape, *, is_nf4: bool) -> dict[str, Any]:
    """Tokens per second by adapters and streams; eight adapters need eight streams."""
    use_threads(2)
    model = build(shape, is_nf4=is_nf4).eval()
    prompt, answer = shape.length // 4, shape.length // 32
    rates: dict[str, Any] = {"prompt_tokens": prompt, "answer_tokens": answer}
    for count in ADAPTERS:
        model = _with_adapters(model, count)
        rates[f"{count} adapters"] = {
            f"{streams} streams": round(_tokens_per_s(model, count, streams, prompt, answer), 1)
            for streams in STREAMS
            if streams >= count
        }
    return rates


def _with_adapters(model: Any, count: int) -> Any:
    """The model with so many adapters of the preset ``large``, unmerged as they are served, in the base's dtype."""
    import torch
    from peft import PeftModel, get_peft_model

    for number in range(count):
        if not isinstance(model, PeftModel):
            model = get_peft_model(model, configure_lora(preset("large"), model), adapter_name=str(number))
        elif str(number) not in model.peft_config:
            model.add_adapter(str(number), model.peft_config["0"])
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            parameter.data = parameter.data.to(torch.bfloat16)
    return model.eval()


def _tokens_per_s(model: Any, adapters: int, streams: int, prompt: int, answer: int) -> float:
    """Tokens of answers a second over all streams: the median."""
    import torch

    torch.manual_seed(0)
    prompts = torch.randint(2, model.config.vocab_size, (streams, prompt), device=device())
    took = []
    with torch.inference_mode():
        for _ in range(1 + ROUNDS):
            began = time.monotonic()
            for number, part in enumerate(prompts.chunk(max(1, adapters))):
                if adapters:
                    model.set_adapter(str(number))
                _generate(model, part, answer)
            took.append(time.monotonic() - began)
    return streams * answer / statistics.median(took[1:])


def _generate(model: Any, prompts: Any, answer: int) -> None:
    import torch

    made = model.generate(
        input_ids=prompts,
        attention_mask=torch.ones_like(prompts),
        max_new_tokens=answer,
        min_new_tokens=answer,
        do_sample=False,
        pad_token_id=0,
    )
    made.cpu()


if __name__ == "__main__":
    try:
        main()
    except Exception as error:
        sys.exit(reason(error))
