"""Filters of the list of runs: the options of the command line, read as a ``RunFilter``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ....domain.errors import GrokputerError
from ....projections.wording.sentences import short_text
from ...explain.run_filter import RunFilter

STARS = re.compile(r"([1-5])(?:\.\.([1-5]))?")
AGO = re.compile(r"([0-9]{1,6}) ?(min|h|d)")
MINUTES = {"min": 1, "h": 60, "d": 1440}


class BadFilter(GrokputerError):
    """A filter of runs that cannot be read."""


@dataclass(frozen=True)
class Given:
    """The filter that the options make."""

    wanted: RunFilter
    words: list[str]
    """The options as they were given, to explain an empty list."""


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
) -> Given:
    """The filter of ``grokputer runs``. Raises ``BadFilter`` for stars or a time that cannot be read."""
    values = {
        "role": role, "task": task, "arm": arm, "adapter": adapter, "stars": stars, "issue": issue, "session": session,
        "since": since, "until": until,
    }  # fmt: skip
    flags = {"failed": failed, "unrated": unrated, "unattributed": unattributed}
    words = [f"--{name} {short_text(value, 40)}" for name, value in values.items() if value is not None]
    words += [f"--{name}" for name, is_given in flags.items() if is_given]
    wanted = RunFilter(
        role=role,
        task=task,
        arm=arm,
        adapter=adapter,
        stars=None if stars is None else read_stars(stars),
        issue=issue,
        session=session,
        since=None if since is None else read_time(since, now),
        until=None if until is None else read_time(until, now),
        is_failed=failed,
        is_unrated=unrated,
        is_unattributed=unattributed,
    )
    return Given(wanted, words)


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
