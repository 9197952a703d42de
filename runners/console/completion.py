"""What a shell completes: names of adapters, settings, tasks and roles, and the newest runs. It only reads, and never fails."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr
from io import StringIO
from typing import TYPE_CHECKING, Any

import typer

from ..store.place import open_store, read_place

if TYPE_CHECKING:
    from ..store.log import Log

DEFAULT_DB = "events.db"
"""The log that is used where neither the command line nor the environment names one: in the current folder."""

NEWEST = 20
"""Runs that are offered; chosen: a person mostly means one of the latest."""

Offers = Callable[[typer.Context, str], list[str]]


def _offering(find: Callable[[str], Iterator[str]]) -> Offers:
    """A completion from the names that ``find`` yields for the log of the command line; empty on any error."""

    def offer(context: typer.Context, incomplete: str) -> list[str]:
        try:
            with redirect_stderr(StringIO()):  # the shell would show stderr in the middle of the line
                return [name for name in find(_log_of(context)) if name.startswith(incomplete)]
        except Exception:  # a log that is missing, damaged or newer offers nothing
            return []

    return offer


def _log_of(context: typer.Context) -> str:
    """The log that is named before or after the command, else by the environment."""
    at: Any = context
    while at is not None:
        if at.params.get("db") is not None:
            return str(at.params["db"])
        at = at.parent
    return os.environ.get("GROKPUTER_DB") or DEFAULT_DB


def _open(db: str) -> Log:
    from ..store.log import Log

    return Log.open(read_place(db))


def _adapters(db: str) -> Iterator[str]:
    from ...domain.events import AdapterRegistered

    for recorded in _open(db).read(1, None, (AdapterRegistered.TOPIC,)):
        if isinstance(recorded.event, AdapterRegistered):
            yield recorded.event.adapter


def _runs(db: str) -> Iterator[str]:
    from ...domain.events import TaskStarted
    from ...projections.wording.sentences import short_id

    newest = [
        short_id(recorded.event.originator_id.hex) for recorded in _open(db).newest(NEWEST, (TaskStarted.TOPIC,), "")
    ]
    return reversed(newest)


def _settings(db: str) -> Iterator[str]:
    from ...domain.settings.settings import RECIPE_SETTINGS, SETTINGS

    yield from SETTINGS
    yield from RECIPE_SETTINGS


def _tasks(db: str) -> Iterator[str]:
    from ..wiring.environments import OWN, list_tasks

    for name, tasks in list_tasks(OWN).items():
        yield from tasks
        yield from (f"{name}/{task}" for task in tasks)


def _events(db: str) -> Iterator[str]:
    from ...domain.events import EVENTS

    yield from EVENTS


def _with_base(db: str) -> Iterator[str]:
    yield "base"
    yield from _adapters(db)


def _explained(db: str) -> Iterator[str]:
    """What 'why' accepts: settings, and where the log exists its adapters and runs."""
    yield from _settings(db)
    if not open_store(read_place(db)).is_blank():
        yield from _adapters(db)
        yield from _runs(db)


def _taught(db: str) -> Iterator[str]:
    yield from _adapters(db)
    yield from _runs(db)


offer_adapters = _offering(_adapters)
offer_arms = _offering(_with_base)
offer_runs = _offering(_runs)
offer_tasks = _offering(_tasks)
offer_events = _offering(_events)
offer_explained = _offering(_explained)
offer_taught = _offering(_taught)
