"""Filters of the list of runs: the conditions given on the command line, each with the words that gave it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

from ....domain.errors import GrokputerError
from ....domain.rules.roles import GOOD_STARS
from ....projections.explain.sentences import short_text
from ....projections.state.ratings import BASE

STARS = re.compile(r"([1-5])(?:\.\.([1-5]))?")
AGO = re.compile(r"([0-9]{1,6}) ?(min|h|d)")
MINUTES = {"min": 1, "h": 60, "d": 1440}


class BadFilter(GrokputerError):
    """A filter of runs that cannot be read."""


@dataclass
class Filters:
    """Conditions that a run must meet, all of them; without conditions every run meets them."""

    words: list[str] = field(default_factory=list)
    """The options as they were given, to explain an empty list."""
    _conditions: list[Callable[[dict[str, Any], Sequence[str]], bool]] = field(default_factory=list)

    def __call__(self, run: dict[str, Any], issues: Sequence[str]) -> bool:
        """Whether the run meets the conditions: a row of the table of runs with its question in words; ``issues`` are
        its ratings'."""
        return all(condition(run, issues) for condition in self._conditions)

    def flag(self, option: str, is_given: bool, condition: Callable[[dict[str, Any]], bool]) -> None:
        """Add a condition without a value, if it is given."""
        if is_given:
            self.words.append(option)
            self._conditions.append(lambda run, _: condition(run))

    def value(self, option: str, given: Any, condition: Callable[[dict[str, Any], Sequence[str]], bool]) -> None:
        """Add a condition with a value, if one is given."""
        if given is not None:
            self.words.append(f"{option} {short_text(str(given), 40)}")
            self._conditions.append(condition)


def choose(
    *,
    role: str | None,
    task: str | None,
    arm: str | None,
    adapter: str | None,
    stars: str | None,
    issue: str | None,
    session: str | None,
    since: str | None,
    until: str | None,
    failed: bool,
    unrated: bool,
    unattributed: bool,
    now: datetime,
) -> Filters:
    """The filters of ``grokputer runs``. Raises ``BadFilter`` for stars or a time that cannot be read."""
    filters = Filters()
    filters.value("--role", role, lambda run, _: run["role"] == role)
    filters.value("--task", task, lambda run, _: _is_task(run, task or ""))
    filters.value("--arm", arm, lambda run, _: run["arm"] == arm)
    filters.value("--adapter", adapter, lambda run, _: (run["adapter"] or BASE) == adapter)
    least, most = read_stars(stars) if stars is not None else (1, 5)
    filters.value("--stars", stars, lambda run, _: run["stars"] is not None and least <= run["stars"] <= most)
    filters.value("--issue", issue, lambda _, issues: issue in issues)
    filters.value("--session", session, lambda run, _: run["session"] == session)
    first, last = (read_time(moment, now) if moment is not None else now for moment in (since, until))
    filters.value("--since", since, lambda run, _: datetime.fromisoformat(run["started"]) >= first)
    filters.value("--until", until, lambda run, _: datetime.fromisoformat(run["started"]) <= last)
    filters.flag("--failed", failed, lambda run: bool(run["status"] == "failed"))
    filters.flag("--unrated", unrated, lambda run: run["stars"] is None and run["status"] != "running")
    filters.flag("--unattributed", unattributed, _is_unattributed)
    return filters


def read_stars(given: str) -> tuple[int, int]:
    """The least and the most stars of ``3`` or ``1..3``. Raises ``BadFilter``."""
    match = STARS.fullmatch(given.strip())
    least, most = (int(match[1]), int(match[2] or match[1])) if match is not None else (1, 0)
    if least > most:
        raise BadFilter(
            f"{short_text(given, 40)!r} is not a range of stars; give one number of 1 to 5, or two as in 1..3"
        )
    return least, most


def read_time(given: str, now: datetime) -> datetime:
    """The time that an ISO 8601 text names, or ``90min``, ``2h`` and ``3d`` ago. Raises ``BadFilter``.

    A time without a zone is local; a date is its first moment.
    """
    ago = AGO.fullmatch(given.strip())
    try:
        if ago is not None:
            return now - timedelta(minutes=int(ago[1]) * MINUTES[ago[2]])
        return datetime.fromisoformat(given).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadFilter(
            f"{short_text(given, 40)!r} is not a time; give 2026-05-01, 2026-05-01T14:30, or how long ago: 90min, 2h, 3d"
        ) from None


def _is_task(run: dict[str, Any], wanted: str) -> bool:
    """Whether the task has this name, where ``*`` stands for any letters, or is a question that contains these words."""
    task = run["task"]
    if task is None:
        return False
    if any(letter.isspace() for letter in task):  # a question, or a task in words
        return wanted.casefold() in task.casefold()
    return fnmatchcase(task, wanted)


def _is_unattributed(run: dict[str, Any]) -> bool:
    return run["stars"] is not None and run["stars"] < GOOD_STARS and run["fault"] is None
