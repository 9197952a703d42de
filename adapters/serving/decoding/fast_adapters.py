"""The layers of LoRA adapters, computed in the fewest operations.

PEFT loads adapters and knows every kind of them. Its layers look up the adapter, its type and its settings in each call, which
on a small model takes longer than the products. Here that is decided once, when an adapter is applied. The numbers
are PEFT's: the same products in the same order, never merged into the base.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from .packed_weights import linear

if TYPE_CHECKING:
    from torch import Tensor

Layer = Callable[["Tensor"], "Tensor"]


class FastAdapters:
    """The forward passes of a PEFT model's layers, by adapter. An adapter that is not plain LoRA is left to PEFT."""

    def __init__(self) -> None:
        self._made: dict[str, list[tuple[Any, Layer]] | None] = {}

    def add(self, tuner: Any, slot: str) -> None:
        """Prepare the adapter that was loaded into PEFT's ``slot``."""
        self._made[slot] = None if tuner.peft_config[slot].modules_to_save else _make(_layers(tuner), slot)

    def forget(self, slot: str) -> None:
        """Free what was prepared for the adapter."""
        self._made.pop(slot, None)

    def apply(self, tuner: Any, slot: str | None) -> None:
        """Make each layer compute the adapter in PEFT's ``slot``, or the base alone."""
        for layer in _layers(tuner):
            vars(layer).pop("forward", None)
        if None in self._made.values():  # PEFT also knows of layers that are no LoRA
            if slot is None:
                tuner.disable_adapter_layers()
            else:
                tuner.enable_adapter_layers()
                tuner.set_adapter(slot, inference_mode=True)
        made = self._made[slot] if slot is not None else []
        if made is None:
            return
        for layer in _layers(tuner):
            layer.forward = layer.get_base_layer().forward
        for layer, forward in made:
            layer.forward = forward


def _layers(tuner: Any) -> list[Any]:
    from peft.tuners.lora.layer import LoraLayer

    return [module for module in tuner.model.modules() if isinstance(module, LoraLayer)]


def _make(layers: list[Any], slot: str) -> list[tuple[Any, Layer]] | None:
    """The layers of the adapter with their forward passes; None where one is not plain."""
    adapted = [layer for layer in layers if slot in layer.lora_A or slot in layer.lora_embedding_A]
    if not adapted or not all(_is_plain(layer, slot) for layer in adapted):
        return None
    return [(layer, _forward_of(layer, slot)) for layer in adapted]


def _is_plain(layer: Any, slot: str) -> bool:
    """Whether the layer adds the product of two matrices to a linear layer, and nothing else."""
    import torch

    base = layer.get_base_layer()
    if slot not in layer.lora_A or not isinstance(base, torch.nn.Linear) or layer.merged:
        return False
    a, b = layer.lora_A[slot], layer.lora_B[slot]
    is_linear = type(a) is torch.nn.Linear and type(b) is torch.nn.Linear and a.bias is None and b.bias is None
    has_variant = slot in getattr(layer, "lora_variant", {})
    return is_linear and not has_variant and not layer.fan_in_fan_out and a.weight.dtype == torch.bfloat16


def _forward_of(layer: Any, slot: str) -> Layer:
    scaling = float(layer.scaling[slot])
    a, b = layer.lora_A[slot].weight.detach(), layer.lora_B[slot].weight.detach()
    if abs(math.frexp(scaling)[0]) == 0.5:  # a power of two: multiplying by it first is exact
        return partial(_add, layer.get_base_layer().forward, linear(a), linear(b * scaling))
    return partial(_add_scaled, layer.get_base_layer().forward, linear(a), linear(b), scaling)


def _add(base: Layer, a: Layer, b: Layer, x: Tensor, *args: Any, **options: Any) -> Tensor:
    return base(x).add_(b(a(x)))


def _add_scaled(base: Layer, a: Layer, b: Layer, scaling: float, x: Tensor, *args: Any, **options: Any) -> Tensor:
    return base(x).add_(b(a(x)).mul_(scaling))
