"""Settings under their former keys: in logs of earlier programs, on the command line, for one role, and in recipes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import call, document, output

from given import SOMEONE, given
from grokputer.domain.aggregates.settings import SETTINGS_ID, Settings
from grokputer.domain.errors import LogError
from grokputer.domain.events import PolicyChanged, TrainingRequested
from grokputer.domain.settings.keys import RENAMED, ROLES, current_key
from grokputer.domain.settings.recipe import Recipe
from grokputer.domain.settings.settings import (
    ALL_SETTINGS,
    Policy,
    check_key,
    check_setting,
    is_setting,
    resolve_recipe,
)
from grokputer.projections.state.state import State
from grokputer.runners.improvement.process_manager import NAME
from grokputer.runners.improvement.repeated_decisions import decide_again
from grokputer.runners.store.codec import decode, encode
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.recorder import TRACK
from grokputer.runners.store.states import fold
from grokputer.runners.store.writer import Transaction
from story import Story

VALUES: dict[str, Any] = {"training.lineage": "parent", "training.detours": True, "routing.unit": "run"}
"""A value of each setting whose values are no numbers; the others take 5 or 4."""


def value_of(former: str) -> Any:
    return VALUES.get(former, 4 if former in ("training.below_stars", "alert.mean", "ab.stars") else 5)


@pytest.mark.parametrize(("former", "key"), RENAMED.items())
def test_a_former_key_means_the_key_of_today_with_its_values(former: str, key: str) -> None:
    assert former not in ALL_SETTINGS and check_key(former).key == key
    assert is_setting(former) and check_setting(former, value_of(former)) == check_setting(key, value_of(former))
    assert current_key(former) == key == current_key(key)


@pytest.mark.parametrize("role", ROLES)
def test_a_former_key_of_one_role_means_the_key_of_today_of_that_role(role: str) -> None:
    assert current_key(f"{role}.run.retakes") == f"{role}.run.max_resamples"
    assert current_key(f"{role}.run.max_steps") == f"{role}.run.max_steps"


def test_the_earlier_name_of_a_preset_is_recorded_as_its_name_of_today() -> None:
    given(Settings).when(lambda settings: settings.change("training.preset", "seed", "", SOMEONE)).then(
        (PolicyChanged, {"key": "training.preset", "new": "large"})
    )


def test_a_preset_that_a_log_has_by_its_earlier_name_gives_the_same_recipe() -> None:
    former, present = (resolve_recipe(Policy({"training.preset": name}), "action") for name in ("seed", "large"))
    assert former == present != resolve_recipe(Policy(), "action")


def test_no_former_key_is_a_key_of_today() -> None:
    assert not RENAMED.keys() & ALL_SETTINGS.keys()
    assert set(RENAMED.values()) <= ALL_SETTINGS.keys()


def test_a_change_by_a_former_key_is_recorded_under_the_key_of_today() -> None:
    def change(key: str, value: Any) -> Any:
        return lambda settings: settings.change(key, value, "", SOMEONE)

    given(Settings).when(change("action.training.copies", 3)).then(
        (PolicyChanged, {"key": "action.training.max_duplicates", "new": 3})
    )
    given(Settings, change("ab.minimum", 30)).when(change("ab.min_pairs", 30)).then_nothing()
    given(Settings, change("ab.min_pairs", 30)).when(lambda it: it.unset("ab.minimum", "", SOMEONE)).then(
        (PolicyChanged, {"key": "ab.min_pairs", "old": 30, "new": 20, "is_unset": True})
    )
    given(Settings).when(change("ab.stars", 9)).then_refused("ab.stars", "from 0 to 4")


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(("former", "key"), RENAMED.items())
def test_a_stored_change_of_a_former_key_reads_as_one_of_the_key_of_today(former: str, key: str, version: int) -> None:
    stored = {
        "time": "2026-01-01T00:00:00Z",
        "actor": "ada",
        "caused_by": None,
        "key": former,
        "old": None,
        "new": value_of(former),
        "reason": "",
        **({"is_unset": False} if version == 2 else {}),
        "v": version,
    }
    event = decode("PolicyChanged", SETTINGS_ID.hex, 1, json.dumps(stored).encode())
    assert isinstance(event, PolicyChanged) and (event.key, event.new) == (key, value_of(former))
    state = State()
    state.apply(1, event)
    assert state.policy.changed == {key: value_of(former)}


def test_a_program_that_does_not_know_the_keys_of_today_does_not_pass_over_them() -> None:
    """It knows version 2 at most; an event that it would read, and whose key it would not know, changed nothing there."""
    assert PolicyChanged.VERSION == 4
    with pytest.raises(LogError, match="PolicyChanged of version 5, this program knows 4; upgrade"):
        decode("PolicyChanged", SETTINGS_ID.hex, 1, b'{"v":5}')


def test_a_recipe_reads_under_the_former_names_of_its_figures() -> None:
    assert Recipe.from_json({"lineage": "parent", "copies": 2, "detours": True}) == Recipe(
        init_from="parent", max_duplicates=2, keep_inefficient=True
    )
    assert Recipe(max_duplicates=2).replace(copies=3).max_duplicates == 3


@pytest.fixture
def earlier(tmp_path: Path) -> Ledger:
    """A story as an earlier program recorded it: its settings and its recipe under their former names."""
    story = Story(tmp_path / "events.db")
    for key, value in {
        "training.init_from": "parent",
        "training.max_duplicates": 3,
        "rating.average_run_length": 50,
    }.items():
        story.set(key, value)
    story.fall()
    former = {key: old for old, key in RENAMED.items()}

    def as_recorded_then(state: dict[str, Any]) -> dict[str, Any]:
        if "recipe" in state:
            names = {key.partition(".")[2]: old.partition(".")[2] for key, old in former.items()}
            return {**state, "recipe": {names.get(name, name): value for name, value in state["recipe"].items()}}
        return {**state, "key": former.get(state["key"], state["key"]), "v": 2}

    rows = []
    for it in story.ledger.read():
        event, state = it.event, json.loads(encode(it.event))
        if event.TOPIC in (PolicyChanged.TOPIC, TrainingRequested.TOPIC):
            state = as_recorded_then(state)
        written = json.dumps(state, separators=(",", ":")).encode()
        rows.append((event.originator_id.hex, event.originator_version, event.TOPIC, written))
    ledger = Ledger.create(tmp_path / "earlier.db")

    def insert(transaction: Transaction) -> None:
        transaction.append(rows)
        transaction.connection.execute(TRACK, (NAME, len(rows)))

    ledger.change(insert)
    return ledger


def test_every_decision_of_a_log_with_former_keys_is_made_again(earlier: Ledger) -> None:
    decided = list(decide_again(earlier))
    assert {"RatingThresholdBreached", "TrainingRequested"} <= {it.kind for it in decided}
    assert [it for it in decided if it.difference] == []


def test_a_log_with_former_keys_shows_the_values_that_were_set(earlier: Ledger) -> None:
    state = fold(earlier, State())
    assert state.policy.rating("action").average_run_length == 50
    assert state.policy.recipe_changes("action") == {"init_from": "parent", "max_duplicates": 3}
    [training] = state.registry.trainings.values()
    assert training.lineage == "parent"
    assert "going on from" not in output("log", "--event", "TrainingRequested", db=earlier.path)  # nothing was live yet
    changed = [row["key"] for row in document("settings", "--changed", db=earlier.path)]
    assert {"rating.average_run_length", "training.max_duplicates", "training.init_from"} <= set(changed)


def test_a_stored_recipe_keeps_its_bytes(earlier: Ledger) -> None:
    [requested] = earlier.read(1, None, (TrainingRequested.TOPIC,))
    assert json.loads(encode(requested.event))["recipe"]["lineage"] == "parent"


def test_the_command_line_takes_a_former_key_and_says_once_what_it_is_called_now(log: Path) -> None:
    result = call("settings", "set", "action.run.retakes", "3", db=log)
    assert result.exit_code == 0
    assert result.stderr.count("action.run.retakes was renamed; it is action.run.max_resamples now") == 1
    assert result.stdout == "action.run.max_resamples is 3\n"
    assert "was renamed" not in call("settings", "set", "run.max_resamples", "3", db=log).stderr
    assert output("why", "action.run.retakes", db=log).startswith("action.run.max_resamples is 3")
    assert [row["key"] for row in document("settings", "run.retakes", db=log)] == [
        "run.max_resamples", "action.run.max_resamples",
    ]  # fmt: skip
    assert "run.max_resamples is 3 again" in output("settings", "unset", "action.run.retakes", db=log)
