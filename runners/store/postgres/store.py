"""The store of a log in a schema of a PostgreSQL database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TypeVar

import psycopg

from ....domain.errors import Hint, LogError
from ..port import Lock, Rows
from . import locks
from .connection import ERRORS, MEND_HEAD, PostgresRows, Target, is_behind
from .pen import Fence, PostgresPen, Turn
from .schema import (
    FORM,
    LOCK_HEAD,
    MOMENTS,
    TRIGGERS,
    TYPES,
    create_schema,
    find_forbidden,
    has_log,
    is_old,
    renew_table,
    table_statements,
)

T = TypeVar("T")

TEXTS = ("content", "names", "pictures")
"""The tables that ``rid_of_traces`` rewrites."""


class PostgresStore:
    """A log's schema. See ``Store``."""

    types = TYPES
    differs = "IS DISTINCT FROM"
    moments = MOMENTS
    shares_commits = True
    remains = "the server's journal, archives of it, replicas, base backups and dumps hold deleted words until they are removed"

    def __init__(self, url: str, label: str) -> None:
        self._threads = threading.local()
        self._target = Target(url, label)
        self._fence = Fence()
        self._turn = Turn(self._target, locks.key_of(self._target.schema, "turn"), self._fence)
        self.label, self.address = self._target.label, url
        self.path: Path = self._target.path
        self.file: Path | None = None

    def require(self) -> None:
        """Raise ``LogError`` where there is no log, or one of another form, or the server cannot be reached."""
        if self.is_blank():
            raise LogError(f"no log at {self.label}", hint=Hint.MAKE_LOG)
        with self.reading() as rows:
            form = rows.execute("SELECT form FROM log_head").fetchone()[0]
        if form != FORM:
            raise LogError(f"{self.label} has tables of form {form}, this program knows {FORM}; upgrade grokputer")
        self._make_folder()

    def is_blank(self) -> bool:
        """Whether the schema has no log. Raises ``LogError`` where the server cannot be reached."""
        with self.reading() as rows:
            assert isinstance(rows, PostgresRows)
            return not has_log(rows, self._target.schema)

    def create(self) -> None:
        """Create an empty log, completely or not at all. Raises ``LogError``."""
        with self.explained(), self._connected(writes=True) as rows:
            create_schema(rows, self._target.schema, self._turn.key)
        self._make_folder()

    def _make_folder(self) -> None:
        """Make the folder of the log's files on this machine, for its owner alone."""
        with self.explained():
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)

    def upgrade(self) -> None:
        """Add what a log of an earlier program lacks."""
        with self.reading() as rows:
            lacks = is_old(rows)
        if lacks:
            with self.explained(), self._connected(writes=True) as owner:
                owner.run(LOCK_HEAD)

    def has_tree(self, rows: Rows) -> bool:
        """Always: each event is stored with its nodes."""
        return True

    def has_snapshots(self, rows: Rows) -> bool:
        """Always."""
        return True

    def if_table(self, read: Callable[[], T]) -> T | None:
        """What ``read`` returns: no table is missing."""
        return read()

    @contextmanager
    def _connected(self, *, writes: bool) -> Iterator[PostgresRows]:
        rows = self._target.connect(writes=writes)
        try:
            yield rows
        finally:
            rows.close()

    @contextmanager
    def reading(self) -> Iterator[Rows]:
        """This thread's connection, which cannot write."""
        try:
            rows: PostgresRows | None = self._threads.__dict__.get("reading")
            if rows is None or rows.is_lost:
                self._target.losses += rows is not None
                rows = self._threads.reading = self._target.connect(writes=False)
            yield rows
        except psycopg.Error as error:
            raise self.explain(error) from error

    @contextmanager
    def snapshot(self) -> Iterator[Rows]:
        """A connection that cannot write and sees everything as of one moment."""
        with self.explained(), self._connected(writes=False) as rows:
            self.begin_snapshot(rows)
            yield rows

    @contextmanager
    def comparing(self, tables: Mapping[str, str], *, writes: bool) -> Iterator[Rows]:
        """A connection with empty temporary tables."""
        with self.explained(), self._connected(writes=True) as rows:
            for statement in tables.values():
                rows.run(statement.replace("CREATE TABLE ", "CREATE TEMPORARY TABLE ", 1))
            rows.run(
                "SET idle_in_transaction_session_timeout = 0"
            )  # folding a part takes long, and nobody waits for it
            if not writes:
                rows.run("SET default_transaction_read_only = on")
            yield rows

    def begin_snapshot(self, rows: Rows) -> None:
        """Begin a transaction that sees everything as of one moment."""
        rows.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")

    @contextmanager
    def changing_views(self, *, is_alone: bool) -> Iterator[Rows]:
        """This thread's connection for views, in a transaction that ends with the block."""
        with self.explained():
            rows: PostgresRows | None = self._threads.__dict__.get("views")
            if rows is None or not rows.is_there():
                rows = self._threads.views = self._target.connect(writes=True, is_safe=False)
            try:
                self._turn.begin(rows, is_alone=is_alone)
                yield rows
                rows.run("COMMIT")
            finally:
                if rows.in_transaction:
                    rows.run("ROLLBACK")

    def pen(self, rows: Rows | None = None) -> PostgresPen:
        """A pen; with ``rows``, one that writes by this connection."""
        assert rows is None or isinstance(rows, PostgresRows)
        return PostgresPen(self._turn, rows)

    def changes(self) -> _Changes:
        """A view of the changes from now on."""
        return _Changes(self._target)

    @property
    def losses(self) -> int:
        """How often a connection that reads was found lost."""
        return self._target.losses

    def hold(self, name: str, *, waits: bool = False, passing: bool = False) -> AbstractContextManager[Lock]:
        """Have the lock, on a connection of its own, until the block ends; the server frees it with the connection."""
        return locks.hold(self._target, name, self._fence, waits=waits)

    def is_held(self, name: str) -> bool:
        """Whether a process has the lock."""
        return self.holder(name) is not None

    def holder(self, name: str) -> str | None:
        """Who has the lock, ``process 4711 on …``; None without one."""
        with self.reading() as rows:
            assert isinstance(rows, PostgresRows)
            return locks.find_holder(rows, locks.key_of(self._target.schema, name))

    def table_statements(self) -> dict[str, str]:
        """By table for SQL users, the statement that creates it."""
        return table_statements()

    def renew_table(self, rows: Rows, table: str) -> None:
        """An empty table for SQL users, in place of an existing one, with its rights."""
        renew_table(rows, table, table_statements()[table])

    def columns(self, rows: Rows, table: str) -> set[str]:
        """The table's columns; none where it is missing."""
        named = (
            "SELECT attname::text FROM pg_attribute WHERE attrelid = to_regclass(?) AND attnum > 0 AND NOT attisdropped"
        )
        return {row[0] for row in rows.execute(named, (f"{self._target.schema}.{table}",))}

    def schema(self, rows: Rows) -> int:
        """Always the same: only the owner of the tables can remove one, and that ends in an error that names it."""
        return 0

    def largest_ever(self, rows: Rows) -> int:
        """The size that the head row has."""
        return int(rows.execute("SELECT size FROM log_head").fetchone()[0])

    def shred(self, rows: Rows) -> None:
        """Nothing: PostgreSQL cannot overwrite what it deletes; see ``rid_of_traces``."""

    def rid_of_traces(self) -> None:
        """Rewrite the tables of texts, so that the database's own files hold no deleted text. Raises ``LogError``."""
        warning = f"the words are erased, but bytes of them may remain in the files of {self.label}"
        file = "SELECT pg_relation_filenode(to_regclass(?))"
        left = []
        try:
            with self._connected(writes=True) as rows:
                for table in (f"{self._target.schema}.{name}" for name in TEXTS):
                    before = rows.execute(file, (table,)).fetchone()
                    rows.run(f"VACUUM FULL {table}")
                    if (
                        rows.execute(file, (table,)).fetchone() == before
                    ):  # PostgreSQL passes by what a user may not rewrite
                        left.append(table)
        except ERRORS as error:
            raise LogError(f"{warning} ({self.explain(error)}); repeat the erasure") from error
        if left:
            tables = ", ".join(left)
            raise LogError(f"{warning}: this user may not rewrite {tables}; as their owner, run VACUUM FULL {tables}")

    def examine(self) -> Iterator[tuple[str, str, str]]:
        """Whether the server answers and keeps what it acknowledges, and whether the triggers are there."""
        with self.reading() as rows:
            found = "SELECT current_setting('server_version'), current_setting('fsync'), pg_is_in_recovery()"
            version, syncs, is_standby = rows.execute(found).fetchone()
            enabled = "SELECT tgname::text FROM pg_trigger WHERE tgrelid = to_regclass(?) AND tgenabled = 'O'"
            there = {row[0] for row in rows.execute(enabled, (f"{self._target.schema}.stored_events",))}
            size, last = rows.execute(
                "SELECT size, (SELECT coalesce(max(position), 0) FROM stored_events) FROM log_head"
            ).fetchone()
            forbidden = find_forbidden(rows)
        if syncs != "on":
            yield "log", "fail", f"{self.label} has fsync off, so a crash loses what was acknowledged; turn it on"
        elif is_standby:
            yield "log", "warn", f"{self.label} is a standby, which only reads; name its primary to write"
        else:
            yield "log", "ok", f"{self.label} answers, PostgreSQL {version}"
        if missing := [name for name in TRIGGERS if name not in there]:
            yield "guards", "fail", f"missing: {', '.join(missing)}; the log could be changed, restore it from a backup"
        else:
            yield "guards", "ok", "the log refuses changes, deletions and gaps"
        if size != last:
            yield "head", "fail", f"log_head has the size {size}, but the events end at {last}; {MEND_HEAD}"
        if forbidden:
            yield (
                "rights",
                "warn",
                f"this user may only read: it may not write to {', '.join(forbidden)}; as their owner, grant it the rights of "
                "docs/postgres.md",
            )

    def discard(self) -> None:
        """Nothing: an empty log is in no one's way, and this user may not be allowed to remove it."""

    def is_conflict(self, error: BaseException) -> bool:
        """Whether the error says that such a row exists already; not that of a position, which follows from the head."""
        return isinstance(error, psycopg.errors.UniqueViolation) and not is_behind(error)

    def is_error(self, error: BaseException) -> bool:
        """Whether the error is one of the database or the system."""
        return isinstance(error, ERRORS)

    def explain(self, error: BaseException) -> LogError:
        """The error as one line with the next step; ``Unwritable`` where the log can still be read."""
        return self._target.explain(error)

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Errors of the database and of the system are raised as ``explain`` gives them."""
        try:
            yield
        except ERRORS as error:
            raise self.explain(error) from error

    def close(self) -> None:
        """Close this thread's connections; the next use opens others."""
        for name in ("reading", "views"):
            rows = self._threads.__dict__.pop(name, None)
            if rows is not None:
                rows.close()

    def __del__(self) -> None:
        self.close()


class _Changes:
    """Listens to the database; see ``Changes``."""

    def __init__(self, target: Target) -> None:
        self._target, self._losses = target, target.losses
        self._rows = target.connect(writes=False)
        self._listen()

    def _listen(self) -> None:
        self._rows.run(f'LISTEN "{self._target.schema}"')

    def version(self) -> int:
        """The log's size."""
        size = self._rows.execute("SELECT size FROM log_head").fetchone()[0]
        if self._losses != self._target.losses:  # perhaps this connection was lost, and the new one does not listen yet
            self._losses = self._target.losses
            self._listen()
            size = self._rows.execute("SELECT size FROM log_head").fetchone()[0]
        return int(size)

    def rest(self, seconds: float) -> None:
        """Wait for so long, or until another process says that it has stored something."""
        for _ in self._rows.connection.notifies(timeout=seconds, stop_after=1):
            pass

    def close(self) -> None:
        """Close the connection."""
        self._rows.close()
