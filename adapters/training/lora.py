"""The trained weights themselves: how they begin, in which precision they are kept, and how they are rounded at the end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...domain.errors import TrainingError
from ...domain.settings.recipe import ATTENTION, Recipe
from ..serving.base_model import Base, compute_dtype, first_line
from ..serving.proof import read_reference

if TYPE_CHECKING:
    from peft import LoraConfig
    from transformers import PreTrainedModel

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"


def configure_lora(recipe: Recipe, model: PreTrainedModel) -> LoraConfig:
    """PEFT's configuration of a fresh adapter, which changes nothing yet.

    Raises ``TrainingError`` when the model has not all the layers that are to be adapted.
    """
    from peft import LoraConfig

    found = linear_layers(model)
    wanted = set(ATTENTION) if recipe.target == "attention" else set()
    if not found or not wanted <= found:
        raise TrainingError(
            f"target {recipe.target} adapts the layers {', '.join(ATTENTION) if wanted else 'that are linear'}, and this model "
            f"has {', '.join(sorted(found)) or 'none'}; "
            + ("set training.target to all-linear" if found else "use another")
        )

    return LoraConfig(
        task_type="CAUSAL_LM",
        r=recipe.r,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        bias="none",
        target_modules=list(ATTENTION) if recipe.target == "attention" else "all-linear",
    )


def linear_layers(model: Any) -> set[str]:
    """The names, within a block, of the layers that a LoRA can adapt; all but the one that makes the logits."""
    import torch
    from transformers.pytorch_utils import Conv1D

    head = model.get_output_embeddings()
    layers = ((name, it) for name, it in model.named_modules() if isinstance(it, (torch.nn.Linear, Conv1D)))
    return {name.rpartition(".")[2] for name, it in layers if it is not head}


def widen(model: Any) -> None:
    """Keep the adapter's weights in fp32: TRL makes them bf16, where an update smaller than 1/256 of a weight is lost."""
    import torch

    _cast(model, torch.float32)


def round_off(model: Any) -> None:
    """Make the adapter's weights what the forward pass multiplied by, bf16 or fp16: so they are saved and served."""
    _cast(model, compute_dtype())


def _cast(model: Any, dtype: Any) -> None:
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.to(dtype)


def begin_as(model: Any, parent: Path, recipe: Recipe, base: Base) -> None:
    """Make the model's fresh adapter the parent's. Raises ``TrainingError`` when that is of another shape or base."""
    from safetensors.torch import load_file

    try:
        config = json.loads((parent / CONFIG).read_text(encoding="utf-8"))
        weights = load_file(parent / WEIGHTS)
    except Exception as error:  # safetensors raises kinds of its own
        raise TrainingError(f"parent adapter in {parent} cannot be read: {first_line(error)}") from error
    if read_reference(parent).base != base.fingerprint():
        raise TrainingError(f"parent adapter in {parent} was trained on another base; set training.init_from to base")
    fresh = {name.replace(".default.", "."): it for name, it in model.named_parameters() if it.requires_grad}
    same_shapes = {name: it.shape for name, it in fresh.items()} == {name: it.shape for name, it in weights.items()}
    if not same_shapes or config["lora_alpha"] != recipe.alpha:
        raise TrainingError(
            f"parent adapter in {parent} has r {config['r']} and alpha {config['lora_alpha']} on {len(weights) // 2} layers, "
            f"the recipe has r {recipe.r} and alpha {recipe.alpha} on {len(fresh) // 2}; set training.init_from to base, or "
            "training.r, training.alpha and training.target to the parent's"
        )
    for name, parameter in fresh.items():
        parameter.data.copy_(weights[name])
