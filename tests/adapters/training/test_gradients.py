"""Real QLoRA on a tiny Llama: which parameters a training changes, and that their gradients are right."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tiny_base import RECIPE, click_examples, job, quiet_libraries

from grokputer.adapters.serving.base_model import Base
from grokputer.adapters.training.batches import Item, tokenize
from grokputer.adapters.training.trainer import check_never_evaluated, make_trainer, train_job
from grokputer.domain.errors import TrainingError
from grokputer.domain.settings.recipe import Recipe

SHORT = RECIPE.replace(epochs=1, checkpoint_steps=100)


@pytest.fixture(autouse=True)
def _quiet_libraries() -> Iterator[None]:
    with quiet_libraries():
        yield


def items(base: Base, count: int = 8) -> list[Item]:
    return tokenize(click_examples(count), base.load()[1], 512)


def lora(model: Any) -> dict[str, Any]:
    return {name: parameter for name, parameter in model.named_parameters() if "lora_" in name}


def test_every_lora_parameter_changes_and_every_base_byte_stays(tiny_base: Path, tmp_path: Path) -> None:
    files = hash_of_files(tiny_base)
    base = Base(str(tiny_base))
    model, tokenizer = base.load()
    trainer: Any = make_trainer(model, tokenizer, items(base, 32), SHORT, tmp_path)
    before: dict[str, Any] = {name: tensor.detach().clone() for name, tensor in trainer.model.named_parameters()}
    packed = {name: str(p.quant_state.as_dict(packed=True)) for name, p in before.items() if hasattr(p, "quant_state")}
    trainer.train()
    for name, parameter in trainer.model.named_parameters():
        assert parameter.equal(before[name]) == ("lora_" not in name), name
    assert {name: str(p.quant_state.as_dict(packed=True)) for name, p in before.items() if name in packed} == packed
    assert len(lora(trainer.model)) == 2 * 2 * 7  # A and B of seven projections in two layers
    assert all(parameter.dtype.itemsize == 4 for parameter in lora(trainer.model).values())
    assert hash_of_files(tiny_base) == files


def hash_of_files(directory: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in directory.iterdir()}


@pytest.mark.parametrize(("has_units", "precision"), [(True, "bf16"), (False, "fp32")])
def test_a_cpu_without_units_for_bf16_trains_in_fp32_and_the_base_comes_out_as_it_was(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_units: bool, precision: str
) -> None:
    import torch

    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: has_units)
    spec = job(tmp_path, tiny_base, click_examples(16), SHORT.replace(quantization="none"))
    trained: list[Any] = []
    result = train_job(spec, trained.append)
    assert result.precision == precision
    base = Base(str(tiny_base), quantization="none").load()[0]
    own = {name: parameter for name, parameter in trained[0].model.named_parameters() if "lora_" not in name}
    assert len(own) == len(list(base.parameters()))
    for known, parameter in zip(base.parameters(), own.values(), strict=True):
        assert parameter.dtype == known.dtype and parameter.equal(known)


def test_attention_alone_adapts_four_projections(tiny_base: Path, tmp_path: Path) -> None:
    base = Base(str(tiny_base))
    model, tokenizer = base.load()
    trainer = make_trainer(model, tokenizer, items(base), Recipe(target="attention", r=8), tmp_path)
    assert {name.split(".")[-4] for name in lora(trainer.model)} == {"q_proj", "k_proj", "v_proj", "o_proj"}
    assert {min(parameter.shape) for parameter in lora(trainer.model).values()} == {8}


# The gradient through 4-bit weights


def gradient(model: Any, row: dict[str, list[int]]) -> Any:
    """The gradients of all LoRA matrices for one example, as one vector."""
    import torch

    model.train()
    model.zero_grad()
    batch = {name: torch.tensor([ids]) for name, ids in row.items()}
    with torch.autocast("cpu", torch.bfloat16):
        model(**batch).loss.backward()
    return torch.cat(
        [parameter.grad.float().flatten() for parameter in lora(model).values() if parameter.grad is not None]
    )


def adapted(model: Any) -> Any:
    """The model with the same random LoRA matrices each time."""
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(7)
    return get_peft_model(model, LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False))


def cosine(a: Any, b: Any) -> float:
    import torch

    return float(torch.nn.functional.cosine_similarity(a, b, 0))


def test_the_gradient_through_nf4_is_that_of_a_dense_reference(tiny_base: Path) -> None:
    base = Base(str(tiny_base))
    row = items(base)[0].row
    dense = adapted(base.load_for_serving()[0])
    packed = adapted(base.load()[0])
    assert "Linear4bit" in str(packed)
    assert "Linear4bit" not in str(dense)
    assert cosine(gradient(packed, row), gradient(dense, row)) > 0.99


def test_a_base_that_was_evaluated_keeps_its_gradient(tiny_base: Path) -> None:
    base = Base(str(tiny_base))
    row = items(base)[0].row
    model = adapted(base.load()[0])
    before = gradient(model, row)
    evaluate(model, row)
    assert cosine(gradient(model, row), before) > 0.99


def test_bitsandbytes_on_its_own_loses_the_gradient_at_the_first_evaluation(tiny_base: Path) -> None:
    """Why ``Base.load`` switches repacking off, and why training takes a freshly loaded base all the same."""
    import bitsandbytes.functional

    functional: Any = bitsandbytes.functional
    if not functional.has_avx512bf16():
        pytest.skip("this CPU has no AVX512-BF16, for which bitsandbytes repacks weights")
    base = Base(str(tiny_base))
    row = items(base)[0].row
    model = adapted(base.load()[0])
    before = gradient(model, row)
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = True
    evaluate(model, row)
    with pytest.warns(UserWarning, match="gemv_4bit"):
        after = gradient(model, row)
    assert cosine(after, before) < 0.9
    with pytest.raises(TrainingError, match="its gradients are wrong"):
        check_never_evaluated(model)


def evaluate(model: Any, row: dict[str, list[int]]) -> None:
    import torch

    with torch.no_grad():
        model.eval()(torch.tensor([row["input_ids"]]))
