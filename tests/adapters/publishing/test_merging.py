"""A merged model answers as the adapter on its base does, to the rounding of bf16."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tiny_base import Trained

from grokputer.adapters.publishing.merging import merge
from grokputer.adapters.serving.base_model import Base

# PEFT calls transformers by names that are going away.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:.*deprecated and will be removed in v6:FutureWarning"),
]


def logits(model: Any, tokens: Any) -> Any:
    import torch

    with torch.no_grad():
        return model.float()(tokens).logits


def test_a_merged_model_gives_the_outputs_of_the_adapter_and_not_those_of_the_base(
    tiny_base: Path, trained: Trained, tmp_path: Path
) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    untyped: Any = PeftModel
    base = Base(str(tiny_base), quantization="none")
    merge(base, trained.asked.adapter, tmp_path / "merged")
    tokens = torch.arange(5, 25).reshape(1, -1)
    plain: Any = base.load()[0]
    of_base = logits(plain, tokens)
    unmerged = logits(untyped.from_pretrained(plain, str(trained.asked.adapter)), tokens)
    whole: Any = AutoModelForCausalLM
    merged = logits(whole.from_pretrained(tmp_path / "merged"), tokens)
    effect = float((unmerged - of_base).pow(2).mean().sqrt())
    error = float((merged - unmerged).pow(2).mean().sqrt())
    assert error < effect / 10
    assert AutoTokenizer.from_pretrained(tmp_path / "merged").chat_template
