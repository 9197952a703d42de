"""The shell completes commands, options and what a log holds; it reads alone, and a log that is missing breaks nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from command_line import document

PROGRAM = Path(sys.executable).with_name("grokputer")


@cache
def installed() -> str:
    """The script that the program gives bash."""
    environment = {**os.environ, "_GROKPUTER_COMPLETE": "source_bash"}
    return subprocess.run([PROGRAM], env=environment, capture_output=True, text=True, check=True).stdout


def complete(line: str, folder: Path, **environment: str) -> list[str]:
    """What bash offers for the last word of the line, by the script that the program itself installs."""
    words = f"{line} ''" if line.endswith(" ") else line
    script = (
        f"{installed()}\n"
        f"COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\n"
        f'_grokputer_completion "{PROGRAM}"\n'
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    shown = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stderr == ""
    return shown.stdout.split()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("grokputer sta", ["status"]),
        ("grokputer rollouts ro", ["rollback"]),
        ("grokputer runs --role o", ["ocr"]),
        ("grokputer why lora-", ["lora-v1", "lora-v2"]),
        ("grokputer rollouts promote ", ["lora-v1", "lora-v2"]),
        ("grokputer runs --adapter ", ["base", "lora-v1", "lora-v2"]),
        ("grokputer settings set rating.thr", ["rating.threshold"]),
        ("grokputer why rating.thr", ["rating.threshold"]),
        ("grokputer run click-coll", ["click-collapsible", "click-collapsible-2"]),
        ("grokputer log --event AdapterPro", ["AdapterPromoted"]),
    ],
)
def test_names_are_completed(log: Path, line: str, offered: list[str]) -> None:
    found = complete(line, log.parent)
    assert set(offered) <= set(found)
    assert all(name.startswith(line.split(" ")[-1]) for name in found)


def test_runs_are_completed_from_the_log_that_is_named_on_the_line(log: Path, tmp_path: Path) -> None:
    ids = [run["id"][:8] for run in document("runs", db=log)]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert sorted(complete("grokputer show ", log.parent)) == sorted(ids)
    assert sorted(complete(f"grokputer show --db {log} ", elsewhere)) == sorted(ids)
    assert sorted(complete(f"grokputer --db {log} show ", elsewhere)) == sorted(ids)
    assert sorted(complete("grokputer show ", elsewhere, GROKPUTER_DB=str(log))) == sorted(ids)


@pytest.mark.parametrize("line", ["grokputer show ", "grokputer rollouts promote ", "grokputer why lora"])
def test_without_a_log_or_with_a_damaged_one_nothing_is_offered_and_nothing_is_made(tmp_path: Path, line: str) -> None:
    assert complete(line, tmp_path) == []
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "events.db").write_text("no database at all\n" * 100)
    assert complete(line, tmp_path) == []


def test_completing_writes_nothing(log: Path) -> None:
    before = log.read_bytes()
    complete("grokputer why ", log.parent)
    assert log.read_bytes() == before
