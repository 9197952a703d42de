"""Old events outside the database: ranges of positions in Parquet files, and proofs of their events against the live head.

The product's table of events has no partitions, so a copy of it has: by ranges of positions whose width is a power of two. A
range then is one subtree of the Merkle tree. Of a range that was detached, the database keeps the nodes beside its last event,
which hold the subtree's root; a proof reads one file for the part below it. The copied log stays as it was, so its own proofs
and its head show what is right.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow  # type: ignore[import-untyped]
import pyarrow.parquet  # type: ignore[import-untyped]

from grokputer.domain.merkle import NodesAt, Tree, inclusion_path
from grokputer.domain.rules.routing import Route
from grokputer.runners.archive.integrity import Head, Proof, prove
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.port import COLUMNS, Row

from ..world import play

SHARE = 0.8
"""The part of the positions that is detached."""
RANGES = 20
"""Ranges at least; a range's width is the largest power of two that gives them, up to 65,536 events, some 40 MB in memory."""
SCHEMA = pyarrow.schema(
    [
        ("position", pyarrow.int64()),
        ("originator_id", pyarrow.string()),
        ("originator_version", pyarrow.int32()),
        ("topic", pyarrow.dictionary(pyarrow.int8(), pyarrow.string())),
        ("state", pyarrow.binary()),
        ("nodes", pyarrow.binary()),
    ]
)
PROOFS = 50
RUNS_TOGETHER = 220
"""Runs of one commit when a log is filled: about a thousand events."""


def fill(ledger: Ledger, events: int, seed: int = 1) -> tuple[int, float, float]:
    """Store runs until the log has so many events; how many were stored, the seconds of storing, and its CPU seconds here."""
    draw, before, took, used = random.Random(seed), ledger.position, 0.0, 0.0
    while ledger.position < events:
        context = ledger.context("reviewer")
        runs = [
            play(uuid4(), f"s{number}", Route("stable", None, None), 0, draw, context, ledger.put)
            for number in range(RUNS_TOGETHER)
        ]
        began, cpu = time.perf_counter(), time.process_time()
        ledger.store(*runs)
        took, used = took + time.perf_counter() - began, used + time.process_time() - cpu
    return ledger.position - before, took, used


@dataclass(frozen=True)
class Storage:
    """What became of a log whose old ranges lie in files."""

    events: int
    cold: int
    width: int
    hot_bytes: float
    """Bytes of an event in the database, with its nodes and indexes."""
    text_bytes: float
    """Bytes of the texts beside an event, in the database."""
    cold_bytes: float
    """Bytes of an event in its file."""
    node_bytes: float
    """Of them, the nodes, which no compression makes smaller."""
    write_us: float
    """Microseconds to write an event to its file, and to read it back."""
    detach_ms: float
    """Milliseconds to detach and drop a range."""
    proof_ms: float
    """Milliseconds of a proof of a cold event, the median; its file is read for it."""
    problems: tuple[str, ...]


