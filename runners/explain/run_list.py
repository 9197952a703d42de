"""The list of runs, read from the log itself, newest first: people may have edited the SQL tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...domain.events import (
    CorrectionWithdrawn,
    SessionImported,
    TaskAnswered,
    TaskCorrected,
    TaskFailed,
    TaskJudged,
    TaskRated,
    TaskStarted,
    TaskSucceeded,
)
from ...projections.tables.tables import TABLES, rows_of
from ..store.log import Log

_FACTS = (
    *(TaskStarted, SessionImported, TaskSucceeded, TaskFailed, TaskAnswered, TaskJudged),
    *(TaskRated, TaskCorrected, CorrectionWithdrawn),
)
TOPICS = tuple(kind.TOPIC for kind in _FACTS)
"""The events that a run's row is made from."""

Row = dict[str, Any]
"""A run, with the columns of the SQL table ``runs``."""


@dataclass(frozen=True)
class ReadRun:
    """One run of the log."""

    row: Row
    """A question has its text as the task, None where it was erased."""
    issues: Sequence[str]
    """The issues of all its ratings."""
    started: TaskStarted


@dataclass
class RunList:
    """The newest matching runs, and the number of runs that were examined."""

    rows: list[Row] = field(default_factory=list)
    seen: int = 0


def list_runs(log: Log, limit: int, is_wanted: Callable[[Row, Sequence[str]], bool]) -> RunList:
    """The newest matching runs, at most ``limit``.

    A question has its text: None where it was erased, empty where it was not kept. ``is_wanted`` gets the run and the issues
    of all its ratings. The search ends as soon as there are enough. Raises ``LogError``.
    """
    result = RunList()
    for run in read_runs(log):
        result.seen += 1
        if is_wanted(run.row, run.issues):
            result.rows.append(run.row)
        if len(result.rows) >= limit:
            break
    return result


def read_runs(log: Log) -> Iterator[ReadRun]:
    """The runs, newest first. The log is read backwards, so a run is complete at its start. Raises ``LogError``."""
    later: dict[str, Row] = {}
    issues: dict[str, list[str]] = {}
    for position, event in log.read_back(TOPICS):
        if isinstance(event, TaskRated):
            issues.setdefault(event.originator_id.hex, []).extend(map(log.say, event.issues))
        for table, row in rows_of(position, event):
            if table == "runs":
                later[row["id"]] = {**row, **later.get(row["id"], {})}
        if not isinstance(event, TaskStarted):
            continue
        run = {**dict.fromkeys(TABLES["runs"]), **later.pop(event.originator_id.hex)}
        if event.is_in_words and run["task"]:  # it is empty where a setting keeps no words
            run["task"] = log.get_content(run["task"])
        run["adapter"] = log.say(run["adapter"])
        yield ReadRun(run, issues.pop(event.originator_id.hex, ()), event)
