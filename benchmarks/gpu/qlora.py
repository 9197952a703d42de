"""What QLoRA saves: an 8B-shaped model trained in NF4, compared with 16-bit LoRA and full fine-tuning.

    python benchmarks/gpu/qlora.py                  # on a GPU the shape of Llama 3 8B, on a CPU a small one
    python benchmarks/gpu/qlora.py --shape small

The weights are random: memory and speed do not depend on them. They are made block by block, directly in NF4, so that
at most one block is ever held in 16 bits. Each method runs in its own process, one after the other; one that does not
fit is reported so. Adapters are trained by the package's own trainer with the preset ``large``; full fine-tuning by TRL
with the same arguments, weights and AdamW's state in bf16.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grokputer.adapters.serving.base_model import device, use_threads
from grokputer.adapters.training.batches import Item
from grokputer.adapters.training.child import reason
from grokputer.adapters.training.trainer import make_arguments, make_trainer
from grokputer.domain.settings.recipe import Recipe, preset


@dataclass(frozen=True)
class Shape:
    """The dimensions of a Llama, and of its training: ``batch`` x ``accumulation`` rows of ``length`` tokens a step."""

    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    vocabulary: int
    length: int
    batch: int
    accumulation: int


SHAPES = {
    # Source: the config of Meta-Llama-3-8B; batch, accumulation and length are the preset's.
    "8b": Shape(32, 4096, 14336, 32, 8, 128256, 2048, 4, 4),
    "small": Shape(8, 1024, 3584, 8, 2, 8192, 256, 2, 1),
}
METHODS = {"nf4": "QLoRA, NF4 base", "lora": "LoRA, bf16 base", "full": "full, bf16"}
WARMING = 1
"""Steps before the measurement starts."""


def main() -> None:
    """Measure every method and print the table."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--shape", choices=SHAPES)
    options.add_argument("--steps", type=int, default=3, help="optimiser steps that are timed")
    options.add_argument("--method", choices=METHODS, help=argparse.SUPPRESS)
    arguments = options.parse_args()
    if arguments.method:
        print(json.dumps(measure(SHAPES[arguments.shape], arguments.method, arguments.steps)))
        return
    where = device()
    name = arguments.shape or ("8b" if where.startswith("cuda") else "small")
    print(f"shape {name} on {where}: {SHAPES[name]}")
    print_table({method: _in_process(name, method, arguments.steps) for method in METHODS})


