"""The notebook for a free GPU: it is a notebook, and what its cells type exists and works."""

from __future__ import annotations

import ast
import json
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
from command_line import call, output
from places import ROOT

from grokputer.cli import COMMANDS
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.improvement.worker import Reporter, Worker
from grokputer.runners.use_cases.trainings import import_training
from grokputer.runners.wiring.services import Services
from story import Story

NOTEBOOK = json.loads((ROOT / "docs" / "colab.ipynb").read_text(encoding="utf-8"))
CELLS: list[dict[str, Any]] = NOTEBOOK["cells"]


def lines(kind: str) -> list[str]:
    return ["".join(cell["source"]) for cell in CELLS if cell["cell_type"] == kind]


def shell_lines() -> list[str]:
    """The commands of its code cells."""
    return [line[1:] for cell in lines("code") for line in cell.splitlines() if line.startswith("!")]


def test_it_has_the_form_of_a_notebook_and_holds_no_output() -> None:
    assert (NOTEBOOK["nbformat"], NOTEBOOK["metadata"]["colab"]["gpuType"]) == (4, "T4")
    assert len({cell["id"] for cell in CELLS}) == len(CELLS)
    for cell in CELLS:
        assert cell["cell_type"] in ("markdown", "code") and all(isinstance(line, str) for line in cell["source"])
        assert cell.get("outputs", []) == [] and cell.get("execution_count") is None
    for code in lines("code"):
        ast.parse("\n".join(line for line in code.splitlines() if not line.startswith("!")))


def test_its_commands_exist_with_their_options() -> None:
    at_home = [line.strip() for cell in lines("markdown") for line in cell.splitlines() if line.startswith("    ")]
    typed = [words for line in [*shell_lines(), *at_home] if (words := shlex.split(line))[0] == "grokputer"]
    assert len(typed) >= 6
    for _, command, *rest in typed:
        if command == "--version":
            continue
        assert command in COMMANDS
        said = "".join(call(command, *words, "--help").output for words in ([], rest[:1]))
        assert not [word for word in rest if word.startswith("--") and word not in said], rest
    assert "pip install" in shell_lines()[0] and "grokputer[train]" in shell_lines()[0]


@pytest.mark.slow
def test_what_its_cell_types_trains_the_request_that_a_log_exports(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = Story(tmp_path / "events.db")
    for key, value in {"model.base": str(tiny_base), "training.retries": 0, "training.launcher": "carry"}.items():
        story.set(key, value)
    story.fall()
    with Services(story.ledger, process_new_events(story.ledger)) as services:
        Worker(story.ledger, services, Reporter())._train(services.state)
    there = tmp_path / "there"
    there.mkdir()
    output("train", "export", there / "request.zip", db=story.path)
    monkeypatch.chdir(there)
    [typed] = [line for line in shell_lines() if line.startswith("grokputer train run")]
    output(*shlex.split(typed)[1:])
    shutil.move(there / "result.zip", tmp_path / "result.zip")
    assert import_training(story.ledger, tmp_path / "result.zip").is_new
