"""Weights in the order in which the CPU reads them.

For each product, oneDNN would put the weights of a bf16 layer into its own order, multiply, and throw the copy away. For a
few tokens that takes longer than the product. Here each layer is put into that order once. The products are the same
bit for bit, which is verified for each shape when a model is loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

PROBE = 8
"""Rows of the product that is compared before a shape is packed; chosen."""


def pack_weights(model: Any) -> int:
    """Pack the bf16 linear layers of a model on a CPU, and return how many were packed.

    A packed layer holds its weights once. Weights that another layer shares, such as those of the embedding, stay there
    as they are, so an output layer that shares them takes their memory a second time. Other models are left alone.
    """
    import torch

    if model.device.type != "cpu" or not _can_pack():
        return 0
    verified: dict[tuple[int, ...], bool] = {}
    packed = 0
    for layer in model.modules():
        if type(layer) is not torch.nn.Linear or layer.weight.dtype != torch.bfloat16:
            continue
        shape = (*layer.weight.shape, int(layer.bias is not None))
        if shape not in verified:
            verified[shape] = _is_same(layer.weight, layer.bias)
        if verified[shape]:
            weight = torch.ops.mkldnn._reorder_linear_weight(layer.weight.detach())
            layer.weight = torch.nn.Parameter(weight, requires_grad=False)
            vars(layer)["forward"] = packed_linear(weight, layer.bias)
            packed += 1
    return packed


def unpack_weights(model: Any) -> None:
    """Put the weights back as they were, for what reads them and does not only multiply by them."""
    import torch

    for layer in model.modules():
        if isinstance(layer, torch.nn.Linear) and layer.weight.is_mkldnn:
            layer.weight = torch.nn.Parameter(layer.weight.to_dense(), requires_grad=False)
            vars(layer).pop("forward", None)


def packed_linear(weight: Tensor, bias: Tensor | None = None) -> Callable[[Tensor], Tensor]:
    """The product with packed weights."""
    import torch

    product: Any = torch.ops.mkldnn._linear_pointwise
    return partial(_multiply, product.default, weight, bias)


def linear(weight: Tensor) -> Callable[[Tensor], Tensor]:
    """The fastest product with the weights on their device."""
    import torch

    if weight.device.type == "cpu" and weight.dtype == torch.bfloat16 and _can_pack():
        return packed_linear(torch.ops.mkldnn._reorder_linear_weight(weight.detach()))
    return partial(torch.nn.functional.linear, weight=weight)


def _multiply(product: Any, weight: Tensor, bias: Tensor | None, x: Tensor) -> Tensor:
    return product(x, weight, bias, "none", [], "")  # type: ignore[no-any-return]


def _can_pack() -> bool:
    """Whether this torch and this CPU multiply packed bf16 weights. The operations are those of torch's own compiler."""
    import torch

    operations: Any = torch.ops.mkldnn
    try:
        return bool(operations._is_mkldnn_bf16_supported() and operations._linear_pointwise.default)
    except (AttributeError, RuntimeError):
        return False


def _is_same(weight: Tensor, bias: Tensor | None) -> bool:
    """Whether the product with the packed weights equals the plain one bit for bit."""
    import torch

    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(PROBE, weight.shape[1], generator=generator).to(weight.dtype)
    packed = packed_linear(torch.ops.mkldnn._reorder_linear_weight(weight.detach()), bias)
    with torch.inference_mode():
        return torch.equal(packed(rows), torch.nn.functional.linear(rows, weight, bias))