def _in_process(shape: str, method: str, steps: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--shape", shape, "--method", method, "--steps", str(steps)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        why = (done.stderr.strip().splitlines() or [f"its process ended with {done.returncode}"])[-1]
        return {"error": "does not fit" if done.returncode < 0 or "out of memory" in why.lower() else why}
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def print_table(found: dict[str, dict[str, Any]]) -> None:
    """One line per method, each as a multiple of the first."""
    first = found["nf4"]
    print(f"{'method':16} {'trained':>9} {'weights':>9} {'peak':>9} {'x':>6} {'tokens/s':>9} {'x':>6}")
    for method, item in found.items():
        if "error" in item:
            print(f"{METHODS[method]:16} {item['error']}")
            continue
        memory, speed = (
            item["peak_bytes"] / first.get("peak_bytes", item["peak_bytes"]),
            item["tokens_per_s"] / first.get("tokens_per_s", item["tokens_per_s"]),
        )
        print(
            f"{METHODS[method]:16} {item['trained'] / 1e6:7.1f} M {item['weights_bytes'] / 1e9:6.2f} GB "
            f"{item['peak_bytes'] / 1e9:6.2f} GB {memory:6.2f} {item['tokens_per_s']:9.0f} {speed:6.2f}"
        )


def measure(shape: Shape, method: str, steps: int) -> dict[str, Any]:
    """Train ``WARMING`` and then ``steps`` optimiser steps; peak memory in bytes beyond the libraries', tokens per second."""
    import torch

    use_threads(2)
    libraries = _peak_bytes()
    model = build(shape, is_nf4=method == "nf4")
    weights = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
    recipe = preset("large").replace(
        batch=shape.batch, accumulation=shape.accumulation, max_length=shape.length, packing=False, epochs=1
    )
    rows = (WARMING + steps) * shape.batch * shape.accumulation
    with tempfile.TemporaryDirectory() as folder:
        trainer = _make(model, [_item(shape, seed) for seed in range(rows)], recipe, method, Path(folder))
        clock = _clock()
        trainer.add_callback(clock)
        trainer.args.save_strategy = "no"
        trainer.train()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    tokens = steps * shape.batch * shape.accumulation * shape.length
    trained = sum(parameter.numel() for parameter in trainer.model.parameters() if parameter.requires_grad)
    return {
        "trained": trained,
        "weights_bytes": weights,
        "peak_bytes": _peak_bytes() - libraries,
        "tokens_per_s": tokens / (clock.ends[-1] - clock.ends[WARMING - 1]),
    }


def build(shape: Shape, *, is_nf4: bool) -> Any:
    """The model with random weights on the device, its blocks' linear layers in NF4 with double quantisation, or in bf16."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

    config: Any = LlamaConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        max_position_embeddings=8192,
        bos_token_id=None,
        eos_token_id=1,
        pad_token_id=0,
        dtype=torch.bfloat16,
    )
    config._attn_implementation = "sdpa"
    with torch.device("meta"):
        model: Any = LlamaForCausalLM(config)
    model.requires_grad_(not is_nf4)
    for name, layer in list(model.named_modules()):
        if is_nf4 and isinstance(layer, torch.nn.Linear) and name != "lm_head":
            model.set_submodule(name, _nf4_layer(layer))
            continue
        for key, parameter in list(layer.named_parameters(recurse=False)):
            made = torch.empty(parameter.shape, dtype=torch.bfloat16, device=device())
            made = made.fill_(1.0) if parameter.dim() == 1 else made.normal_(0.0, 0.02)  # norms; everything else
            setattr(layer, key, torch.nn.Parameter(made, requires_grad=parameter.requires_grad))
    with torch.device(device()):
        model.model.rotary_emb = LlamaRotaryEmbedding(config)
    model.is_loaded_in_4bit = is_nf4  # what PEFT and TRL ask for
    return model


def _nf4_layer(layer: Any) -> Any:
    import torch
    from bitsandbytes.nn import modules

    untyped: Any = modules
    made = untyped.Linear4bit(
        layer.in_features, layer.out_features, bias=False, compute_dtype=torch.bfloat16, quant_type="nf4", device="meta"
    )
    weight = torch.empty(layer.weight.shape, dtype=torch.bfloat16, device=device()).normal_(0.0, 0.02)
    made.weight = untyped.Params4bit(weight, requires_grad=False, compress_statistics=True, quant_type="nf4").to(
        device()
    )
    if hasattr(made, "support_avx512bf16_for_cpu"):
        made.support_avx512bf16_for_cpu = False  # as in ``Base.load``
    return made


def _make(model: Any, items: list[Item], recipe: Recipe, method: str, folder: Path) -> Any:
    if method != "full":
        return make_trainer(model, _tokenizer(), items, recipe.replace(quantization="nf4"), folder)
    from datasets import Dataset  # type: ignore[import-untyped]
    from trl.trainer.sft_trainer import SFTTrainer

    model.config.use_cache = False
    rows: Any = Dataset.from_list([item.row for item in items])
    return SFTTrainer(
        model=model, args=make_arguments(recipe, folder), processing_class=_tokenizer(), train_dataset=rows
    )


def _item(shape: Shape, seed: int) -> Item:
    """A row of random tokens of the full length, a quarter of them an answer."""
    tokens = random.Random(seed).choices(range(2, shape.vocabulary), k=shape.length)
    begin = shape.length * 3 // 4
    return Item(tokens[:begin], tokens[begin:], "target")


def _tokenizer() -> Any:
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({"<pad>": 0, "<eos>": 1}, unk_token="<pad>"))
    make: Any = PreTrainedTokenizerFast
    return make(tokenizer_object=words, pad_token="<pad>", eos_token="<eos>")


def _clock() -> Any:
    from transformers import TrainerCallback

    class Clock(TrainerCallback):
        """When each optimiser step ended; the loss, which is logged after each, has waited for the GPU."""

        def __init__(self) -> None:
            self.ends: list[float] = []

        def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self.ends.append(time.monotonic())

    return Clock()


def _peak_bytes() -> int:
    import torch

    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    try:
        main()
    except Exception as error:
        sys.exit(reason(error))
