"""A setting that is one no more: refused with its reason, and without effect in old logs and recipes."""

from __future__ import annotations

import pytest

from grokputer.domain.settings.keys import RETIRED
from grokputer.domain.settings.recipe import Recipe
from grokputer.domain.settings.settings import ALL_SETTINGS, BadSetting, Policy, check_setting, resolve_recipe


@pytest.mark.parametrize("key", ["training.engine", "action.training.engine"])
def test_setting_the_engine_is_refused_with_the_reason(key: str) -> None:
    with pytest.raises(BadSetting, match=f"^{key} was removed: the releases of unsloth need older libraries"):
        check_setting(key, "unsloth")
    assert not RETIRED.keys() & ALL_SETTINGS.keys()


def test_an_old_recipe_and_an_old_setting_with_an_engine_are_read() -> None:
    assert Recipe.from_json({"r": 8, "engine": "unsloth"}) == Recipe(r=8)
    assert resolve_recipe(Policy({"training.engine": "unsloth"}), "action") == resolve_recipe(Policy(), "action")
