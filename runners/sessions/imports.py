"""Sessions of other programs, as a ``session.json`` describes them.

A session has the task (``task``), the steps (``iterations``, a list or their number, and ``tool_calls``), the functions
that were offered (``tools``), the outcome
(``success``), and a person's feedback: ``user_rating``, ``feedback_comment``, ``what_went_wrong``. ``session_id`` names
it, ``start_time`` and ``end_time`` date it, ``lora_version`` names the other program's adapter. All but the task may be
missing. Other fields are stored with it, and reported.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from ...domain.aggregates.base import derive_id
from ...domain.rules.roles import GOOD_STARS
from .files import read_rows
from .steps import Act, read_acts, read_tools
from .values import BEGAN, ENDED, LASTED, Values

IDS = ("session_id", "id")
RATING_KEYS = ("user_rating", "feedback_comment", "what_went_wrong")
"""The fields that a person may add to a session later."""

KEYS = (
    *IDS, "task", "iterations", "messages", "tools", "tool_calls", "success", "lora_version", *RATING_KEYS,
    *BEGAN, *ENDED, *LASTED,
)  # fmt: skip


@dataclass(frozen=True)
class Session:
    """The content of one session."""

    where: str
    """The file, and the place in it."""
    row: Mapping[str, Any]
    """The whole logged session."""
    unknown: tuple[str, ...]
    """Its keys that this program does not read."""
    own_id: str | None
    """Its id in the other program; None without one."""
    task: str
    acts: tuple[Act, ...]
    iterations: int
    """The number of steps that the session states."""
    success: bool | None
    """The outcome that the session states; None where it states none."""
    stars: int | None
    comment: str | None
    issues: tuple[str, ...]
    lora_version: str | None
    began: datetime | None
    ended: datetime | None
    duration_ms: int | None
    """None where it is unknown."""

    @property
    def id(self) -> UUID:
        """The id of its run: derived from its own id, or without one from its content."""
        return _id_of(self.row) if self.own_id is None else derive_id("session id", self.own_id)

    @property
    def earlier_ids(self) -> tuple[UUID, ...]:
        """Ids that the run may have in an older log: by its content, and by its content before it was rated."""
        unrated = {key: value for key, value in self.row.items() if key not in RATING_KEYS}
        return (_id_of(self.row), _id_of(unrated))

    @property
    def succeeded(self) -> bool | None:
        """The stated outcome; else False where something went wrong and no person rated it well, and None otherwise."""
        if self.success is not None:
            return self.success
        return False if self.issues and (self.stars or 0) < GOOD_STARS else None


def read_sessions(paths: Sequence[Path]) -> list[Session]:
    """The sessions of files and of all files below folders, in order. Raises ``InvalidSession`` for an unreadable one."""
    return [read_session(where, row) for where, row in read_rows(paths)]


def read_session(where: str, row: Any) -> Session:
    """The session in the row. Raises ``InvalidSession``."""
    values = Values(where)
    if not isinstance(row, dict):
        values.refuse("it", row, "an object with a task")
    task = values.text("task", row.get("task")) or values.refuse("task", row.get("task"), "the task in words")
    listed = "messages" if row.get("iterations") is None and isinstance(row.get("messages"), list) else "iterations"
    iterations = row.get(listed)
    how_many = "a list of steps, or their number"
    steps = iterations if isinstance(iterations, list) else []
    stated = (
        len(steps) if iterations is None or steps is iterations else values.count("iterations", iterations, how_many)
    )
    tools = read_tools(row.get("tools"))
    acts = read_acts(values, task, steps, row.get("tool_calls"), tools)
    known = {"messages": listed == "messages", "tools": bool(tools)}
    values.note_unknown(row, [key for key in KEYS if known.get(key, True)])
    return Session(
        where=where,
        row=row,
        unknown=tuple(values.unknown),
        own_id=_own_id(values, row),
        task=task,
        acts=acts,
        iterations=len(acts) if iterations is None or steps is iterations else stated,
        success=values.truth("success", row.get("success")),
        stars=values.stars(row.get("user_rating")),
        comment=values.text("feedback_comment", row.get("feedback_comment")),
        issues=_issues(values, row.get("what_went_wrong")),
        lora_version=values.text("lora_version", row.get("lora_version"), is_number_allowed=True),
        began=values.time(row, BEGAN),
        ended=values.time(row, ENDED),
        duration_ms=values.duration_ms(row),
    )


def _own_id(values: Values, row: Mapping[str, Any]) -> str | None:
    ids = [values.text(key, row.get(key), is_number_allowed=True) for key in IDS]
    return next(filter(None, ids), None)


def _issues(values: Values, value: Any) -> tuple[str, ...]:
    issues = [value] if isinstance(value, str) else [] if value is None else value
    if not isinstance(issues, list) or not all(isinstance(issue, str) for issue in issues):
        values.refuse("what_went_wrong", value, "text, or a list of texts")
    return tuple(issue.strip() for issue in issues if issue.strip())


def _id_of(row: Mapping[str, Any]) -> UUID:
    return derive_id("session", json.dumps(row, sort_keys=True, ensure_ascii=False, separators=(",", ":")))
