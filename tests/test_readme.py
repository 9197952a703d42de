"""The README's commands are those of the program, and the ones that only read are run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from grokputer.cli import COMMANDS, app
from story import Story

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
LINES = [line.split("#")[0].strip() for block in BLOCKS for line in block.splitlines()]
COMMAND_LINES = [shlex.split(line)[1:] for line in LINES if line.startswith("grokputer ")]
READING = {"why", "replay", "at", "log", "runs", "status", "settings", "adapters", "rollouts", "show"}


def test_the_two_commands_are_targets_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    wanted = [line.split()[1] for line in LINES if line.startswith("make ")]
    assert wanted == ["demo", "test"]
    assert all(f"\n{target}:" in makefile for target in wanted)


@pytest.mark.parametrize("words", COMMAND_LINES, ids=" ".join)
def test_every_command_of_the_readme_exists_with_its_options(words: list[str]) -> None:
    assert words[0] in COMMANDS
    shown = CliRunner().invoke(app, [words[0], "--help"])
    assert shown.exit_code == 0
    for option in (word for word in words if word.startswith("--")):
        assert option in shown.output


def test_the_reading_commands_of_the_readme_run(tmp_path: Path) -> None:
    log = tmp_path / "events.db"
    Story(log).promote()
    reading = [words for words in COMMAND_LINES if words[0] in READING and words[1:2] != ["set"]]
    assert len(reading) >= 5
    for words in reading:
        given = [
            str(log) if word == "demo/events.db" else "3" if re.fullmatch(r"\d{4}", word) else word for word in words
        ]
        found = CliRunner().invoke(app, given, env={"GROKPUTER_DB": str(log)})
        assert found.exit_code == 0, (words, found.output)
