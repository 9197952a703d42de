"""Before any traffic: the adapter that is served is the one that was trained, and it is not a no-op."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_base import Trained, build_base

from grokputer.adapters.base_model import Base
from grokputer.adapters.proof import FILE, PROMPTS, Reference, prove_applied, require_applied
from grokputer.adapters.serving import LocalModel
from grokputer.domain.errors import AdapterNotApplied


@pytest.fixture(scope="module")
def model(tiny_base: Path, trained: Trained) -> Iterator[LocalModel]:
    model = LocalModel(Base(str(tiny_base)))
    model.load("asked", trained.asked.adapter)
    model.load("done", trained.done.adapter)
    yield model
    model.close()


def reference(adapter: Path) -> Reference:
    return Reference.from_json(json.loads((adapter / FILE).read_text()))


def test_the_trained_adapter_is_proven(model: LocalModel, trained: Trained) -> None:
    for name, result in (("asked", trained.asked), ("done", trained.done)):
        proof = require_applied(model, name, result.adapter)
        assert proof.differs
        assert proof.matches
        assert proof.error == proof.base_error == 0.0  # training and serving multiply the same numbers


def test_a_wrong_adapter_is_not_proven(model: LocalModel, trained: Trained) -> None:
    proof = prove_applied(model, "asked", reference(trained.done.adapter))
    assert proof.differs
    assert not proof.matches
    with pytest.raises(AdapterNotApplied, match="not those its trainer recorded") as refused:
        require_applied(model, "asked", trained.done.adapter)
    assert "\n" not in str(refused.value)


def test_an_adapter_that_does_nothing_is_not_proven(model: LocalModel, trained: Trained, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    shutil.copytree(trained.asked.adapter, tmp_path / "zero")
    weights = load_file(tmp_path / "zero" / "adapter_model.safetensors")
    zeroed = {name: tensor * 0 if "lora_B" in name else tensor for name, tensor in weights.items()}
    save_file(zeroed, tmp_path / "zero" / "adapter_model.safetensors")
    model.load("zero", tmp_path / "zero")
    with pytest.raises(AdapterNotApplied, match="its answers are the base's"):
        require_applied(model, "zero", tmp_path / "zero")
    model.unload("zero")


def test_an_adapter_whose_training_did_nothing_is_not_proven(model: LocalModel, trained: Trained) -> None:
    """Served and trained are equal then, and both are the base."""
    recorded = reference(trained.asked.adapter)
    idle = replace(recorded, answers=tuple(replace(answer, trained=answer.base) for answer in recorded.answers))

    class Unmoved:
        def next_logits(self, messages: object, *, adapter: str | None = None) -> list[float]:
            return model.next_logits(PROMPTS[[tuple(prompt) for prompt in PROMPTS].index(messages)])  # type: ignore[arg-type]

    proof = prove_applied(Unmoved(), "idle", idle)
    assert (proof.matches, proof.differs, proof.is_applied) == (True, False, False)


def test_an_adapter_on_another_base_is_not_proven(trained: Trained, tmp_path: Path) -> None:
    other = LocalModel(Base(str(build_base(tmp_path / "other", fill=-1.0))))
    other.load("asked", trained.asked.adapter)
    proof = prove_applied(other, "asked", reference(trained.asked.adapter))
    other.close()
    assert proof.base_error > 0
    assert not proof.is_applied


def test_an_adapter_on_a_base_that_is_not_quantised_is_told_from_the_base(tiny_base: Path, trained: Trained) -> None:
    plain = LocalModel(Base(str(tiny_base), quantization="none"))
    plain.load("done", trained.done.adapter)
    proof = prove_applied(plain, "done", reference(trained.done.adapter))
    plain.close()
    assert proof.differs
    assert proof.base_error > 0


def test_a_reference_survives_json(trained: Trained) -> None:
    recorded = reference(trained.asked.adapter)
    assert Reference.from_json(json.loads(json.dumps(recorded.to_json()))) == recorded
    assert recorded.base == trained.asked.base_fingerprint
    assert len(recorded.answers) == len(PROMPTS)


def test_an_adapter_without_a_reference_is_not_proven(model: LocalModel, tmp_path: Path) -> None:
    with pytest.raises(AdapterNotApplied, match="has no readable"):
        require_applied(model, "asked", tmp_path)
