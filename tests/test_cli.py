"""The command line as a whole: its help, its usage errors, and what its processes never load."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer
from command_line import call, output

from grokputer.cli import COMMANDS, app

HEAVY = {"torch", "transformers", "peft", "trl", "datasets", "bitsandbytes", "openai"}


def all_commands() -> list[tuple[str, ...]]:
    names: list[tuple[str, ...]] = []
    group: Any = typer.main.get_command(app)
    for name in COMMANDS:
        names.append((name,))
        command = group.get_command(None, name)
        names += [(name, below) for below in getattr(command, "commands", {})]
    return names


@pytest.mark.parametrize("words", all_commands(), ids=" ".join)
def test_every_command_has_help_with_two_examples_and_takes_or_explains_the_logs_path(words: tuple[str, ...]) -> None:
    shown = output(*words, "--help")
    examples = [line for line in shown.splitlines() if line.strip().startswith(f"grokputer {words[0]}")]
    assert len(examples) >= 2
    assert "--db" in shown or "--out" in shown or words in (("tasks", "check"), ("train", "run")), (
        "it reads folders, and no log"
    )


def test_the_examples_of_the_help_name_options_that_exist() -> None:
    help_of = cache(lambda *words: output(*words, "--help"))
    commands = set(all_commands())
    for words in commands:
        shown = help_of(*words)
        examples = [line for line in shown.splitlines() if line.strip().startswith("grokputer ")]
        for example in examples:
            called = example.split()[1:]
            known = help_of(*(called[:2] if tuple(called[:2]) in commands else called[:1]))
            assert all(word in known for word in called if word.startswith("--"))


def test_a_wrong_option_is_a_usage_error_and_exits_with_2(log: Path) -> None:
    assert call("status", "--nonsense", db=log).exit_code == 2
    assert call("train", "cook", db=log).exit_code == 2
    assert call("nonsense").exit_code == 2


@pytest.mark.parametrize(
    "words",
    [
        ["--db", "{}", "status"],
        ["--db", "{}", "rollouts", "promote", "lora-v2", "--reason", "x"],
        ["rollouts", "--db", "{}", "promote", "lora-v2", "--reason", "x"],
        ["--db", "none.db", "rollouts", "--db", "other.db", "promote", "lora-v2", "--reason", "x", "--db", "{}"],
        ["--db", "{}", "runs"],
    ],
    ids=" ".join,
)
def test_a_log_named_before_the_command_is_its_log(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GROKPUTER_DB", "elsewhere.db")
    shown = output(*(word.format(log) for word in words))
    assert "lora-v" in shown
    assert not (tmp_path / "elsewhere.db").exists()


def test_a_log_named_before_a_command_that_has_none_is_refused(log: Path) -> None:
    result = call("--db", log, "bench", "learn")
    assert result.exit_code == 2
    assert "'bench' does not take --db" in result.stderr


def test_the_options_as_and_actor_both_name_the_person_who_decides(log: Path) -> None:
    for option in ("--as", "--actor"):
        output("settings", "set", "rating.window", 40 + len(option), option, "eve", db=log)
        assert json.loads(output("log", "--limit", 1, "--json", db=log))["actor"] == "eve"


READING = (
    ["--help"], ["status"], ["runs"], ["log"], ["log", "--json"], ["at", "20"], ["adapters"], ["rollouts"], ["settings"],
    ["why", "lora-v1"], ["doctor"], ["train", "action", "--dry-run", "--no-probe"],
)  # fmt: skip


@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_a_reading_command_loads_no_machine_learning_library(log: Path, words: list[str]) -> None:
    program = (
        "import sys\nfrom grokputer.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print(sorted(set({sorted(HEAVY | {'sqlite_utils'})!r}) & set(sys.modules)), file=sys.stderr)"
    )
    environment = {**os.environ, "GROKPUTER_DB": str(log)}
    shown = subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True, check=True, env=environment
    )
    assert shown.stderr.splitlines()[-1] == "[]"


def test_the_installed_program_prints_one_line_and_exits_1_for_what_is_the_users_business(tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("grokputer")
    shown = subprocess.run([program, "status", "--db", tmp_path / "none.db"], capture_output=True, text=True)
    assert shown.returncode == 1
    assert shown.stdout == ""
    assert shown.stderr.count("\n") == 1


def test_a_reader_that_stops_early_gets_no_traceback(log: Path) -> None:
    program = Path(sys.executable).with_name("grokputer")
    shown = subprocess.run(
        ["/bin/sh", "-c", f"'{program}' log --json --db '{log}' | head -1"], capture_output=True, text=True, check=True
    )
    assert json.loads(shown.stdout)["position"] == 1
    assert "Traceback" not in shown.stderr
