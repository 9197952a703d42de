"""Before any traffic: the adapter that is served is the one that was trained, and it is not a no-op."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_base import Trained, build_base

from grokputer.adapters.serving.base_model import Base
from grokputer.adapters.serving.local import LocalModel
from grokputer.adapters.serving.proof import PROMPTS, Reference, prove_applied
from grokputer.adapters.serving.proof import read_reference as reference
from grokputer.domain.errors import DamagedWeights


@pytest.fixture(scope="module")
def model(tiny_base: Path, trained: Trained) -> Iterator[LocalModel]:
    model = LocalModel(Base(str(tiny_base)))
    model.load("asked", trained.asked.adapter)
    model.load("done", trained.done.adapter)
    yield model
    model.close()


def test_the_trained_adapter_is_proven(model: LocalModel, trained: Trained) -> None:
    for name, result in (("asked", trained.asked), ("done", trained.done)):
        proof = prove_applied(model, name, reference(result.adapter))
        assert proof.differs
        assert proof.matches
        assert proof.error == proof.base_error == 0.0  # training and serving multiply the same numbers


def test_a_wrong_adapter_is_not_proven(model: LocalModel, trained: Trained) -> None:
    proof = prove_applied(model, "asked", reference(trained.done.adapter))
    assert proof.differs
    assert not proof.matches
    assert not proof.is_applied


def test_an_adapter_that_does_nothing_is_not_proven(model: LocalModel, trained: Trained, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    shutil.copytree(trained.asked.adapter, tmp_path / "zero")
    weights = load_file(tmp_path / "zero" / "adapter_model.safetensors")
    zeroed = {name: tensor * 0 if "lora_B" in name else tensor for name, tensor in weights.items()}
    save_file(zeroed, tmp_path / "zero" / "adapter_model.safetensors")
    model.load("zero", tmp_path / "zero")
    assert not prove_applied(model, "zero", reference(tmp_path / "zero")).differs
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


def test_weights_without_a_reference_cannot_be_proven(tmp_path: Path) -> None:
    with pytest.raises(DamagedWeights, match="no readable") as refused:
        reference(tmp_path)
    assert "\n" not in str(refused.value)
