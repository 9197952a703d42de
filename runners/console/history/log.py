"""The log itself: its events, each with the position of the event that caused it; exported and imported."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, nullcontext
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ....projections.wording.sentences import count, short_id, short_text
from ...archive.files import write_whole
from ...explain.event_list import list_entries, require_event
from ...store.place import read_place
from ..completion import offer_events
from ..hints import suggest
from ..options import DEFAULT_DB, Db, folder_of, folder_of_log, is_for_subcommand, open_log, until_command_ends
from ..rendering import Column, as_time, print_json_line, print_line, print_table, say, show_time

if TYPE_CHECKING:
    from ...store.codec import Recorded
    from ...store.log import Log


SHOWN_BEFORE = 10
"""Events that are printed before those that are followed, as by ``tail -f``."""

LOOK_S = 60.0
"""Seconds after which the log is read without a sign of new events; chosen: there is always a sign."""

log = typer.Typer(invoke_without_command=True, add_completion=False, rich_markup_mode=None)


@log.callback()
def list_events(
    context: typer.Context,
    after: Annotated[int | None, typer.Option(min=0, help="Only events after this position.")] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="At most this many: the newest, or with --after the first after it.")
    ] = None,
    event: Annotated[
        list[str] | None,
        typer.Option(help="Only events of this name; may be repeated.", autocompletion=offer_events),
    ] = None,
    id: Annotated[str, typer.Option(metavar="PREFIX", help="Only events of aggregates whose id begins with it.")] = "",
    db: Db = DEFAULT_DB,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
    follow: Annotated[bool, typer.Option(help="Continue with new events, until Ctrl-C.")] = False,
) -> None:
    """Print the log, event by event; export it, or import one.

    Each with its position, the position of the event that caused it, who did it, and its data.

    \b
    Examples:
      grokputer log --limit 20
      grokputer log --event AdapterPromoted --event AdapterRolledBack --json
      grokputer log --follow --event CanaryAssessed
      grokputer log export events.jsonl
    """
    if is_for_subcommand(context):
        return
    for name in event or ():
        require_event(name)
    opened = open_log(db)
    prefix = id.lower().replace("-", "")
    select = _follow if follow else _select
    entries = list_entries(opened, select(opened, tuple(event or ()), prefix, after, limit))
    if as_json or follow:
        for entry in entries:
            if as_json:
                print_json_line(entry, flush=follow)
            else:
                print_line(_line(entry), flush=follow)
        return
    columns = (
        Column("position"),
        Column("time", rank=2),
        Column("event"),
        Column("id"),
        Column("version", rank=4),
        Column("caused by", rank=3),
        Column("actor", rank=2, wraps=8),
        Column("data", rank=1, wraps=24),
    )
    print_table(columns, (_row(entry) for entry in entries), "no such events")
    suggest("log --follow", db)


@log.command()
def export(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="Where to write it; the file must not exist. - is stdout.")
    ],
    db: Db = DEFAULT_DB,
) -> None:
    """Write the whole log as JSON Lines: its events as they are stored, and the texts they point to.

    The file holds the log at one moment; others may write meanwhile. Adapter weights are not in it: 'grokputer backup'
    copies them too.

    \b
    Examples:
      grokputer log export events.jsonl
      grokputer log export - | gzip > events.jsonl.gz
    """
    from ...archive.jsonl import export_log

    opened = open_log(db)
    if file == "-":
        done = export_log(opened, sys.stdout.buffer)
    else:
        with folder_of(Path(file)), write_whole(Path(file)) as out:
            done = export_log(opened, out)
    say(
        f"wrote {count(done.events, 'event')} and {count(done.content, 'text')}; adapter weights are not part of a log, "
        "see 'grokputer backup'"
    )


@log.command("import")
def import_(
    file: Annotated[str, typer.Argument(metavar="FILE", help="What 'log export' wrote. - is stdin.")],
    db: Db = DEFAULT_DB,
) -> None:
    """Create a log from an exported one: the same events at the same positions, to the byte, all of them or none.

    The log must be new or empty. Each event is decoded and each text is checked by its hash before anything is kept.

    \b
    Examples:
      grokputer log import events.jsonl --db copy/events.db
      grokputer log import - --db copy.db < events.jsonl
    """
    from ....adapters.data.plain_files import open_plain
    from ...archive.jsonl import import_log
    from ...store.ledger import Ledger
    from ...store.log import adapters_folder
    from ...use_cases.lookups import adapter_names

    with (
        nullcontext(sys.stdin.buffer) if file == "-" else open_plain(Path(file)) as lines,
        folder_of_log(db),
        _removing_if_new(db),
    ):
        log = until_command_ends(Ledger.create(read_place(db)))
        done = import_log(log, lines)
    print_line(f"imported {done.events} events and {done.content} texts into {log.label}")
    if adapter_names(log):
        say(f"adapter weights are not part of a log; copy those of the other one to {adapters_folder(log.path)}")


@contextmanager
def _removing_if_new(db: str) -> Iterator[None]:
    """Remove the log again if the block created it and fails; a log that existed before stays."""
    from ...store.place import open_store

    store = open_store(read_place(db))
    is_new = store.is_blank()
    try:
        yield
    except BaseException:
        if is_new:
            store.discard()
        raise


def _select(
    opened: Log, topics: tuple[str, ...], prefix: str, after: int | None, limit: int | None
) -> Iterable[Recorded]:
    if limit is not None and after is None:
        return opened.newest(limit, topics, prefix)
    events = (
        recorded
        for recorded in opened.read((after or 0) + 1, None, topics)
        if recorded.event.originator_id.hex.startswith(prefix)
    )
    return islice(events, None if limit is None else min(limit, sys.maxsize))


def _follow(
    opened: Log, topics: tuple[str, ...], prefix: str, after: int | None, limit: int | None
) -> Iterator[Recorded]:
    """The last few events or those after the position, then each new one, up to the limit."""
    from ...store.tail import Watch

    if after is None:
        last = opened.position
        yield from (
            recorded for recorded in opened.newest(limit or SHOWN_BEFORE, topics, prefix) if recorded.position <= last
        )
        limit = None
    else:
        last = after
    with closing(Watch(opened)) as watch:
        while True:
            end = opened.position
            for new in opened.read(last + 1, end, topics):
                if new.event.originator_id.hex.startswith(prefix):
                    yield new
                    limit = None if limit is None else limit - 1
                if limit == 0:
                    return
            last = max(last, end)
            watch.wait(LOOK_S)


def _line(entry: dict[str, Any]) -> str:
    position, time, *rest = _row(entry)
    return "  ".join("-" if cell is None else str(cell) for cell in (position, show_time(time), *rest))


def _row(entry: dict[str, Any]) -> tuple[Any, ...]:
    data = ", ".join(f"{key}={value}" for key, value in entry["data"].items() if value not in (None, "", (), {}))
    return (
        entry["position"],
        as_time(entry["time"]),
        entry["event"],
        short_id(entry["id"]),
        entry["version"],
        entry["caused_by"],
        entry["actor"],
        short_text(data, 100),
    )
