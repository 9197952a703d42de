"""A segment of the log, folded by a process of its own from the kept state before it, beside the live views.

    python -m grokputer.runners.archive.segment

The process that starts it (``segments``) sends and receives lines of JSON. What a segment shows holds if the kept state
before it is right, which the segment before it shows.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import msgspec

from ...domain.errors import LogError
from ...projections.state import state as states
from ...projections.tables import tables
from ...projections.tables.tables import TABLES, Row, merge, rows_of
from ..store.log import Log
from ..store.place import read_place
from ..store.port import Rows, in_parts
from ..store.snapshots import Part, are_kept, find_before, is_due, load_moment, next_snapshot
from ..store.tables import PART, write_rows
from .rebuilt import AT, are_rows_equal, count_rows, rebuilt_tables

LONG = ("runs", "ratings", "grades", "corrections")
"""The tables that grow with the log. Of all others a segment hands over its rows."""

BEGINS = "position"
"""The column that the first event of a row sets."""


class Task(msgspec.Struct):
    """What to fold: the events after ``first`` up to ``last``, into tables up to ``tables_at``."""

    first: int
    last: int
    tables_at: int
    is_last: bool


class Folded(msgspec.Struct):
    """What the fold came to: whether its snapshots are the kept ones, and changes of rows that began before the segment."""

    is_equal: bool
    rows: list[tuple[str, dict[str, Any]]]


class Compared(msgspec.Struct):
    """Whether the own rows are the live ones, their numbers by table, and how many changes of later segments were theirs."""

    is_equal: bool
    counts: dict[str, int]
    applied: int


class Segment:
    """Folds one segment."""

    def __init__(self, log: Log, rows: Rows, task: Task) -> None:
        self.log, self.rows, self.task = log, rows, task
        self.earlier = dict[tuple[str, Any], Row]()
        """The changes of rows that are not this segment's own, by table and key."""

    def fold(self) -> Iterator[int | Folded]:
        """Fold the events; yield how many are done, and at the end what it came to. Raises ``LogError``."""
        task, snapshot = self.task, find_before(self.rows, self.task.first + 1)
        state = load_moment(self.rows, task.first) if task.first else states.State()
        if state is None or snapshot is None or state.position != task.first or snapshot.position != task.first:
            yield Folded(False, [])
            return
        events = self.log.scan_to_fold(task.first + 1, task.last, states.HANDLED | tables.HANDLED, self.rows)
        compared, is_equal = 0, True
        while is_equal and (part := list(islice(events, PART))):
            kept = list[Part]()
            for position, event in part:
                state.apply(position, event)
                if is_due(position):
                    added, snapshot = next_snapshot(state, snapshot)
                    kept += added
            is_equal = are_kept(self.rows, kept)
            compared += len(kept)
            self._write(row for place, event in part if place <= task.tables_at for row in rows_of(place, event))
            yield part[-1][0] - task.first
        within = "position > ?" if task.is_last else "position > ? AND position <= ?"
        bounds = (task.first,) if task.is_last else (task.first, task.last)
        [live] = self.rows.execute(f"SELECT COUNT(*) FROM moments WHERE {within}", bounds).fetchone()
        yield Folded(is_equal and live == compared, [*self.earlier.values()])

    def _write(self, rows: Iterable[Row]) -> None:
        """Lay the partial rows over the segment's own; note those of other rows."""
        own = list[Row]()
        for table, keyed in merge(rows).items():
            known = {key for key, row in keyed.items() if BEGINS in row} if table in LONG else set()
            if table in LONG:
                known |= self._find_own(table, [key for key in keyed if key not in known])
            for key, row in keyed.items():
                if key in known:
                    own.append((table, row))
                else:
                    self.earlier.setdefault((table, key), (table, {}))[1].update(row)
        write_rows(self.rows, own, AT)

    def _find_own(self, table: str, keys: Sequence[Any]) -> set[Any]:
        """Which of the keys are those of the segment's own rows."""
        key, found = next(iter(TABLES[table])), set[Any]()
        for part, _ in in_parts(keys):
            marks = ", ".join("?" * len(part))
            found |= {
                it for (it,) in self.rows.execute(f'SELECT "{key}" FROM {AT}{table} WHERE "{key}" IN ({marks})', part)
            }
        return found

    def compare(self, later: Sequence[Row]) -> Compared:
        """Lay the changes of later segments, in their order, over the own rows, and compare those with the live ones."""
        applied = list[Row]()
        for table, keyed in merge(later).items():
            own = self._find_own(table, [*keyed])
            applied += [(table, row) for key, row in keyed.items() if key in own]
        write_rows(self.rows, applied, AT)
        is_equal = all(are_rows_equal(self.log, self.rows, table) for table in LONG)
        counts = {table: count_rows(self.rows, AT + table) for table in LONG}
        return Compared(is_equal, counts, len(applied))


def main() -> None:
    """Talk to the process that started this one."""
    log = Log.open(read_place(_hear(str)))
    gc.disable()  # a fold makes no cycles, and a search for them would look through all of its objects
    with log.database.comparing(rebuilt_tables(log), writes=False) as rows:
        _say("ready")
        _hear(str)
        log.database.begin_snapshot(rows)
        rows.execute("SELECT MAX(position) FROM stored_events").fetchone()  # the moment is that of the first read
        _say("begun")
        segment = Segment(log, rows, _hear(Task))
        for done in segment.fold():
            _say(done)
        _say(segment.compare(_hear(list[Row])))


def _say(value: Any) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(value) + b"\n")
    sys.stdout.buffer.flush()


def _hear(kind: Any) -> Any:
    line = sys.stdin.buffer.readline()
    if not line:
        raise SystemExit(1)  # its parent has ended
    return msgspec.json.decode(line, type=kind)


if __name__ == "__main__":
    try:
        main()
    except LogError as error:
        sys.exit(str(error))
