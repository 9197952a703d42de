"""Writing runs as the session files that ``runs import`` reads, one folder with a ``session.json`` for each."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from ...domain.aggregates.run import TaskRun
from ...domain.errors import NotFound, NotPossible
from ...domain.events import StepTaken, TaskFailed, TaskRated, TaskStarted, TaskSucceeded
from ...domain.events.base import KEY
from ...domain.rules.imported import IMPORTED
from ..store.log import Log
from .imports import IDS, RATING_KEYS, read_session

FILE = "session.json"
SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)
"""The ids that are the name of a folder as they are; the others' folders are named after their runs."""


@dataclass
class Exported:
    """How many sessions were written, and how many runs were left out for each reason."""

    written: int = 0
    running: int = 0
    erased: int = 0
    """Runs whose words were erased."""
    roles: set[str] = field(default_factory=set)
    """Of the runs that were written."""


def export_sessions(log: Log, folder: Path, role: str | None = None) -> Exported:
    """Write each run that has ended as ``folder/<session id>/session.json``: all of them or, where it fails, none.

    With a role, those of the role alone.
    Raises ``NotPossible`` where the folder holds something already, ``NotFound`` where no run has ended.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise NotPossible(f"{folder} is there already; give the name of a new folder")
    aside, done = folder.with_name(f".{folder.name}.{os.getpid()}"), Exported()
    try:
        aside.mkdir()
        names: set[str] = set()
        for run, row in _rows(log, role, done):
            name = next((row[key] for key in IDS if row.get(key) is not None), "")
            if not SAFE.fullmatch(str(name)) or str(name).casefold() in names:
                name = run.id.hex
            names.add(str(name).casefold())
            (aside / str(name)).mkdir()
            text = json.dumps(row, ensure_ascii=False, indent=2)
            (aside / str(name) / FILE).write_text(text + "\n", encoding="utf-8")
            done.written += 1
        if not done.written:
            raise NotFound(f"{log.path} holds no run to write as a session; a run is written once it has ended")
        aside.rename(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return done


def _rows(log: Log, role: str | None, done: Exported) -> Iterator[tuple[TaskRun, dict[str, Any]]]:
    """The runs in the order they began, each as a session; those that cannot be written are counted."""
    for recorded in log.read(1, None, (TaskStarted.TOPIC,)):
        run = log.get(TaskRun, recorded.event.originator_id)
        assert run.started is not None
        if role not in (None, run.started.role):
            continue
        if run.ended is None:
            done.running += 1
            continue
        row = _row(log, run)
        if row is None:
            done.erased += 1
            continue
        done.roles.add(run.started.role)
        yield run, row


def _row(log: Log, run: TaskRun) -> dict[str, Any] | None:
    """The run as a session, None where its words were erased. An imported one is as it was logged, with a newer rating."""
    logged = None if run.imported is None else log.get_content(run.imported.session)
    if run.imported is not None and logged is None:
        return None
    row = _build(log, run) if logged is None else json.loads(logged)
    rating = next((candidate for candidate in reversed(run.ratings) if candidate.source == "human"), None)
    if row is None or rating is None:
        return row
    said = read_session("", row)
    told = _say_rating(log, rating)
    if (said.stars, said.comment, list(said.issues)) == (
        rating.stars,
        told.get("feedback_comment"),
        told.get("what_went_wrong", []),
    ):
        return row
    kept = {key: value for key, value in row.items() if key not in RATING_KEYS}
    named = {} if said.own_id is not None else {"session_id": run.id.hex}
    return {**named, **kept, **told}


def _say_rating(log: Log, rating: TaskRated) -> dict[str, Any]:
    comment = None if rating.comment is None else log.get_content(rating.comment)
    issues = list(filter(None, (_words(log, issue) for issue in rating.issues)))
    said = {"user_rating": rating.stars, "feedback_comment": comment, "what_went_wrong": issues}
    return {key: value for key, value in said.items() if value not in (None, [])}


def _build(log: Log, run: TaskRun) -> dict[str, Any] | None:
    """A run of this program, or one that was imported before the session was kept, as a session."""
    started, ended = run.started, run.ended
    assert started is not None and ended is not None
    task = log.get_content(started.task) if started.is_question else started.task
    steps = [_build_step(log, step) for step in run.steps]
    if task is None or None in steps:
        return None
    adapter = _words(log, (started.adapter or "").removeprefix(IMPORTED).removeprefix(":"))
    row = {
        "session_id": run.id.hex,
        "task": task,
        **({} if started.base == IMPORTED else _say_times(started, ended.duration_ms)),
        "iterations": steps or started.policy.get(IMPORTED, {}).get("iterations", 0),
        "success": isinstance(ended, TaskSucceeded),
        "lora_version": adapter,
        "what_went_wrong": _words(log, ended.detail) if isinstance(ended, TaskFailed) else "",
    }
    return {key: value for key, value in row.items() if value not in ("", None)}


def _words(log: Log, field: str) -> str | None:
    """The words that the field holds or names, None where they were erased."""
    return log.get_content(field) if KEY.fullmatch(field) else field


def _say_times(started: TaskStarted, duration_ms: int) -> dict[str, str]:
    ended = started.time + timedelta(milliseconds=duration_ms)
    return {"start_time": started.time.isoformat(), "end_time": ended.isoformat()}


def _build_step(log: Log, step: StepTaken) -> dict[str, Any] | None:
    prompt, answer = log.get_content(step.prompt), log.get_content(step.answer)
    if prompt is None or answer is None:
        return None
    lasted = (step.model_ms + step.environment_ms) / 1000
    row = {"prompt": json.loads(prompt), "response": answer, "result": step.error, "duration_seconds": lasted}
    return {key: value for key, value in row.items() if value != ""}
