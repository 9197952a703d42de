"""An adapter merged into its base: a whole model for programs that serve no adapters."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..serving.base_model import compute_dtype

if TYPE_CHECKING:
    from ..serving.base_model import Base


def merge(base: Base, adapter: Path, into: Path) -> None:
    """Write the base with the adapter's weights added, and its tokenizer, as a folder of transformers.

    The sums are made in float32 and stored in bf16. The base is loaded unquantised: weights of 4 bits could not hold them.
    Raises ``ModelError``.
    """
    import torch
    from peft import PeftModel

    loaded, tokenizer = replace(base, quantization="none").load()
    model: Any = loaded
    untyped: Any = PeftModel
    with torch.no_grad():
        merged = untyped.from_pretrained(model.float(), str(adapter)).merge_and_unload(safe_merge=True)
        merged.to(compute_dtype()).save_pretrained(into)
    tokenizer.save_pretrained(into)
