"""Settings and routing: what may be set to what, and where a run goes."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any

import pytest

from given import SOMEONE, given
from grokputer.domain.aggregates.base import Context
from grokputer.domain.aggregates.settings import Settings
from grokputer.domain.errors import InvalidRecipe
from grokputer.domain.events import PolicyChanged
from grokputer.domain.evidence.terms import canary_terms, trigger_terms
from grokputer.domain.rules.routing import Route, Traffic, route
from grokputer.domain.settings.recipe import TARGETS, Recipe
from grokputer.domain.settings.running import RoleEndpoint
from grokputer.domain.settings.setting import OPERATORS
from grokputer.domain.settings.settings import (
    ALL_SETTINGS,
    RECIPE_SETTINGS,
    SETTINGS,
    BadSetting,
    Policy,
    check_setting,
    resolve_recipe,
)


def change(key: str, value: Any) -> Any:
    return lambda settings: settings.change(key, value, "because", SOMEONE)


def test_a_change_records_who_the_old_and_the_new_value() -> None:
    given(Settings).when(change("rating.threshold", "4.2")).then(
        (PolicyChanged, {"key": "rating.threshold", "old": 3.8, "new": 4.2, "reason": "because"})
    )


def test_setting_what_is_in_force_records_nothing() -> None:
    given(Settings).when(change("rating.window", 50)).then_nothing()
    given(Settings, change("rating.window", 30)).when(change("rating.window", "30")).then_nothing()


@pytest.mark.parametrize(
    ("key", "value", "word"),
    [
        ("rating.threshold", 6, "from 1 to 5"), ("rating.window", 0, "from 1 to 1000"), ("rating.window", 2.5, "whole number"),
        ("canary.rule", "hope", "threshold, relative"), ("canary.weight_percent", "many", "whole number"),
        ("model.trust_remote_code", "maybe", "true or false"), ("rating.threshold", "nan", "from 1 to 5"),
        ("rating.windows", 5, "not a setting"),
        ("rating.window", "inf", "whole number"),
        ("canary.bake_s", "inf", "from 0 to"),
        ("model.endpoint", "https://me:secret@host/v1", "OPENAI_API_KEY"),
        ("action.model.revision", "main", "model.revision"), ("rating.threshold", "", "must not be empty"),
        ("action.model.base", "other", "action.model.endpoint first"),
    ],
)  # fmt: skip
def test_a_value_out_of_range_is_refused_with_what_is_allowed(key: str, value: Any, word: str) -> None:
    given(Settings).when(change(key, value)).then_refused(key, word)


def test_a_role_s_own_value_is_recorded_also_where_it_is_the_one_that_it_inherits() -> None:
    same = change("ocr.rating.window", 50)
    given(Settings).when(same).then((PolicyChanged, {"old": 50, "new": 50}))
    given(Settings, same).when(same).then_nothing()
    held = Policy({"ocr.rating.window": 50, "rating.window": 30})
    assert [held.get("rating.window", role) for role in ("ocr", "action")] == [50, 30]


def test_a_role_may_have_a_value_of_its_own() -> None:
    policy = Policy({"rating.window": 30, "ocr.rating.window": 20})
    assert [policy.get("rating.window", role) for role in ("ocr", "action", None)] == [20, 30, 30]


def test_every_figure_of_the_recipe_can_be_set() -> None:
    # All but the quantisation: an adapter is trained on the base as it is served, so that is model.quantization.
    assert {f"training.{field.name}" for field in fields(Recipe)} - set(RECIPE_SETTINGS) == {"training.quantization"}
    given(Settings).when(change("action.training.r", "8")).then((PolicyChanged, {"old": None, "new": 8}))
    assert Policy({"training.r": 4, "action.training.r": 8}).recipe_changes("action") == {"r": 8}


@pytest.mark.parametrize(
    ("key", "value", "word"),
    [
        ("training.r", 9999, "a whole number from 1 to 512"),
        ("training.r", 2.5, "a whole number from 1 to 512"),
        ("training.r", True, "a whole number from 1 to 512"),
        ("ocr.training.learning_rate", "fast", "a number from 1e-08 to 1"),
        ("training.learning_rate", float("nan"), "a number from 1e-08 to 1"),
        ("training.packing", "perhaps", "true or false"),
        ("training.target", "everything", "one of attention, all-linear"),
        ("training.seed", 2**32, "from 0 to 4294967295"),
        ("training.rank", 8, "not a setting"),
        ("training.quantization", "nf4", "not a setting"),
    ],
)
def test_a_recipe_value_out_of_range_is_refused_from_every_source(key: str, value: Any, word: str) -> None:
    given(Settings).when(change(key, value)).then_refused(key, word)


@pytest.mark.parametrize("name", RECIPE_SETTINGS)
def test_every_figure_of_the_recipe_takes_what_its_range_names_and_makes_a_recipe_of_it(name: str) -> None:
    setting = RECIPE_SETTINGS[name]
    words = (setting.default, *TARGETS, "q_proj, fc1") if setting.form is not None else setting.choices
    values = words or ((True, False) if isinstance(setting.default, bool) else (setting.low, setting.high))
    for value in values:
        if name == "training.sft_weight" and not value:
            continue  # of the three weights one must be above 0
        resolve_recipe(Policy({name: check_setting(name, str(value))}), "action")
    assert setting.help


def test_the_weights_of_all_objectives_are_never_0_together() -> None:
    given(Settings).when(change("training.sft_weight", 0)).then_refused("training.sft_weight", "are all 0", "above 0")
    given(Settings, change("training.kto_weight", 1), change("action.training.sft_weight", 0)).when(
        change("training.kto_weight", 0)
    ).then_refused("training.kto_weight", "are all 0")
    given(Settings, change("training.kto_weight", 1)).when(change("training.sft_weight", 0)).then((PolicyChanged, {}))


def test_a_figure_of_the_recipe_set_to_nothing_is_the_presets_again() -> None:
    given(Settings, change("training.r", 8)).when(change("training.r", "")).then(
        (PolicyChanged, {"old": 8, "new": None})
    )
    assert resolve_recipe(Policy({"training.r": None, "training.preset": "seed"}), "recovery").r == 12


class Older(Settings):
    """Settings of a program that did not check the figures of the recipe."""

    def let_in(self, key: str, value: Any, context: Context) -> None:
        self._record(PolicyChanged, context, key=key, old=None, new=value, reason="", is_unset=False, document=None)


def let_in(key: str, value: Any) -> Any:
    return lambda settings: settings.let_in(key, value, SOMEONE)


def test_two_bad_values_that_an_older_program_let_in_are_mended_one_after_the_other() -> None:
    bad = [let_in("training.r", 9999), let_in("action.training.batch", "many")]
    given(Older, *bad).when(change("training.r", 16)).then((PolicyChanged, {"old": 9999, "new": 16}))
    given(Older, *bad, change("training.r", 16)).when(change("action.training.batch", 4)).then(
        (PolicyChanged, {"new": 4})
    )


def test_a_bad_value_that_an_older_program_let_in_is_named_with_its_setting_and_range() -> None:
    with pytest.raises(InvalidRecipe) as caught:
        resolve_recipe(Policy({"training.r": 9999, "ocr.training.packing": "yes"}), "ocr")
    assert "training.r is 9999, and takes a whole number from 1 to 512" in str(caught.value)
    assert "ocr.training.packing is 'yes', and takes true or false" in str(caught.value)


@pytest.mark.parametrize("key", ALL_SETTINGS)
def test_every_setting_declares_type_range_default_source_and_help(key: str) -> None:
    setting = ALL_SETTINGS[key]
    assert setting.key == key
    assert setting.default is None or type(setting.default) is setting.type
    assert setting.check(key, setting.default) == setting.default
    assert (
        setting.source.startswith(("chosen", "measured", "operators' requirements"))
        or "arXiv" in setting.source
        or (key in ("cost.price_per_kwh", "alert.timeout_s"))
    )
    assert setting.help[0].isupper() or setting.help[0] == "'"
    assert setting.help.endswith(".") and "\n" not in setting.help
    is_number = setting.type in (int, float)
    assert is_number == math.isfinite(setting.low), "a number has a lowest value; nothing else has one"
    assert not (setting.choices and setting.form) and (not setting.choices or setting.type is str)
    if key.endswith(("_s", "_ms", "_percent", "_watts")):
        assert setting.unit in ("seconds", "milliseconds", "percent", "watts")


def test_a_group_holds_the_values_in_force_for_the_role_by_typed_fields() -> None:
    policy = Policy({"canary.min_runs": 20, "ocr.canary.min_runs": 5, "model.base": "org/big"})
    assert [policy.canary(role).min_runs for role in ("ocr", "action")] == [5, 20]
    assert (policy.canary("ocr").window, policy.model.base, policy.run("ocr").max_steps) == (20, "org/big", 12)
    assert policy.channels.targets == {}
    assert Policy({"alert.webhook": "env"}).channels.targets == {"webhook": "env"}


def test_every_figure_that_the_user_gave_is_a_setting_with_that_default() -> None:
    given_by_user = {
        "rating.threshold": 3.8,
        "rating.window": 50,
        "rating.minimum": 10,
        "schedule.every_s": 4 * 3600,
        "implicit.five_under_s": 10,
        "implicit.four_under_s": 30,
        "training.min_examples": 5,
        "training.learn_below_stars": 4,
        "training.r": 16,
        "training.alpha": 32,
        "training.max_length": 2048,
        "ab.min_rating_gain": 0.3,
        "ab.min_success_gain_points": 10,
        "ab.latency_ms": 500,
        "read.min_confidence": 0.85,
        "canary.weight_percent": 15,
        "canary.bake_s": 600,
        "canary.interval_s": 30,
        "canary.critical_limit": 0,
        "canary.window": 20,
        "canary.min_runs": 10,
        "canary.min_success": 0.95,
        "canary.min_rating": 3.5,
        "canary.min_health": 0.97,
        "alert.min_mean_rating": 3.5,
    }
    named = {key: it.default for key, it in ALL_SETTINGS.items() if it.source.startswith(OPERATORS)}
    assert named == given_by_user


def test_a_setting_for_all_roles_is_refused_for_one() -> None:
    for key in ("schedule.every_s", "implicit.five_under_s", "alert.max_attempts", "cost.currency"):
        given(Settings).when(change(f"action.{key}", 60)).then_refused(f"set {key}")
    given(Settings).when(change("action.alert.min_mean_rating", 3)).then((PolicyChanged, {}))


def test_without_a_rollout_every_run_is_stable() -> None:
    assert route(Traffic("lora-v1"), "anyone") == Route("stable", "lora-v1", None)


def test_the_canary_gets_its_share_and_a_session_keeps_its_arm() -> None:
    traffic = Traffic(None, "lora-v1", "ab12", 15)
    arms = [route(traffic, f"session {number}").arm for number in range(10_000)]
    # 1500 expected; a binomial share lies within five standard deviations (36 each) of it.
    assert 1320 < arms.count("canary") < 1680
    assert arms == [route(traffic, f"session {number}").arm for number in range(10_000)]


def test_another_rollout_draws_its_sessions_again() -> None:
    one, other = (
        [route(Traffic(None, "a", key, 50), str(number)).arm for number in range(200)] for key in ("ab12", "cd34")
    )
    assert one != other


def test_a_share_of_nothing_and_of_all_are_exact() -> None:
    for number in range(100):
        assert route(Traffic("s", "c", "r", 0), str(number)).arm == "stable"
        assert route(Traffic("s", "c", "r", 100), str(number)) == Route("canary", "c", "r")


@pytest.mark.parametrize(
    ("changed", "held"),
    [
        ({}, "none"),
        ({"model.base": "smollm2"}, "none"),
        ({"model.base": "org/big"}, "nf4"),
        ({"model.quantization": "nf4"}, "nf4"),
        ({"model.base": "org/big", "model.quantization": "none"}, "none"),
    ],
)
def test_all_bases_but_the_small_ones_are_quantised_unless_said_otherwise(changed: dict[str, str], held: str) -> None:
    assert Policy(changed).quantization == held


@pytest.mark.parametrize(
    ("key", "value", "word"),
    [
        ("alert.webhook", "https://me:secret@host/x", "GROKPUTER_WEBHOOK_URL"),
        ("alert.webhook", "https://hooks.example.org/x?token=secret", "GROKPUTER_WEBHOOK_URL"),
        ("alert.webhook", "ftp://host/x", "http://"),
        ("alert.email_to", "ada@example.org\nBcc: eve@example.org", "addresses"),
        ("alert.email_to", "Ada <ada@example.org>", "addresses"),
        ("alert.email_from", "ada@example.org, bob@example.org", "one address"),
        ("alert.smtp", "mail.example.org", "a host and a port"),
        ("action.alert.webhook", "https://host/x", "alert.webhook"),
    ],
)
def test_a_channel_is_set_to_what_carries_no_secret_and_no_line_break(key: str, value: str, word: str) -> None:
    given(Settings).when(change(key, value)).then_refused(key, word)
    with pytest.raises(BadSetting) as caught:
        check_setting(key, value)
    assert "secret" not in str(caught.value).replace("is a secret", "")


def test_a_channel_is_turned_on_by_where_to_and_off_by_nothing() -> None:
    given(Settings).when(change("alert.webhook", "env")).then((PolicyChanged, {"old": None, "new": "env"}))
    given(Settings).when(change("alert.email_to", "ada@example.org, bob@example.org")).then((PolicyChanged, {}))
    given(Settings).when(change("alert.smtp", "[::1]:2525")).then((PolicyChanged, {}))
    given(Settings, change("alert.webhook", "env")).when(change("alert.webhook", "")).then(
        (PolicyChanged, {"old": "env", "new": None})
    )


@pytest.mark.parametrize("key", [key for key in SETTINGS if key.startswith(("rating.", "canary."))])
def test_every_setting_of_the_rules_makes_terms_at_both_ends_and_beyond_what_it_takes_today(key: str) -> None:
    setting = SETTINGS[key]
    if not isinstance(setting.default, (int, float)):
        return
    for value in (
        setting.low,
        min(setting.high, 1e300),
        1e300 if key in ("rating.cooldown", "canary.bake_s") else setting.low,
    ):
        policy = Policy({key: type(setting.default)(value)})
        assert trigger_terms(policy, "action") and canary_terms(policy, "action")


def unset(key: str) -> Any:
    return lambda settings: settings.unset(key, "because", SOMEONE)


@pytest.mark.parametrize(
    ("ramp", "words"),
    [
        ("30:3, 20:8", "20 % is no more than the 30 % before it"),
        ("30:3,30:8", "30 % is no more than the 30 % before it"),
        ("20:3, 50:6, 40:9", "40 % is no more than the 50 % before it"),
        ("30:8, 50:3", "the step to 50 % takes less evidence (3) than the one before it (8)"),
        ("10:3", "begins with 10 %, which is no more than the first share, canary.weight_percent 15"),
        ("15:3, 50:6", "begins with 15 %"),
    ],
)
def test_a_ramp_that_does_not_rise_from_the_first_share_is_refused(ramp: str, words: str) -> None:
    given(Settings).when(change("canary.ramp", ramp)).then_refused("canary.ramp", words)
    given(Settings).when(change("action.canary.ramp", ramp)).then_refused("canary.ramp", words)


def test_a_ramp_and_a_first_share_that_contradict_each_other_are_refused_in_either_order() -> None:
    ramp = change("canary.ramp", "30:3, 50:8")
    given(Settings, ramp).when(change("canary.weight_percent", 30)).then_refused(
        "canary.ramp 30:3, 50:8 begins with 30 %"
    )
    given(Settings, ramp).when(change("canary.weight_percent", 29)).then((PolicyChanged, {"new": 29}))
    own = change("action.canary.weight_percent", 5)
    given(Settings, own).when(change("action.canary.ramp", "10:3")).then((PolicyChanged, {"new": "10:3"}))
    given(Settings, own, change("action.canary.ramp", "10:3")).when(unset("action.canary.weight_percent")).then_refused(
        "canary.ramp 10:3 of role action"
    )
    given(Settings, change("canary.ramp", "none")).when(change("canary.weight_percent", 99)).then((PolicyChanged, {}))
    given(Settings).when(change("canary.weight_percent", 60)).then((PolicyChanged, {}))


def test_an_unset_value_of_a_role_falls_back_to_all_roles_and_then_to_the_default() -> None:
    general, own = change("rating.window", 30), change("ocr.rating.window", 20)
    given(Settings, general, own).when(unset("ocr.rating.window")).then(
        (PolicyChanged, {"key": "ocr.rating.window", "old": 20, "new": 30, "is_unset": True, "reason": "because"})
    )
    given(Settings, general).when(unset("rating.window")).then(
        (PolicyChanged, {"old": 30, "new": 50, "is_unset": True})
    )
    given(Settings, general, unset("rating.window")).when(unset("rating.window")).then_nothing()
    given(Settings).when(unset("rating.window")).then_nothing()
    given(Settings).when(unset("rating.windows")).then_refused("rating.windows is not a setting")


def test_a_key_that_was_unset_follows_the_value_for_all_from_then_on() -> None:
    settings = given(Settings, change("rating.window", 30), change("ocr.rating.window", 20), unset("ocr.rating.window"))
    change("rating.window", 40)(settings.aggregate)
    assert settings.aggregate.policy.get("rating.window", "ocr") == 40
    assert settings.aggregate.changed == {"rating.window": 40}


def test_a_figure_out_of_its_range_that_an_earlier_program_took_can_be_unset() -> None:
    settings = given(Older, let_in("training.r", 9999))
    settings.when(unset("training.r")).then((PolicyChanged, {"old": 9999, "new": None, "is_unset": True}))


def test_a_role_may_have_a_model_of_its_own_at_an_endpoint() -> None:
    given(Settings, change("decomposition.model.endpoint", "https://api.x.ai/v1")).when(
        change("decomposition.model.base", "grok-4")
    ).then((PolicyChanged, {"key": "decomposition.model.base", "old": "embedded", "new": "grok-4"}))
    policy = Policy({"decomposition.model.endpoint": "https://api.x.ai/v1", "decomposition.model.base": "grok-4"})
    assert policy.role_model("decomposition") == RoleEndpoint("https://api.x.ai/v1", "grok-4")
    assert policy.role_model("action") is None
    assert (policy.model.base, policy.model.endpoint) == ("embedded", None)


def test_where_all_models_are_at_an_endpoint_a_role_needs_only_a_name_of_its_own() -> None:
    policy = Policy({"model.backend": "openai", "model.endpoint": "http://all/v1", "ocr.model.base": "vision"})
    assert policy.role_model("ocr") == RoleEndpoint("http://all/v1", "vision")
    assert policy.role_model("action") is None


def test_the_endpoint_of_a_role_s_named_model_cannot_be_taken_away_before_the_name() -> None:
    named = (change("ocr.model.endpoint", "http://there/v1"), change("ocr.model.base", "vision"))
    given(Settings, *named).when(lambda settings: settings.unset("ocr.model.endpoint", "", SOMEONE)).then_refused(
        "ocr.model.base names a model at an endpoint", "set ocr.model.endpoint first"
    )
