"""What the CPU of the tests can do."""

from __future__ import annotations


def multiplies_bf16() -> bool:
    """Whether this CPU has the products with which an answer does not depend on its batch."""
    import torch

    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
