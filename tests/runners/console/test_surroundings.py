"""The program in odd surroundings: encodings that lack characters, closed and full outputs, errors of the machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from command_line import call, document

from grokputer.cli import COMMANDS
from story import Story

PROGRAM = Path(sys.executable).with_name("grokputer")


def shell(line: str, log: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run the line; in it, G is the program. The log is the one that the environment names."""
    variables = {**os.environ, "GROKPUTER_DB": str(log), **environment}
    return subprocess.run(["/bin/sh", "-c", line.replace("G ", f"'{PROGRAM}' ")], capture_output=True, env=variables)


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log with words that neither ASCII nor Latin-1 has characters for."""
    story = Story(tmp_path_factory.mktemp("foreign") / "events.db")
    story.set("canary.min_runs", 7, "café 你好 …")
    story.promote()
    story.run(task="naïve 你好")
    story.ledger.close()
    return story.path


ENCODINGS = ("ascii", "latin-1", "cp1252", "utf-16", "utf-8")
SHOWN = ("why lora-v1", "why canary.min_runs", "runs", "runs --json", "log --limit 9", "status")


def encoded() -> Iterator[Any]:
    """Each command in each encoding. Only one in all of them, and all in the one that lacks most, are quick."""
    for command, encoding in product(SHOWN, ENCODINGS):
        is_quick = command == SHOWN[0] or encoding == ENCODINGS[0]
        yield pytest.param(command, encoding, marks=() if is_quick else pytest.mark.slow)


@pytest.mark.parametrize(("command", "encoding"), list(encoded()))
def test_every_encoding_of_the_terminal_shows_the_command(foreign: Path, command: str, encoding: str) -> None:
    shown = shell(f"G {command}", foreign, PYTHONIOENCODING=encoding)
    assert (shown.returncode, shown.stderr) == (0, b"")
    text = shown.stdout.decode(encoding)
    assert text.strip()
    if command == "why lora-v1":
        assert ("├── " in text) == (encoding.startswith("utf")) and ("+-- " in text) == (not encoding.startswith("utf"))
    if "--json" in command:
        assert json.loads(text)[0]["task"] == "naïve 你好"


def test_a_character_that_the_encoding_lacks_is_shown_as_an_escape(foreign: Path) -> None:
    shown = shell("G why canary.min_runs", foreign, PYTHONIOENCODING="latin-1")
    assert r"café \u4f60\u597d ..." in shown.stdout.decode("latin-1")


PRINTING = ("demo", "init", "run", "rate", "runs", "settings", "serve")
"""One command of each kind: those that play, record, read, have subcommands, and go on until they are stopped."""


@pytest.mark.parametrize(
    "command", [pytest.param(it, marks=() if it in PRINTING else pytest.mark.slow) for it in COMMANDS]
)
def test_with_stdout_closed_a_command_does_nothing_and_says_so_in_one_line(log: Path, command: str) -> None:
    before = log.read_bytes()
    shown = shell(f"G {command} >&-", log)
    assert shown.returncode == 1
    assert shown.stderr.decode().count("\n") == 1
    assert "stdout is closed" in shown.stderr.decode()
    assert log.read_bytes() == before


def test_with_stderr_and_stdin_closed_stdout_holds_the_data_alone(log: Path) -> None:
    assert shell("G status --json 2>&- <&-", log).stdout == shell("G status --json", log).stdout
    refused = shell("G why nothing 2>&-", log)
    assert (refused.returncode, refused.stdout) == (1, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("command", ["status", "log --json", "--help", "why lora-v1"])
def test_an_output_that_is_full_is_one_line(log: Path, command: str) -> None:
    shown = shell(f"G {command} >/dev/full", log)
    assert shown.returncode == 1
    assert shown.stderr.decode().count("\n") == 1
    assert "No space left" in shown.stderr.decode()


def test_a_reader_that_is_gone_before_the_output_ends_in_silence(log: Path) -> None:
    shown = shell("(sleep 0.1; G status) | true", log)
    assert shown.stderr == b""


def test_an_argument_that_is_no_text_is_one_line(log: Path) -> None:
    shown = shell("G why \"$(printf 'caf\\351')\"", log)
    assert shown.returncode == 1
    assert shown.stderr.decode().count("\n") == 1


@pytest.mark.parametrize("words", [("log", "export", "{}/events.db/no/file"), ("log", "import", "{}/none.jsonl")])
def test_a_file_that_cannot_be_opened_is_one_line_that_names_it(
    log: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    shown = call(*(word.format(tmp_path) for word in words), db=log)
    assert shown.exit_code == 1
    assert shown.stderr.count("\n") == 1
    assert str(tmp_path) in shown.stderr


@pytest.mark.parametrize(
    "bug",
    [
        OSError("no errno"),
        ConnectionResetError(104, "reset"),
        BlockingIOError(11, "again"),
        FileNotFoundError(2, "names no file"),
        TimeoutError("late"),
        OSError(9, "Bad descriptor"),
    ],
)
def test_an_error_of_the_system_that_is_no_matter_of_the_user_keeps_its_trace(
    log: Path, monkeypatch: pytest.MonkeyPatch, bug: OSError
) -> None:
    def fail(*given: object) -> None:
        raise bug

    monkeypatch.setattr("grokputer.runners.use_cases.overview.load_state", fail)
    with pytest.raises(type(bug)):
        call("status", db=log)


NUMBERS = ("99999999999999999999", "9" * 5000, "-99999999999999999999", "9223372036854775808")


@pytest.mark.parametrize("number", NUMBERS, ids=("20 digits", "5000 digits", "far below 0", "2**63"))
@pytest.mark.parametrize(
    "command",
    [
        "log --after {}", "log --limit {}", "log --after 1 --limit {}", "runs --limit {}", "alerts --limit {}", "at {}",
        "diff {} 3", "diff 3 {}", "prove {}", "prove 3 --size {}", "verify --head {}:" + "0" * 64,
        "what-if --window {}", "what-if --minimum {}", "what-if --threshold {}", "what-if --set canary.promote_at={}",
        "what-if --set rating.window={}", "dataset preview --limit {}",
        "settings set rating.window {}", "settings set rating.threshold {}", "correct 3fa2 --retry {}",
        "correct 3fa2 --step {} --demonstrate",
    ],
)  # fmt: skip
def test_a_number_out_of_range_is_an_answer_or_one_line(log: Path, command: str, number: str) -> None:
    shown = call(*command.format(number).split(), db=log)
    assert shown.exit_code in (0, 1, 2)
    if shown.exit_code == 1 and not command.startswith("verify"):
        assert shown.stderr.count("\n") == 1


def test_the_events_after_a_position_that_no_log_reaches_are_none(log: Path) -> None:
    assert call("log", "--after", NUMBERS[0], db=log).stdout == "no such events\n"
    everything = document("runs", "--limit", "1000", db=log)
    assert document("runs", "--limit", NUMBERS[0], db=log) == everything
