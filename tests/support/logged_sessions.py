"""Sessions of another program for the tests: written as files, and imported by the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from command_line import document, output


def write_lines(file: Path, *sessions: Any) -> Path:
    """The file, with each session on a line of its own."""
    file.parent.mkdir(exist_ok=True)
    file.write_text("\n".join(json.dumps(it) for it in sessions) + "\n", encoding="utf-8")
    return file


def import_one(db: Path, folder: Path, session: dict[str, Any]) -> dict[str, Any]:
    """The run that the session becomes, with its events as ``show`` has them."""
    assert "imported 1 session" in output("runs", "import", write_lines(folder / "one.json", session), db=db)
    [run] = document("runs", "--limit", 1, db=db)
    return {**run, "events": document("show", run["id"], db=db)["events"]}


def steps_of(run: dict[str, Any]) -> list[dict[str, Any]]:
    """The run's steps."""
    return [it for it in run["events"] if it["event"] == "StepTaken"]


def asked(step: dict[str, Any]) -> list[tuple[str, str]]:
    """The step's prompt: each message's role and words."""
    return [(message["role"], message["content"]) for message in step["prompt"]]
