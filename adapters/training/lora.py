"""The adapter's weights: their initial values, their precision in training, and their final rounding."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...domain.errors import TrainingError
from ...domain.settings.recipe import ATTENTION, Recipe, read_target
from ..serving.base_model import Base, compute_dtype, first_line
from ..serving.proof import read_reference

if TYPE_CHECKING:
    from peft import LoraConfig
    from transformers import PreTrainedModel

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
WIDEN_BELOW = 1_000_000_000
"""Parameters below which a CPU may hold a model in fp32 while it is trained; chosen: 4 GB."""


def configure_lora(recipe: Recipe, model: PreTrainedModel) -> LoraConfig:
    """PEFT's configuration of a fresh adapter, which does not change outputs yet.

    Raises ``TrainingError`` when the model lacks a layer that the recipe adapts.
    """
    from peft import LoraConfig

    layers = linear_layers(model)
    named = read_target(recipe.target)
    required = set(ATTENTION) if recipe.target == "attention" else set(named)
    if not layers or not required <= layers:
        raise TrainingError(
            f"target {recipe.target} adapts the layers {', '.join(sorted(required)) or 'that are linear'}, but this "
            f"model has {', '.join(sorted(layers)) or 'none'}; "
            + ("set training.target to all-linear" if layers else "use another")
        )

    return LoraConfig(
        task_type="CAUSAL_LM",
        r=recipe.r,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        bias="none",
        target_modules=_targets(recipe.target, model),
    )


def _targets(target: str, model: Any) -> list[str] | str:
    """The layers as PEFT takes them: of a vision model those of the language side alone, unless the target says more.

    Raises ``TrainingError`` where no layer of the language side is adapted: the proof that an adapter is applied asks in words.
    """
    sees = getattr(model.config, "vision_config", None) is not None
    if not sees or target == "vision":
        return list(read_target(target) or (ATTENTION if target == "attention" else ())) or "all-linear"
    said = _language_layers(model)
    wanted = set(read_target(target) or (ATTENTION if target == "attention" else ()))
    adapted = [name for name in said if not wanted or name.rpartition(".")[2] in wanted]
    if not adapted:
        raise TrainingError(f"target {target} adapts no layer of the model's language side; name some of it too")
    return list(read_target(target)) or adapted


def _language_layers(model: Any) -> list[str]:
    """The full names of the linear layers that a text passes through; without the one that computes the logits."""
    import torch

    inside = {id(module) for module in model.get_decoder().modules()}
    head = model.get_output_embeddings()
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and id(module) in inside and module is not head
    ]


def linear_layers(model: Any) -> set[str]:
    """The names, within a block, of the layers that a LoRA can adapt: all but the one that computes the logits."""
    import torch
    from transformers.pytorch_utils import Conv1D

    head = model.get_output_embeddings()
    layers = ((name, module) for name, module in model.named_modules() if isinstance(module, (torch.nn.Linear, Conv1D)))
    return {name.rpartition(".")[2] for name, layer in layers if layer is not head}


def use_fast_numbers(model: PreTrainedModel) -> None:
    """Let a small model that is trained on a CPU without matrix units for bf16 multiply in fp32, which is twice as fast there.

    Its weights are the same numbers, and ``round_off`` gives it back its dtype. A quantized model stays as it is.
    """
    import torch

    is_plain = all(parameter.dtype == compute_dtype() for parameter in model.parameters())
    has_units = torch.cpu._is_amx_tile_supported()
    if model.device.type == "cpu" and is_plain and not has_units and model.num_parameters() < WIDEN_BELOW:
        _cast(model.parameters(), torch.float32)


def widen(model: Any) -> None:
    """Keep the adapter's weights in fp32: TRL makes them bf16, which loses updates smaller than 1/256 of a weight."""
    import torch

    _cast(_trained(model), torch.float32)


def round_off(model: Any) -> None:
    """Round the adapter's weights to the dtype of models, bf16 or fp16; so they are saved and served."""
    import torch

    is_wide = all(parameter.dtype == torch.float32 for parameter in model.parameters())
    _cast(model.parameters() if is_wide else _trained(model), compute_dtype())


def _trained(model: Any) -> Iterator[Any]:
    return (parameter for parameter in model.parameters() if parameter.requires_grad)


def _cast(parameters: Iterable[Any], dtype: Any) -> None:
    for parameter in parameters:
        parameter.data = parameter.data.to(dtype)


def begin_as(model: Any, parent: Path, recipe: Recipe, base: Base) -> None:
    """Copy the parent's weights into the model's fresh adapter. Raises ``TrainingError`` when shape or base differ."""
    from safetensors.torch import load_file

    try:
        config = json.loads((parent / CONFIG).read_text(encoding="utf-8"))
        weights = load_file(parent / WEIGHTS)
    except Exception as error:  # safetensors raises its own kinds
        raise TrainingError(f"parent adapter in {parent} cannot be read: {first_line(error)}") from error
    if read_reference(parent).base != base.fingerprint():
        raise TrainingError(f"parent adapter in {parent} was trained on another base; set training.init_from to base")
    fresh = {
        name.replace(".default.", "."): parameter
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }
    own_shapes, shapes = ({name: weight.shape for name, weight in each.items()} for each in (fresh, weights))
    same_shapes = own_shapes == shapes
    if not same_shapes or config["lora_alpha"] != recipe.alpha:
        raise TrainingError(
            f"parent adapter in {parent} has r {config['r']} and alpha {config['lora_alpha']} on {len(weights) // 2} layers, "
            f"the recipe has r {recipe.r} and alpha {recipe.alpha} on {len(fresh) // 2}; set training.init_from to base, or "
            "training.r, training.alpha and training.target to the parent's"
        )
    for name, parameter in fresh.items():
        parameter.data.copy_(weights[name])
