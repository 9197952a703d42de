"""Models with random weights, of the shapes that the measurements take: speed and memory do not depend on the weights.

They are made block by block, directly in NF4 where they are quantised, so that at most one block is ever held in 16 bits.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from grokputer.adapters.serving.base_model import device
from grokputer.adapters.training.batches import Item


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
    # Source: the config of Llama-3.2-1B, with shorter rows.
    "1b": Shape(16, 2048, 8192, 32, 8, 128256, 512, 8, 2),
    "small": Shape(8, 1024, 3584, 8, 2, 8192, 256, 2, 1),
    "tiny": Shape(2, 64, 128, 4, 2, 512, 64, 2, 1),
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


def item(shape: Shape, seed: int, *, is_ragged: bool = False) -> Item:
    """A row of random tokens, a quarter of them an answer: of the full length, or of an eighth of it to all of it."""
    draw = random.Random(seed)
    length = draw.randint(shape.length // 8, shape.length) if is_ragged else shape.length
    tokens, begin = draw.choices(range(2, shape.vocabulary), k=length), length * 3 // 4
    return Item(tokens[:begin], tokens[begin:], "target")


def tokenizer() -> Any:
    """A tokenizer of words, for the trainers that ask for one."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({"<pad>": 0, "<eos>": 1}, unk_token="<pad>"))
    make: Any = PreTrainedTokenizerFast
    return make(tokenizer_object=words, pad_token="<pad>", eos_token="<eos>")
