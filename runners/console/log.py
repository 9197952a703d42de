"""The log itself: its events as they stand, each with the position of the event that led to it."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...domain.errors import NotFound
from ...domain.events import EVENTS
from ...projections.facts import own_fields
from .options import DEFAULT_DB, Db, open_log
from .rendering import print_table, short_id, short_text, show_time

if TYPE_CHECKING:
    from ..log import Log
    from ..mapper import Recorded


def log(
    after: Annotated[int | None, typer.Option(min=0, help="Only events after this position.")] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="At most this many: the newest, or with --after the first after it.")
    ] = None,
    event: Annotated[list[str] | None, typer.Option(help="Only events of this name; may be given again.")] = None,
    id: Annotated[str, typer.Option(metavar="PREFIX", help="Only events of aggregates whose id begins so.")] = "",
    db: Db = DEFAULT_DB,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """Print the log, event by event.

    Each with its position, the position of the event that caused it, who did it, and its data.

    \b
    Examples:
      grokputer log --limit 20
      grokputer log --event AdapterPromoted --event AdapterRolledBack --json
    """
    for name in event or ():
        if name not in EVENTS:
            raise NotFound(_unknown_event(name))
    opened = open_log(db)
    entries = _select(_entries(opened, after or 0, tuple(event or ()), id.lower().replace("-", "")), after, limit)
    if as_json:
        for entry in entries:
            print(json.dumps(entry, ensure_ascii=False, default=str))
        return
    columns = ("position", "time", "event", "id", "version", "caused by", "actor", "data")
    print_table(columns, (_row(entry) for entry in entries), "no such events")


def _unknown_event(name: str) -> str:
    import difflib

    close = difflib.get_close_matches(name, EVENTS, n=3, cutoff=0.3)
    hint = f"close to it: {', '.join(close)}" if close else f"there are {len(EVENTS)}, such as TaskRated"
    return f"{name!r} is not an event; {hint}"


def _select(entries: Iterator[dict[str, Any]], after: int | None, limit: int | None) -> Iterator[dict[str, Any]]:
    if limit is None:
        return entries
    if after is None:
        return iter(deque(entries, maxlen=limit))
    return (entry for entry, _ in zip(entries, range(limit), strict=False))


def _entries(opened: Log, after: int, topics: tuple[str, ...], prefix: str) -> Iterator[dict[str, Any]]:
    """The events as they are printed. A cause is earlier, so mostly it was just read and need not be looked up."""
    positions: dict[str, int | None] = {}
    for recorded in opened.read(after + 1, None, topics):
        event = recorded.event
        positions[event.reference] = recorded.position
        if not event.originator_id.hex.startswith(prefix):
            continue
        if event.caused_by is not None and event.caused_by not in positions:
            positions[event.caused_by] = opened.position_of(event.caused_by)
        yield _entry(recorded, positions[event.caused_by] if event.caused_by is not None else None)


def _entry(recorded: Recorded, caused_by: int | None) -> dict[str, Any]:
    event = recorded.event
    return {
        "position": recorded.position,
        "time": event.time.isoformat(),
        "event": event.TOPIC,
        "aggregate": event.AGGREGATE,
        "id": event.originator_id.hex,
        "version": event.originator_version,
        "caused_by": caused_by,
        "actor": event.actor,
        "data": own_fields(event),
    }


def _row(entry: dict[str, Any]) -> tuple[Any, ...]:
    data = ", ".join(f"{key}={value}" for key, value in entry["data"].items() if value not in (None, "", (), {}))
    return (
        entry["position"],
        show_time(entry["time"]),
        entry["event"],
        short_id(entry["id"]),
        entry["version"],
        entry["caused_by"],
        entry["actor"],
        short_text(data, 100),
    )
