"""Sessions that other programs logged, as they lie in a ``session.json``: what each says.

A session says what was asked (``task``), what was done (``iterations``, a list of steps or how many there were, and
``tool_calls``), how it ended (``success``), and what a person thought of it: ``user_rating``, ``feedback_comment``,
``what_went_wrong``. ``session_id`` names it, ``start_time`` and ``end_time`` say when it was, ``lora_version`` names the
adapter that the other program had. All but the task may be missing. What else stands there is kept with it, and named.
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
from .steps import Act, read_acts
from .values import BEGAN, ENDED, LASTED, Values

IDS = ("session_id", "id")
RATING_KEYS = ("user_rating", "feedback_comment", "what_went_wrong")
"""What a person may add to a session later."""

KEYS = (
    *IDS, "task", "iterations", "messages", "tool_calls", "success", "lora_version", *RATING_KEYS, *BEGAN, *ENDED, *LASTED,
)  # fmt: skip


@dataclass(frozen=True)
class Session:
    """What one session says."""

    where: str
    """The file, and where in it."""
    row: Mapping[str, Any]
    """All that was logged of it."""
    unknown: tuple[str, ...]
    """Its keys that nothing here reads."""
    own_id: str | None
    """As the other program names it."""
    task: str
    acts: tuple[Act, ...]
    iterations: int
    """How many there were, as it says itself."""
    success: bool | None
    """What it says of its outcome."""
    stars: int | None
    comment: str | None
    issues: tuple[str, ...]
    lora_version: str | None
    began: datetime | None
    ended: datetime | None
    duration_ms: int
    """0 where it is not known."""

    @property
    def id(self) -> UUID:
        """Of its run: the same for the same id of its own, and where it has none for the same content."""
        return _id_of(self.row) if self.own_id is None else derive_id("session id", self.own_id)

    @property
    def earlier_ids(self) -> tuple[UUID, ...]:
        """Under which the run may be in a log already: by its content, and by what its content was before it was rated."""
        unrated = {key: value for key, value in self.row.items() if key not in RATING_KEYS}
        return (_id_of(self.row), _id_of(unrated))

    @property
    def succeeded(self) -> bool:
        """What it says itself; else whether nothing is said to have gone wrong, or a person rates it well all the same."""
        if self.success is not None:
            return self.success
        return not self.issues or (self.stars or 0) >= GOOD_STARS


def read_sessions(paths: Sequence[Path]) -> list[Session]:
    """The sessions of files and of all files below folders, in order. Raises ``InvalidSession`` for one that it cannot read."""
    return [read_session(where, row) for where, row in read_rows(paths)]


def read_session(where: str, row: Any) -> Session:
    """The session that the row says. Raises ``InvalidSession``."""
    values = Values(where)
    if not isinstance(row, dict):
        values.refuse("it", row, "an object with a task")
    task = values.text("task", row.get("task")) or values.refuse("task", row.get("task"), "what was asked, in words")
    listed = "messages" if row.get("iterations") is None and isinstance(row.get("messages"), list) else "iterations"
    iterations = row.get(listed)
    how_many = "a list of steps, or how many there were"
    steps = iterations if isinstance(iterations, list) else []
    said = len(steps) if iterations is None or steps is iterations else values.count("iterations", iterations, how_many)
    acts = read_acts(values, task, steps, row.get("tool_calls"))
    values.note_unknown(row, [key for key in KEYS if key != "messages" or listed == key])
    return Session(
        where=where,
        row=row,
        unknown=tuple(values.unknown),
        own_id=_own_id(values, row),
        task=task,
        acts=acts,
        iterations=len(acts) if iterations is None or steps is iterations else said,
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
    found = [values.text(key, row.get(key), is_number_allowed=True) for key in IDS]
    return next(filter(None, found), None)


def _issues(values: Values, value: Any) -> tuple[str, ...]:
    found = [value] if isinstance(value, str) else [] if value is None else value
    if not isinstance(found, list) or not all(isinstance(it, str) for it in found):
        values.refuse("what_went_wrong", value, "text, or a list of texts")
    return tuple(it.strip() for it in found if it.strip())


def _id_of(row: Mapping[str, Any]) -> UUID:
    return derive_id("session", json.dumps(row, sort_keys=True, ensure_ascii=False, separators=(",", ":")))
