"""The page on proofs: its 40 lines need nothing but Python, and say of every proof what the program says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import output
from places import ROOT

from grokputer.runners.archive.integrity import prove, verify
from grokputer.runners.store.log import Log
from story import Story

PAGE = ROOT / "docs" / "proofs.md"
[SCRIPT] = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    story = Story(tmp_path_factory.mktemp("proofs") / "events.db")
    story.rate(story.run(succeeds=False), 2, "bob", "Müller's mail: \u2028 and more")
    story.ledger.close()
    return story.path


def check(folder: Path, proof: dict[str, Any], head: str) -> subprocess.CompletedProcess[str]:
    """Run the page's script where nothing but Python is there."""
    (folder / "check_proof.py").write_text(SCRIPT, encoding="utf-8")
    (folder / "event.json").write_text(json.dumps(proof), encoding="utf-8")
    words = [sys.executable, "-I", "-S", "check_proof.py", "event.json", head]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)


def test_the_script_is_forty_lines_at_most() -> None:
    assert len(SCRIPT.splitlines()) <= 40


def test_the_script_accepts_a_proof_that_the_program_exported(told: Path, tmp_path: Path) -> None:
    file = tmp_path / "exported.json"
    output("prove", 4, "--out", file, db=told)
    head = str(verify(Log.open(told)).head)
    found = check(tmp_path, json.loads(file.read_text(encoding="utf-8")), head)
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout == f"event 4, 'StepTaken', is in the log with the head {head}\n"


def test_the_script_accepts_every_event_of_logs_of_every_size(told: Path, tmp_path: Path) -> None:
    log = Log.open(told)
    program = "import json, sys\nfor sys.argv[1:] in json.load(open('all.json')):\n    exec(SCRIPT)"
    cases = []
    for size in range(1, log.position + 1):
        for position in range(1, size + 1):
            proof = prove(log, position, size)
            name = f"{size}-{position}.json"
            (tmp_path / name).write_text(json.dumps(proof.to_json()))
            cases.append((name, str(proof.head)))
    (tmp_path / "all.json").write_text(json.dumps(cases))
    words = [sys.executable, "-I", "-S", "-c", f"SCRIPT = {SCRIPT!r}\n{program}"]
    found = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (0, "")
    assert len(found.stdout.splitlines()) == len(cases) > 20


CHANGES: list[Callable[[dict[str, Any]], dict[str, Any]]] = [
    lambda it: {**it, "state": it["state"].replace('"stars":2', '"stars":5')},
    lambda it: {**it, "topic": "TaskSucceeded"},
    lambda it: {**it, "position": it["position"] - 1},
    lambda it: {**it, "originator_version": it["originator_version"] + 1},
    lambda it: {**it, "originator_id": "0" * 32},
    lambda it: {**it, "path": it["path"][:-1]},
    lambda it: {**it, "path": [*it["path"], it["path"][0]]},
    lambda it: {**it, "path": ["0" * 64, *it["path"][1:]]},
]


@pytest.mark.parametrize("change", CHANGES)
def test_the_script_refuses_a_proof_that_was_changed(
    told: Path, tmp_path: Path, change: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    log = Log.open(told)
    [rated] = log.read(1, None, ("TaskRated",))
    proof = prove(log, rated.position)
    changed = change(proof.to_json())
    assert changed != proof.to_json()
    found = check(tmp_path, changed, str(proof.head))
    assert found.returncode == 1
    assert found.stdout == ""


def test_the_script_refuses_a_proof_for_another_head(told: Path, tmp_path: Path) -> None:
    log = Log.open(told)
    other = str(prove(log, 3, log.position - 1).head)
    assert check(tmp_path, prove(log, 3).to_json(), other).returncode == 1
