"""What the size of the base decides, and that a setting comes before it."""

from __future__ import annotations

from typing import Any

import pytest

from grokputer.domain.settings.recipe import preset
from grokputer.domain.settings.settings import Policy, resolve_recipe
from grokputer.domain.settings.sizes import FEW, Resolved, resolve_for_base, resolve_quantization


def resolve(parameters: int | None, **changed: Any) -> Resolved:
    policy = Policy({"model.base": "some/model", **{key.replace("_", ".", 1): value for key, value in changed.items()}})
    return resolve_for_base(policy, "action", resolve_recipe(policy, "action"), parameters)


@pytest.mark.parametrize(
    ("parameters", "held"),
    [(5_000_000, "none"), (FEW - 1, "none"), (FEW, "nf4"), (8_000_000_000, "nf4"), (None, "nf4")],
)
def test_auto_is_nf4_from_a_billion_parameters_on(parameters: int | None, held: str) -> None:
    assert resolve_quantization(Policy({"model.base": "some/model"}), parameters)[0] == held
    assert resolve(parameters).recipe.quantization == held


@pytest.mark.parametrize("parameters", [5_000_000, 8_000_000_000])
def test_a_quantisation_that_was_set_stays_at_any_size(parameters: int) -> None:
    for held in ("nf4", "none"):
        resolved = resolve(parameters, model_quantization=held)
        assert resolved.recipe.quantization == held
        assert "model.quantization is set" in " ".join(resolved.reasons)


def test_the_recipe_of_the_embedded_model_is_the_presets_own() -> None:
    resolved = resolve_for_base(Policy(), "action", resolve_recipe(Policy(), "action"), 5_000_000)
    assert resolved.adjusted == {}
    assert resolved.recipe == preset("default").replace(quantization="none")


@pytest.mark.parametrize(
    ("parameters", "rate", "source"),
    [
        (5_000_000, 2e-3, "measured at 5 million"),
        (134_515_008, 2e-3, "measured at 135 million"),
        (8_000_000_000, 2e-4, "arXiv 2305.14314"),
        (33_000_000_000, 1e-4, "arXiv 2305.14314"),
        (None, 2e-4, "arXiv 2305.14314"),
    ],
)
def test_the_learning_rate_falls_as_the_base_grows(parameters: int | None, rate: float, source: str) -> None:
    resolved = resolve(parameters)
    assert resolved.recipe.learning_rate == rate
    assert any(source in reason for reason in resolved.reasons)
    assert (resolved.recipe.r, resolved.recipe.alpha) == (16, 32)


def test_a_figure_that_was_set_stays_and_is_not_explained_by_the_size() -> None:
    resolved = resolve(8_000_000_000, training_learning_rate=5e-3)
    assert resolved.recipe.learning_rate == 5e-3
    assert "learning_rate" not in resolved.adjusted


def test_another_preset_keeps_its_figures() -> None:
    policy = Policy({"model.base": "some/model", "training.preset": "seed"})
    requested = resolve_recipe(policy, "action")
    assert resolve_for_base(policy, "action", requested, 134_515_008).adjusted == {"quantization": "none"}


@pytest.mark.parametrize(
    ("parameters", "examples", "steps", "rate"),
    [
        (134_515_008, 87, 176, 1e-3),  # the default makes 24
        (134_515_008, 400, 100, 2e-3),
        (134_515_008, 384, 768, 1e-3),
        (134_515_008, None, None, 2e-3),
        (5_000_000, 94, 96, 2e-3),
        (8_000_000_000, 87, 18, 2e-4),
    ],
)
def test_few_examples_take_more_and_smaller_steps(
    parameters: int, examples: int | None, steps: int | None, rate: float
) -> None:
    policy = Policy({"model.base": "some/model"})
    resolved = resolve_for_base(policy, "action", resolve_recipe(policy, "action"), parameters, examples)
    assert resolved.recipe.learning_rate == rate
    if examples is not None:
        assert resolved.recipe.steps(examples) == steps
        is_told = f"{examples} examples made" in " ".join(resolved.reasons)
        assert is_told == (resolved.recipe.accumulation == 1)


@pytest.mark.parametrize("key", ["training.epochs", "training.accumulation", "training.learning_rate"])
def test_figures_for_few_examples_leave_a_choice_of_a_person_alone(key: str) -> None:
    policy = Policy({"model.base": "some/model", key: Policy().preset_figure(key)})
    requested = resolve_recipe(policy, "action")
    adjusted = resolve_for_base(policy, "action", requested, 134_515_008, 20).adjusted
    assert adjusted.keys() == {"quantization"}


def test_the_reasons_name_the_size() -> None:
    assert resolve(134_515_008).reasons[0] == "a base of 135 million parameters"
    assert resolve(8_030_000_000).reasons[0] == "a base of 8.0 billion parameters"
    assert resolve(None).reasons[0] == "a base of unknown size, which counts as large"
