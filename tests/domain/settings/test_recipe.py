"""Recipes say everything about a training, and nothing that is not allowed."""

from __future__ import annotations

import math

import pytest

from grokputer.domain.errors import GrokputerError, InvalidRecipe
from grokputer.domain.settings.recipe import Recipe, preset


def test_the_preset_large_has_the_figures_of_the_operators_requirements() -> None:
    recipe = preset("large", "ocr")
    assert (recipe.quantization, recipe.r, recipe.alpha, recipe.dropout, recipe.target) == (
        "nf4",
        16,
        32,
        0.05,
        "attention",
    )
    assert (recipe.epochs, recipe.batch, recipe.accumulation, recipe.learning_rate) == (3, 4, 4, 2e-4)
    assert (recipe.max_length, recipe.packing) == (2048, True)


@pytest.mark.parametrize(("role", "rank"), [("ocr", 16), ("action", 8), ("decomposition", 16), ("recovery", 12)])
def test_each_role_has_its_rank_under_the_preset_large(role: str, rank: int) -> None:
    assert preset("large", role).r == rank


def test_the_preset_has_the_same_figures_under_its_earlier_name_seed() -> None:
    assert preset("seed", "action") == preset("large", "action")


def test_the_preset_default_adapts_all_linear_layers() -> None:
    assert preset("default", "action").target == "all-linear"


def test_a_recipe_survives_json() -> None:
    recipe = preset("large", "recovery").replace(seed=7)
    assert Recipe.from_json(recipe.to_json()) == recipe


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("r", 0, "1 to 512"),
        ("dropout", 1.5, "0 to 0.9"),
        ("learning_rate", math.nan, "1e-08 to 1"),
        ("target", "everything", "attention, all-linear"),
        ("epochs", "three", "a whole number"),
        ("batch", True, "a whole number"),
        ("packing", 1, "true or false"),
        ("beta", 0.0, "0.0001 to 100"),
        ("init_from", "uncle", "base, parent"),
    ],
)
def test_a_value_out_of_range_is_refused_with_key_value_and_range(key: str, value: object, allowed: str) -> None:
    with pytest.raises(InvalidRecipe) as refused:
        Recipe().replace(**{key: value})
    message = str(refused.value)
    assert key in message
    assert repr(value) in message
    assert allowed in message
    assert "\n" not in message


def test_an_unknown_setting_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidRecipe, match=r"'rank' does not exist; the settings are r, alpha"):
        Recipe.from_json({"rank": 8})


def test_an_unknown_preset_is_refused_with_the_known_ones() -> None:
    with pytest.raises(GrokputerError, match="the presets are default, large"):
        preset("best")


def test_a_whole_number_is_a_learning_rate_too() -> None:
    assert Recipe(learning_rate=1).learning_rate == 1.0


def test_a_recipe_without_any_objective_is_refused() -> None:
    with pytest.raises(InvalidRecipe, match="'sft_weight', 'kto_weight' and 'dpo_weight' are all 0; give one"):
        Recipe(sft_weight=0)
