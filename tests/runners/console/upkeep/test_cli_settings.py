"""How settings are listed, shown and completed on the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command_line import call, document, output, refused

from grokputer.domain.settings.settings import ALL_SETTINGS, GROUPS

COLUMNS = 80


def complete(*words: str) -> list[str]:
    """What the shell is offered for the last word."""
    environment = {
        **os.environ,
        "_GROKPUTER_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(["grokputer", *words]),
        "COMP_CWORD": str(len(words)),
    }
    program = "from grokputer.cli import app\napp(prog_name='grokputer')"
    shown = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    return shown.stdout.split()


def test_the_list_names_every_setting_under_its_subject_within_80_columns(log: Path) -> None:
    output("settings", "set", "action.training.r", "8", db=log)
    shown = output("settings", db=log)
    assert max(map(len, shown.splitlines())) <= COLUMNS
    for key in ALL_SETTINGS:
        assert shown.count(f"  {key} = ") == 1
    for group in GROUPS:
        assert f"{group.PREFIX}: {(group.__doc__ or '').splitlines()[0]}" in shown
    assert "Settings of one role alone.\n  action.training.r = 8  (default 16)\n" in shown


def test_a_setting_is_listed_with_value_unit_default_help_and_range(log: Path) -> None:
    output("settings", "set", "canary.weight_percent", "20", db=log)
    shown = output("settings", "canary.weight", db=log)
    assert "  canary.weight_percent = 20 percent  (default 15)\n" in shown
    assert "Share of the runs that the canary gets at first. Takes a whole number from 1" in shown


@pytest.mark.parametrize(
    ("word", "prefixes"),
    [
        ("canary", {"canary"}),
        ("run", {"run"}),
        ("alert.email", {"alert"}),
        ("max_", {"rating", "run", "canary", "alert", "training", "audio"}),
    ],
)
def test_a_word_lists_the_settings_whose_key_begins_so_or_else_has_it(log: Path, word: str, prefixes: set[str]) -> None:
    rows = document("settings", word, db=log)
    assert {row["key"].partition(".")[0] for row in rows} == prefixes
    assert rows == document("settings", "--only", word, db=log)
    assert all(word in row["key"] for row in rows)


def test_a_word_and_the_options_go_together_in_any_order(log: Path) -> None:
    output("settings", "set", "canary.weight_percent", "20", db=log)
    [row] = document("settings", "canary.weight", "--changed", db=log)
    assert row["key"] == "canary.weight_percent"
    assert document("settings", "--changed", "canary.weight", db=log) == [row]
    assert document("settings", "rating.window", "--changed", db=log) == []
    assert call("settings", "--db", log, "canary", "--changed", "--json").exit_code == 0


def test_a_role_lists_what_it_has_alone(log: Path) -> None:
    assert output("settings", "ocr", db=log) == "nothing is set\n"
    output("settings", "set", "ocr.training.r", "8", db=log)
    assert [row["key"] for row in document("settings", "ocr", db=log)] == ["ocr.training.r"]


def test_a_word_that_no_key_has_is_refused_with_what_to_do(log: Path) -> None:
    assert "no setting has 'canry' in its key; see 'grokputer settings'" in refused("settings", "canry", db=log)


def test_a_word_behind_the_word_is_a_usage_error(log: Path) -> None:
    assert call("settings", "canary", "rating", db=log).exit_code == 2


def test_one_setting_is_shown_with_its_source_its_roles_its_former_key_and_its_history(log: Path) -> None:
    output("settings", "set", "action.canary.deadline_s", "60", db=log)
    assert output("settings", "show", "canary.deadline_s", db=log).splitlines() == [
        "canary.deadline_s = 604800 seconds",
        "    Time after which an undecided canary is inconclusive.",
        "    takes:    a number from 0 to 1e+12",
        "    default:  604800 seconds (chosen: a week)",
        "    roles:    for one role: grokputer settings set action.canary.deadline_s",
        "              VALUE",
        "    set for:  action: 60",
        "    formerly: canary.give_up_s",
        "    history:  grokputer why canary.deadline_s",
    ]
    assert "roles:    the same for all roles" in output("settings", "show", "model.revision", db=log)
    assert output("settings", "show", "action.canary.deadline_s", db=log).startswith(
        "action.canary.deadline_s = 60 seconds"
    )


def test_a_setting_that_does_not_exist_is_not_shown(log: Path) -> None:
    assert "is not a setting" in refused("settings", "show", "canary.weigth", db=log)
    assert "set model.revision" in refused("settings", "show", "action.model.revision", db=log)


def test_json_says_everything_that_is_declared(log: Path) -> None:
    rows = {row["key"]: row for row in document("settings", db=log)}
    assert rows.keys() == ALL_SETTINGS.keys()
    shown: dict[str, Any] = document("settings", "show", "canary.weight_percent", db=log)
    assert shown == rows["canary.weight_percent"]
    assert shown == {
        "key": "canary.weight_percent",
        "value": 15,
        "default": 15,
        "takes": "a whole number from 1 to 99",
        "help": "Share of the runs that the canary gets at first.",
        "is_changed": False,
        "type": "int",
        "unit": "percent",
        "low": 1,
        "high": 99,
        "choices": [],
        "source": "operators' requirements",
        "is_per_role": True,
        "former_keys": [],
    }


def test_the_shell_completes_the_keys_of_settings_and_of_one_role() -> None:
    assert complete("settings", "set", "canary.w") == ["canary.weight_percent", "canary.window"]
    assert complete("settings", "show", "ab.l") == ["ab.latency_ms"]
    of_role = complete("settings", "set", "ocr.")
    assert "ocr.training.r" in of_role and "ocr.model.revision" not in of_role


def test_a_setting_that_is_set_to_no_value_is_said_to_be_unset(log: Path) -> None:
    output("settings", "set", "run.instructions", "Be brief.", db=log)
    assert output("settings", "set", "run.instructions", "", db=log).startswith("run.instructions is unset\n")
