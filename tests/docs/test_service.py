"""The unit for systemd: systemd reads it without a complaint, and it runs a command that there is."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from command_line import call
from places import ROOT

UNIT = ROOT / "deploy" / "systemd" / "grokputer.service"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="this machine has no systemd-analyze")
def test_systemd_reads_the_unit_without_a_complaint(tmp_path: Path) -> None:
    text = UNIT.read_text(encoding="utf-8").replace("/opt/grokputer/.venv/bin/grokputer", "/bin/true")
    copy = tmp_path / UNIT.name
    copy.write_text(re.sub(r"(?m)^(User|Group)=.*$", r"\1=root", text), encoding="utf-8")
    verified = subprocess.run(["systemd-analyze", "verify", str(copy)], capture_output=True, text=True)
    assert (verified.returncode, [line for line in verified.stderr.splitlines() if UNIT.name in line]) == (0, [])


def test_the_unit_runs_a_command_with_options_that_it_has() -> None:
    [line] = re.findall(r"(?m)^ExecStart=\S*/grokputer (.*)$", UNIT.read_text(encoding="utf-8"))
    command, *options = line.split()
    shown = call(command, "--help").stdout
    assert all(option in shown for option in options) and "in the form of OpenAI's API" in shown
    for option in ("--no-worker", "--allow-host"):
        assert option in shown
