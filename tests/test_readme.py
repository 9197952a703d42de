"""The README's commands are those of the program, and the ones that only read are run."""

from __future__ import annotations

import re
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from receivers import SECRET, Receiver
from test_channels import delivery, webhook
from typer.testing import CliRunner

from grokputer.cli import COMMANDS, app
from grokputer.domain.aggregates.alert import Failure
from story import Story

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
LINES = [line.split("#")[0].strip() for block in BLOCKS for line in block.splitlines()]
COMMAND_LINES = [shlex.split(line)[1:] for line in LINES if line.startswith("grokputer ")]
READING = {
    "why",
    "lineage",
    "replay",
    "at",
    "log",
    "runs",
    "status",
    "settings",
    "adapters",
    "rollouts",
    "alerts",
    "show",
    "what-if",
}
WRITING = {"set", "test", "pause", "rollback", "export", "import"}
"""What comes after some of them and writes."""


def test_the_two_commands_are_targets_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    wanted = [line.split()[1] for line in LINES if line.startswith("make ")]
    assert wanted == ["demo", "test"]
    assert all(f"\n{target}:" in makefile for target in wanted)


@pytest.mark.parametrize("words", COMMAND_LINES, ids=" ".join)
def test_every_command_of_the_readme_exists_with_its_options(words: list[str]) -> None:
    assert words[0] in COMMANDS
    group = words[:2] if words[0] in ("rollouts", "settings") and words[1:] and words[1][0] != "-" else words[:1]
    shown = CliRunner().invoke(app, [*group, "--help"])
    assert shown.exit_code == 0
    for option in (word for word in words if word.startswith("--")):
        assert option in shown.output


def test_the_reading_commands_of_the_readme_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "events.db"
    story = Story(log)
    story.promote()
    monkeypatch.chdir(tmp_path)
    names = {"demo/events.db": str(log), "3f2a": story.runs[0].hex[:8]}
    reading = [words for words in COMMAND_LINES if words[0] in READING and not WRITING & {*words[1:2]}]
    assert len(reading) >= 5
    for words in reading:
        given = ["3" if re.fullmatch(r"\d{4}", word) else names.get(word, word) for word in words]
        found = CliRunner().invoke(app, given, env={"GROKPUTER_DB": str(log)})
        is_made_up = "--decisions" in words  # then the story's own verdicts are found out
        assert found.exit_code == int(is_made_up), (words, found.output)


def test_the_readmes_lines_tell_a_genuine_alert_from_a_forged_and_an_old_one() -> None:
    [program] = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    known: dict[str, Any] = {}
    exec(program, known)
    now = datetime.now(UTC)
    with Receiver() as receiver:
        for time in (now, now - timedelta(hours=1)):
            assert not isinstance(webhook(receiver.url).send(delivery(), time), Failure)
    new, old = receiver.requests
    assert known["is_genuine"](new.headers, new.body, SECRET)
    assert not known["is_genuine"](new.headers, new.body + b" ", SECRET)
    assert not known["is_genuine"](old.headers, old.body, SECRET)