class ColdLog:
    """The partitioned copy of a log: its newest ranges in the database, the others in files of the folder."""

    def __init__(self, ledger: Ledger, folder: Path) -> None:
        self._ledger, self._folder = ledger, folder
        self.size = ledger.position
        self.width = 1 << min(16, max(4, (self.size // RANGES).bit_length() - 1))
        self.cold = int(self.size * SHARE) // self.width * self.width
        """The last position that is detached."""
        self._file = lru_cache(1)(self._read)

    def copy(self) -> None:
        """Make the copy, with all ranges in the database."""
        folds = range(0, self.size, self.width)
        # The connection for views may create tables, and stores no event.
        with self._ledger.changing_views() as rows:
            rows.execute(
                "CREATE TABLE ranged (LIKE stored_events, PRIMARY KEY (position)) PARTITION BY RANGE (position)"
            )
            for number, first in enumerate(folds):
                bounds = f"FROM ({first + 1}) TO ({first + self.width + 1})"
                rows.execute(f"CREATE TABLE ranged_{number} PARTITION OF ranged FOR VALUES {bounds}")
            rows.execute("INSERT INTO ranged SELECT * FROM stored_events")
            rows.execute("CREATE TABLE kept (position bigint PRIMARY KEY, nodes bytea NOT NULL)")

    def write(self) -> list[str]:
        """Write the old ranges to files, and read them back; what differs."""
        problems = list[str]()
        for first in range(0, self.cold, self.width):
            with self._ledger.reading() as rows:
                statement = (
                    f"SELECT {COLUMNS}, nodes FROM ranged WHERE position > ? AND position <= ? ORDER BY position"
                )
                found = rows.execute(statement, (first, first + self.width)).fetchall()
            columns = [
                pyarrow.array(column, field.type)
                for column, field in zip(zip(*found, strict=True), SCHEMA, strict=True)
            ]
            pyarrow.parquet.write_table(pyarrow.table(columns, schema=SCHEMA), self.path(first), compression="zstd")
            back = pyarrow.parquet.read_table(self.path(first)).to_pylist()
            if [tuple(row.values()) for row in back] != [tuple(row) for row in found]:
                problems.append(f"the file of the range from {first + 1} differs from the database")
        return problems

    def detach(self) -> None:
        """Take the old ranges out of the database; the nodes beside the last event of each stay."""
        for number, first in enumerate(range(0, self.cold, self.width)):
            with self._ledger.changing_views() as rows:
                last = (first + self.width,)
                rows.execute("INSERT INTO kept SELECT position, nodes FROM ranged WHERE position = ?", last)
                rows.execute(f"ALTER TABLE ranged DETACH PARTITION ranged_{number}")
                rows.execute(f"DROP TABLE ranged_{number}")

    def prove(self, position: int) -> Proof:
        """The proof of a cold event against the head of the whole log. Raises ``BadProof``."""
        row, nodes_at = self._row(position), self.nodes_at()
        head = Head(self.size, Tree.at(self.size, nodes_at).root())
        path = tuple(inclusion_path(position, self.size, nodes_at))
        proof = Proof(position, row[1], row[2], row[3], row[4].decode(), head, path)
        proof.check()
        return proof

    def nodes_at(self) -> NodesAt:
        """The function that reads the tree's nodes, from the database or from the file of their range."""

        def read(position: int) -> bytes:
            is_cold, is_kept = position <= self.cold, position % self.width == 0
            if is_cold and not is_kept:
                return bytes(self._cold(position)["nodes"])
            table = "kept" if is_cold else "ranged"
            with self._ledger.reading() as rows:
                return bytes(rows.execute(f"SELECT nodes FROM {table} WHERE position = ?", (position,)).fetchone()[0])

        return read

    def _row(self, position: int) -> Row:
        found = self._cold(position)
        names = ("position", "originator_id", "originator_version", "topic", "state")
        return tuple(found[name] for name in names)

    def _cold(self, position: int) -> dict[str, Any]:
        first = (position - 1) // self.width * self.width
        row: dict[str, Any] = self._file(first).slice(position - 1 - first, 1).to_pylist()[0]
        return row

    def _read(self, first: int) -> pyarrow.Table:
        return pyarrow.parquet.read_table(self.path(first))

    def path(self, first: int) -> Path:
        """The file of the range after this position."""
        return self._folder / f"events-{first + 1}-{first + self.width}.parquet"

    def bytes(self) -> tuple[float, float]:
        """Bytes of a cold event in its file, and of its nodes there."""
        files = [self.path(first) for first in range(0, self.cold, self.width)]
        nodes = 0
        for file in files:
            groups = pyarrow.parquet.ParquetFile(file).metadata
            nodes += sum(
                groups.row_group(number).column(len(SCHEMA) - 1).total_compressed_size
                for number in range(groups.num_row_groups)
            )
        return sum(file.stat().st_size for file in files) / self.cold, nodes / self.cold


def try_storage(ledger: Ledger, folder: Path, seed: int = 1) -> Storage:
    """Detach the old ranges of a copy of the log, and prove some of their events."""
    folder.mkdir(parents=True)
    log = ColdLog(ledger, folder)
    log.copy()
    began = time.perf_counter()
    problems = log.write()
    written = time.perf_counter()
    log.detach()
    detached = time.perf_counter()
    took, draw = list[float](), random.Random(seed)
    for position in (draw.randint(1, log.cold) for _ in range(PROOFS)):
        at = time.perf_counter()
        proof = log.prove(position)
        took.append(time.perf_counter() - at)
        if proof != prove(ledger, position, log.size):
            problems.append(f"the proof of cold event {position} is not that of the log")
    cold, nodes = log.bytes()
    return Storage(
        events=log.size,
        cold=log.cold,
        width=log.width,
        hot_bytes=bytes_of(ledger, "stored_events") / log.size,
        text_bytes=bytes_of(ledger, "content") / log.size,
        cold_bytes=cold,
        node_bytes=nodes,
        write_us=(written - began) / log.cold * 1e6,
        detach_ms=(detached - written) / (log.cold // log.width) * 1e3,
        proof_ms=sorted(took)[len(took) // 2] * 1e3,
        problems=tuple(problems),
    )


def bytes_of(ledger: Ledger, table: str) -> int:
    """Bytes of the table in the database, with its indexes."""
    with ledger.reading() as rows:
        return int(rows.execute("SELECT pg_total_relation_size(to_regclass(?))", (table,)).fetchone()[0])
