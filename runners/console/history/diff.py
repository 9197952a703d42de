"""The difference between two moments."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

import typer

from ..hints import suggest
from ..options import DEFAULT_DB, AsJson, Db, find_position, open_log
from ..rendering import Column, print_json, print_line, print_table, show_time

Moment = Annotated[str, typer.Argument(metavar="POSITION|TIME", help="A position, or an ISO 8601 time or date.")]


def diff(earlier: Moment, later: Moment, db: Db = DEFAULT_DB, as_json: AsJson = False) -> None:
    """Show what changed between two positions or times.

    Settings, traffic, rollouts, adapters, trainings, means and counts that differ, and the number of events of
    each kind between them. The moments may come in either order. A time stands for the last event that is not later, as in
    'grokputer at'.

    \b
    Examples:
      grokputer diff 120 240
      grokputer diff 2026-05-01 2026-05-02T12:00
    """
    from ....projections.explain.diff import compare
    from ...store.states import load_state

    log = open_log(db)
    first, last = sorted((find_position(log, earlier), find_position(log, later)))
    changes = list(compare(load_state(log, first), load_state(log, last)))
    events = Counter(recorded.event.TOPIC for recorded in log.read(first + 1, last))
    if as_json:
        rows = [vars(change) for change in changes]
        print_json({"from": first, "to": last, "events": dict(events.most_common()), "changes": rows})
        return
    times = [show_time(log.at(position).event.time) for position in (first, last)]
    print_line(f"from position {first}, {times[0]}, to {last}, {times[1]}: {last - first} events")
    if events:
        print_line(", ".join(f"{count} {topic}" for topic, count in events.most_common()))
    columns = (Column("what", wraps=12), Column("before", wraps=12), Column("after", wraps=12))
    print_table(columns, ((change.what, change.before, change.after) for change in changes), "no differences")
    suggest(f"log --after {first} --limit 20", db)
