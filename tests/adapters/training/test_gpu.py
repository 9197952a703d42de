"""What only an NVIDIA GPU can show: trained there, proven there, and in fp16 where the GPU has no bf16."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_base import click_examples, job, quiet_libraries

from grokputer.adapters.serving.base_model import Base, compute_dtype, device
from grokputer.adapters.serving.local import LocalModel
from grokputer.adapters.serving.proof import prove_applied, read_reference
from grokputer.adapters.training.trainer import train_job
from grokputer.domain.page.messages import Request

pytestmark = pytest.mark.skipif(device() == "cpu", reason="needs an NVIDIA GPU")


@pytest.mark.parametrize("quantization", ["nf4", "none"])
@pytest.mark.parametrize("has_bf16", [True, False])
def test_an_adapter_trained_on_a_gpu_learns_is_proven_and_answers(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quantization: str, has_bf16: bool
) -> None:
    import torch
    from safetensors.torch import load_file

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **given: has_bf16)
    spec = job(tmp_path, tiny_base, click_examples(64, done=True))
    spec = type(spec)(
        spec.directory, spec.dataset, spec.recipe.replace(quantization=quantization), Base(str(tiny_base))
    )
    scaled: list[bool] = []
    with quiet_libraries():
        result = train_job(spec, lambda trainer: scaled.append(trainer.args.fp16))
    assert result.device == "cuda:0"
    assert scaled == [not has_bf16]
    assert compute_dtype() == (torch.bfloat16 if has_bf16 else torch.float16)
    weights = load_file(result.adapter / "adapter_model.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {compute_dtype()}

    model = LocalModel(Base(str(tiny_base), quantization=quantization))
    model.load("done", result.adapter)
    proof = prove_applied(model, "done", read_reference(result.adapter))
    unseen = click_examples(20, seed=1)
    answers = model.complete_many([Request(example.messages, "done", 32) for example in unseen])
    model.close()
    assert proof.is_applied
    assert [getattr(answer, "text", answer) for answer in answers] == ["DONE"] * 20, result.final_loss
