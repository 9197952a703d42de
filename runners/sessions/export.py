"""Writing runs as the session files that ``runs import`` reads: one folder with a ``session.json`` per run."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from ...domain.aggregates.run import TaskRun
from ...domain.errors import NotFound, NotPossible
from ...domain.events import StepTaken, TaskFailed, TaskRated, TaskStarted
from ...domain.events.base import KEY
from ...domain.page.tools import read_stored
from ...domain.rules.imported import IMPORTED
from ..store.log import Log
from ..store.texts.ahead import RUNS, LogAhead
from .imports import IDS, RATING_KEYS, read_session
from .made import KEY as MADE
from .made import write_made

FILE = "session.json"
SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)
"""Session ids that can be folder names; for other ids the folder is named after the run."""


@dataclass
class Exported:
    """The number of sessions written, and of runs left out, by reason."""

    written: int = 0
    running: int = 0
    erased: int = 0
    """Runs whose texts were erased."""
    roles: set[str] = field(default_factory=set)
    """Roles of the runs that were written."""


def export_sessions(log: Log, folder: Path, role: str | None = None) -> Exported:
    """Write each ended run as ``folder/<session id>/session.json``: all of them or, after an error, none.

    With a role only its runs. Raises ``NotPossible`` where the folder is not empty, ``NotFound`` where no run has ended.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise NotPossible(f"{folder} exists already; give the name of a new folder")
    aside, exported = folder.with_name(f".{folder.name}.{os.getpid()}"), Exported()
    try:
        aside.mkdir()
        names: set[str] = set()
        for run, row in _rows(log, role, exported):
            name = next((row[key] for key in IDS if row.get(key) is not None), "")
            if not SAFE.fullmatch(str(name)) or str(name).casefold() in names:
                name = run.id.hex
            names.add(str(name).casefold())
            (aside / str(name)).mkdir()
            text = json.dumps(row, ensure_ascii=False, indent=2)
            (aside / str(name) / FILE).write_text(text + "\n", encoding="utf-8")
            exported.written += 1
        if not exported.written:
            raise NotFound(f"{log.label} holds no run to write as a session; only ended runs are written")
        aside.rename(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return exported


def _rows(log: Log, role: str | None, exported: Exported) -> Iterator[tuple[TaskRun, dict[str, Any]]]:
    """The runs in the order they began, each as a session; runs that cannot be written are counted."""
    started = (recorded.event.originator_id for recorded in log.read(1, None, (TaskStarted.TOPIC,)))
    while ids := [*islice(started, RUNS)]:
        ahead = LogAhead(log)
        ahead.foresee_all(ids)
        for run in (ahead.get(TaskRun, id) for id in ids):
            assert run.started is not None
            if role not in (None, run.started.role):
                continue
            if run.ended is None:
                exported.running += 1
                continue
            row = _row(ahead, run)
            if row is None:
                exported.erased += 1
                continue
            exported.roles.add(run.started.role)
            yield run, row


def _row(log: Log, run: TaskRun) -> dict[str, Any] | None:
    """The run as a session; None where its texts were erased. An imported run is the logged session, with a newer rating."""
    logged = None if run.imported is None else log.get_content(run.imported.session)
    if run.imported is not None and logged is None:
        return None
    row = _build(log, run) if logged is None else json.loads(logged)
    rating = next((candidate for candidate in reversed(run.ratings) if candidate.source == "human"), None)
    if row is None or rating is None:
        return row
    session = read_session("", row)
    rated = _rating_fields(log, rating)
    if (session.stars, session.comment, list(session.issues)) == (
        rating.stars,
        rated.get("feedback_comment"),
        rated.get("what_went_wrong", []),
    ):
        return row
    unrated = {key: value for key, value in row.items() if key not in RATING_KEYS}
    named = {} if session.own_id is not None else {"session_id": run.id.hex}
    return {**named, **unrated, **rated}


def _rating_fields(log: Log, rating: TaskRated) -> dict[str, Any]:
    comment = None if rating.comment is None else log.get_content(rating.comment)
    issues = list(filter(None, (_words(log, issue) for issue in rating.issues)))
    fields = {"user_rating": rating.stars, "feedback_comment": comment, "what_went_wrong": issues}
    return {key: value for key, value in fields.items() if value not in (None, [])}


def _build(log: Log, run: TaskRun) -> dict[str, Any] | None:
    """A run of this program, or an import from before sessions were stored, as a session."""
    started, ended = run.started, run.ended
    assert started is not None and ended is not None
    task = log.get_content(started.task) if started.is_in_words else started.task
    steps = [_build_step(log, step, started.base) for step in run.steps]
    if task is None or None in steps:
        return None
    adapter = _words(log, (started.adapter or "").removeprefix(IMPORTED).removeprefix(":"))
    row = {
        "session_id": run.id.hex,
        "task": task,
        **({} if started.base == IMPORTED else _time_fields(started, ended.duration_ms)),
        "iterations": steps or started.policy.get(IMPORTED, {}).get("iterations", 0),
        "success": run.succeeded,
        "lora_version": adapter,
        "what_went_wrong": _words(log, ended.detail) if isinstance(ended, TaskFailed) else "",
    }
    return {key: value for key, value in row.items() if value not in ("", None)}


def _words(log: Log, field: str) -> str | None:
    """The text that the field holds or names; None where it was erased."""
    return log.get_content(field) if KEY.fullmatch(field) else field


def _time_fields(started: TaskStarted, duration_ms: int | None) -> dict[str, str]:
    began = {"start_time": started.time.isoformat()}
    if duration_ms is None:
        return began
    return {**began, "end_time": (started.time + timedelta(milliseconds=duration_ms)).isoformat()}


def _build_step(log: Log, step: StepTaken, base: str) -> dict[str, Any] | None:
    prompt, answer, error = log.get_content(step.prompt), log.get_content(step.answer), _words(log, step.error)
    tools, calls = (read_stored(key, log.get_content) for key in (step.tools, step.tool_calls))
    if prompt is None or answer is None or error is None or tools is None or calls is None:
        return None
    lasted = None if step.model_ms is None else (step.model_ms + step.environment_ms) / 1000
    row = {
        "prompt": json.loads(prompt),
        "tools": tools,
        "response": answer,
        "tool_calls": calls,
        "result": error,
        "duration_seconds": lasted,
        MADE: write_made(step, base),
    }
    return {key: value for key, value in row.items() if value not in ("", None, [], {})}
