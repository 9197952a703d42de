"""The counter of one shard, as a process: it tells the decision log what the shard's new positions hold, each exactly once.

    python -m grokputer.benchmarks.shards.counter FLEET SHARD

It keeps nothing that it cannot read again, so it may be killed at any moment. It waits for the shard's disk before it tells of
events, because a server that dies may lose what another process could read; the decision log would then know runs that the
shard has not. The shard's head is computed from the events as they were counted, not taken from the shard.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from eventsourcing.persistence import PersistenceError

from grokputer.domain.aggregates.base import ACTOR
from grokputer.domain.errors import GrokputerError, LogError
from grokputer.domain.merkle import Tree, leaf
from grokputer.runners.archive.integrity import Head
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.place import read_place
from grokputer.runners.store.port import COLUMNS, Row
from grokputer.runners.store.writer import stored_nodes

from .counted import RunsCounted, ShardCounts, known
from .layout import AGAIN_S, Layout, patiently
from .tally import tally, whole_runs

MOST = 10_000
"""Events of a range, which bounds the memory of a counter that has to catch up; chosen: some 6 MB."""


class Counter:
    """Counts one shard into the decision log."""

    def __init__(self, name: str, shard: Ledger, decisions: Ledger, most: int = MOST) -> None:
        self._name, self._shard, self._decisions, self._most = name, shard, decisions, most
        self._counts: ShardCounts | None = None
        """What was counted so far; None where that must be read, at first and after an error."""
        self._tree = Tree()

    def count(self) -> RunsCounted | None:
        """Count what is new, one range at most; None without anything.

        Raises ``IntegrityError`` where another counter was first, and ``LogError``. Then nothing was counted, or the same
        range was; the next call finds out which.
        """
        counts = self._counts or self._resume()
        rows = self._new_rows(counts.counted)
        if not rows:
            return None
        self._counts = None
        self._shard.change(lambda transaction: None)  # waits for the disk: what was read cannot be lost any more
        tree, found = self._tree.copy(), tally(rows)
        for position, id, version, topic, state in rows:
            tree.append(leaf(position, id, version, topic, state))
        first, last, head = counts.counted + 1, int(rows[-1][0]), str(Head(tree.size, tree.root()))
        counts.count(self._decisions.context(ACTOR), self._name, first, last, head, found.counts, found.order)
        [told] = counts.pending
        assert isinstance(told, RunsCounted)
        self._decisions.store(counts)
        self._counts, self._tree = counts, tree
        return told

    def _resume(self) -> ShardCounts:
        """What the decision log says, and the shard's tree at that place. Raises ``LogError`` where they differ."""
        counts = ShardCounts.load(self._decisions, self._name)
        with self._shard.reading() as rows:
            self._tree = Tree.at(counts.counted, stored_nodes(rows))
        if counts.head not in ("", str(Head(counts.counted, self._tree.root()))):
            raise LogError(
                f"{self._name} is not what was counted up to {counts.counted}; verify it against {counts.head}"
            )
        return counts

    def _new_rows(self, counted: int) -> Sequence[Row]:
        """The next rows, whole runs; all rows that are there are whole runs, unless there are more than one range takes."""
        statement = f"SELECT {COLUMNS} FROM stored_events WHERE position > ? AND position <= ? ORDER BY position"
        with self._shard.reading() as rows:
            found: list[Row] = rows.execute(statement, (counted, counted + self._most)).fetchall()
        return found if len(found) < self._most else whole_runs(found)


def main() -> None:
    """Count until this is killed."""
    layout, name = Layout.load(Path(sys.argv[1])), sys.argv[2]
    with known(), layout.file(f"{name}.counted").open("a") as times:
        shard = patiently(lambda: Ledger.open(layout.place(name)))
        counter = Counter(name, shard, patiently(lambda: Ledger.open(read_place(layout.decisions))))
        print("ready", flush=True)
        due = time.time()
        while True:
            try:
                told = counter.count()
            except (GrokputerError, PersistenceError):
                time.sleep(AGAIN_S)
                continue
            if told is not None:
                times.write(f"{told.last} {time.time():.6f}\n")
                times.flush()
            due = max(due + layout.every_s, time.time())
            time.sleep(max(0.0, due - time.time()))


if __name__ == "__main__":
    main()
