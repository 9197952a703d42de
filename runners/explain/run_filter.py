"""The conditions of a list of runs, typed: command line, Python API and other readers choose runs by the same rule."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from fnmatch import fnmatchcase

from ...domain.errors import GrokputerError
from ...domain.rules.roles import GOOD_STARS
from ...projections.state.ratings import BASE
from ...projections.wording.sentences import short_text
from .run_list import Row

STARS = re.compile(r"([1-5])(?:\.\.([1-5]))?")
AGO = re.compile(r"([0-9]{1,18}) ?(min|h|d)")
MINUTES = {"min": 1, "h": 60, "d": 1440}


class BadFilter(GrokputerError):
    """A filter of runs that cannot be read."""


@dataclass(frozen=True)
class RunFilter:
    """Conditions that a run must meet, all of them; with none given every run meets them."""

    role: str | None = None
    task: str | None = None
    """A task's name, where ``*`` stands for any letters, or words of a question."""
    arm: str | None = None
    adapter: str | None = None
    """An adapter, or ``base``."""
    stars: tuple[int, int] | None = None
    """The least and the most stars, 1 to 5."""
    issue: str | None = None
    session: str | None = None
    since: datetime | None = None
    """Started at or after this time."""
    until: datetime | None = None
    """Started at or before this time."""
    is_failed: bool = False
    is_unrated: bool = False
    """Ended and without a rating."""
    is_unattributed: bool = False
    """With a low rating that counts for no role yet."""

    def __call__(self, run: Row, issues: Sequence[str]) -> bool:
        """Whether the run meets the conditions: a row of ``list_runs``; ``issues`` are those of its ratings."""
        return (
            self.role in (None, run["role"])
            and self.arm in (None, run["arm"])
            and self.adapter in (None, run["adapter"] or BASE)
            and self.session in (None, run["session"])
            and (self.issue is None or self.issue in issues)
            and (self.task is None or _is_task(run["task"], self.task))
            and self._has_stars(run)
            and self._is_of_time(run)
            and (not self.is_failed or run["status"] == "failed")
            and (not self.is_unrated or (run["stars"] is None and run["status"] != "running"))
            and (not self.is_unattributed or _is_unattributed(run))
        )

    def _has_stars(self, run: Row) -> bool:
        if self.stars is None:
            return True
        least, most = self.stars
        return run["stars"] is not None and bool(least <= run["stars"] <= most)

    def _is_of_time(self, run: Row) -> bool:
        if self.since is None and self.until is None:
            return True
        started = datetime.fromisoformat(run["started"])
        return (self.since is None or started >= self.since) and (self.until is None or started <= self.until)


def _is_task(task: str | None, wanted: str) -> bool:
    """Whether the task has this name, or is a question that contains these words."""
    if task is None:
        return False
    if any(letter.isspace() for letter in task):  # a question, or a task in words
        return wanted.casefold() in task.casefold()
    return fnmatchcase(task, wanted)


def _is_unattributed(run: Row) -> bool:
    return run["stars"] is not None and run["stars"] < GOOD_STARS and run["fault"] is None


def read_stars(given: str) -> tuple[int, int]:
    """The least and the most stars of ``3`` or ``1..3``. Raises ``BadFilter``."""
    match = STARS.fullmatch(given.strip())
    least, most = (int(match[1]), int(match[2] or match[1])) if match is not None else (1, 0)
    if least > most:
        raise BadFilter(
            f"{short_text(given, 40)!r} is not a range of stars; give one number of 1 to 5, or two as in 1..3"
        )
    return least, most


def read_time(given: str, now: datetime, zone: tzinfo | None = None) -> datetime:
    """The time that an ISO 8601 text names, or ``90min``, ``2h`` and ``3d`` ago. Raises ``BadFilter``.

    A time without a zone is one of ``zone``, or local; a date is its first moment.
    """
    ago = AGO.fullmatch(given.strip())
    try:
        if ago is not None:
            return now - timedelta(minutes=int(ago[1]) * MINUTES[ago[2]])
        return parse_time(given, zone)
    except (ValueError, OverflowError) as error:
        fault = "is not between the years 1 and 9999" if isinstance(error, OverflowError) else "is not a time"
        raise BadFilter(
            f"{short_text(given, 40)!r} {fault}; give 2026-05-01, 2026-05-01T14:30, or how long ago: 90min, 2h, 3d"
        ) from None


def parse_time(given: str, zone: tzinfo | None = None) -> datetime:
    """The time in UTC that an ISO 8601 text names; without a zone one of ``zone``, or local.

    Raises ``ValueError`` and ``OverflowError``.
    """
    time = datetime.fromisoformat(given)
    return (time.replace(tzinfo=zone) if time.tzinfo is None else time).astimezone(UTC)
