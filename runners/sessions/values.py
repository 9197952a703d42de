"""The values of a session, each checked, or refused in one line: place, value, and what is allowed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn

from ...domain.errors import BadRating, InvalidSession
from ...domain.rules.rating import check_stars
from .files import Decimal, show_value

BEGAN = ("start_time", "started_at", "started", "start", "timestamp")
"""The keys for the start of a session or step; the first that is present counts."""

ENDED = ("end_time", "ended_at", "ended", "end")
LASTED = ("duration_seconds", "duration_s")

MOST = 1_000_000_000
"""The largest count and the longest time in seconds; chosen: thirty years."""

MILLISECONDS_FROM = 1e11
"""A numeric time from here on is in milliseconds since 1970, a smaller one in seconds."""


class Values:
    """Reads the values of one session and collects its unknown keys."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.unknown: list[str] = []
        """Unknown keys, each once, as a path."""

    def refuse(self, field: str, value: Any, allowed: str) -> NoReturn:
        """Raise ``InvalidSession`` with the place, the value and what is allowed."""
        raise InvalidSession(f"{self.where}: {field} is {show_value(value)}; allowed is {allowed}")

    def refuse_because(self, error: Exception) -> NoReturn:
        """Raise ``InvalidSession`` with the place and the error's own line."""
        raise InvalidSession(f"{self.where}: {error}") from None

    def note_unknown(self, row: Mapping[str, Any], known: Sequence[str], within: str = "") -> None:
        """Collect the object's unknown keys."""
        for key in row:
            path = within + (key if key.isidentifier() else show_value(key))
            if key not in known and path not in self.unknown:
                self.unknown.append(path)

    def text(self, field: str, value: Any, *, is_number_allowed: bool = False) -> str | None:
        """The text without surrounding white space; None where there is none."""
        if is_number_allowed and isinstance(value, Decimal):
            value = value.text
        elif is_number_allowed and isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if value is not None and not isinstance(value, str):
            self.refuse(field, value, "text")
        return value.strip() or None if value is not None else None

    def count(self, field: str, value: Any, allowed: str) -> int:
        """A whole number from 0 to ``MOST``."""
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MOST:
            self.refuse(field, value, allowed)
        return value

    def stars(self, value: Any) -> int | None:
        """The rating, None where there is none."""
        if value is None:
            return None
        try:
            return check_stars(int(value) if isinstance(value, float) and value.is_integer() else value)
        except BadRating:
            self.refuse("user_rating", value, "a whole number of stars from 1 to 5")

    def truth(self, field: str, value: Any) -> bool | None:
        """True or false; None where there is neither."""
        if not isinstance(value, bool | None):
            self.refuse(field, value, "true or false")
        return value

    def items(self, field: str, value: Any, of: str) -> list[Any]:
        """The list, empty where there is none."""
        if not isinstance(value, list | None):
            self.refuse(field, value, f"a list of {of}")
        return value or []

    def time(self, row: Mapping[str, Any], keys: Sequence[str], within: str = "") -> datetime | None:
        """The time under the first of the keys that is present, in UTC; a time without a zone is local."""
        key = next((key for key in keys if row.get(key) is not None), None)
        if key is None:
            return None
        try:
            return _time(row[key])
        except (TypeError, ValueError, OverflowError, OSError):
            self.refuse(within + key, row[key], "a time in ISO 8601, or seconds since 1970")

    def duration_ms(self, row: Mapping[str, Any], within: str = "") -> int | None:
        """The duration of the session or step: from its times, else as stated; None where unknown.

        Times say nothing where the end is before the start, as after a clock was set back.
        """
        began, ended = self.time(row, BEGAN, within), self.time(row, ENDED, within)
        key = next((key for key in LASTED if row.get(key) is not None), None)
        lasted = None if key is None else self._seconds(f"{within}{key}", row[key])
        if began is not None and ended is not None and ended >= began:
            lasted = min((ended - began).total_seconds(), MOST)
        return None if lasted is None else round(lasted * 1000)

    def _seconds(self, field: str, value: Any) -> float:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not 0 <= value <= MOST:  # NaN is in no range
            self.refuse(field, value, f"seconds, from 0 to {MOST}")
        return float(value)


def _time(value: Any) -> datetime:
    """The time in UTC. Raises ``TypeError``, ``ValueError``, ``OverflowError`` or ``OSError`` for any other value."""
    if isinstance(value, str):
        return datetime.fromisoformat(value.strip()).astimezone(UTC)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(value)
    return datetime.fromtimestamp(value / 1000 if value >= MILLISECONDS_FROM else value, UTC)


def plain(value: Any) -> str:
    """Text as it is, anything else as JSON; empty for an empty value."""
    if value is None or value == "" or value == {} or value == []:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
