"""Filters of the list of runs: the options of the command line, read as a ``RunFilter``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ....projections.wording.sentences import short_text
from ...explain.run_filter import RunFilter, read_stars, read_time


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
