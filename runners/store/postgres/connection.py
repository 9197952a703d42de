"""Connections to a log's database, with the verbs of ``Rows``, and the meaning of its errors for a user."""

from __future__ import annotations

import os
import platform
import re
import select
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import psycopg
from psycopg import errors
from psycopg.adapt import Buffer, Dumper, Loader
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import Format, TransactionStatus
from psycopg.types.numeric import Int8Dumper

from ....domain.errors import Hint, LogError
from ..port import Answer, Unreachable, Unwritable

SCHEMA = "grokputer"
"""The schema that a log lies in where the URL names none."""

_NAME = re.compile(r"(?!pg_)[a-z_][a-z0-9_]{0,47}")

HOME = "GROKPUTER_HOME"
"""The variable of the environment with the folder for what logs in databases keep on this machine, such as weights."""

ALIVE = {
    "connect_timeout": "10",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
"""libpq's limits in seconds and, the last one, in milliseconds, unless the URL names others: a server that is cut off is
noticed after half a minute; chosen, as ``WAIT_S`` of a file's lock."""
ALIVE_SERVER = {"tcp_keepalives_idle": 10, "tcp_keepalives_interval": 5, "tcp_keepalives_count": 3}
"""The same limits for the server, in seconds: it frees the locks of a machine that is cut off after half a minute, and not
after the system's two hours. A socket of one machine has none."""
LOCK_MS = 30_000
"""Milliseconds to wait for another process's write; chosen, as ``WAIT_S`` of a file's lock."""
IDLE_MS = 30_000
"""Milliseconds after which the server ends a transaction whose process does nothing, because others wait; chosen."""

LATER = ("INSERT INTO stored_events ", "INSERT INTO content ", "INSERT INTO names ", "INSERT INTO pictures ")
"""How the statements begin that may wait for the next one: nobody looks at their answer."""
FEW = 60
"""Values of such a statement at most, and such statements; chosen: the server reads them as text, which costs more than a
round trip for many."""
MEND_HEAD = (
    "compare the events with a head that was kept elsewhere ('grokputer verify --head'); where all are there, their owner "
    "sets size in log_head to the last position"
)
"""What to do where the head row is not what the events say: somebody has changed it by hand, or events are gone."""

ERRORS = (psycopg.Error, OSError)
ENDED = (errors.AdminShutdown, errors.CrashShutdown, errors.CannotConnectNow)
"""What a server says to a connection that it ends, or does not take yet."""
_ESCAPED = re.compile("[\0\x1a]")
_RESTORED = re.compile("\x1a(.)", re.DOTALL)


class Target:
    """What a URL names: the connection, the log's schema, and the folder of its files on this machine.

    Raises ``LogError`` for a URL that cannot be read.
    """

    def __init__(self, url: str, label: str) -> None:
        self.label = label
        address, _, query = url.partition("?")
        options = parse_qsl(query.replace("+", "%2B"), keep_blank_values=True)  # libpq takes + as it is
        self.schema = self._read_schema([value for key, value in options if key == "schema"])
        if query := urlencode([(key, value) for key, value in options if key != "schema"], quote_via=quote):
            address += f"?{query}"
        try:
            named = conninfo_to_dict(address)
        except psycopg.Error as error:
            raise LogError(f"{self.label} is not the URL of a database ({_line(error)})") from None
        named = {**ALIVE, "application_name": f"process {os.getpid()} on {platform.node()}"[:63], **named}
        self._conninfo, self._password = make_conninfo("", **named), str(named.get("password") or "")
        host, port = named.get("host") or os.environ.get("PGHOST") or "local", named.get("port") or "5432"
        name = f"{host}-{port}-{named.get('dbname') or named.get('user') or 'default'}-{self.schema}"
        home = os.environ.get(HOME) or Path.home() / ".local" / "share" / "grokputer"
        self.path = Path(home) / re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-.") / "events.log"
        self.losses = 0
        """How often a connection that reads was found lost."""

    def _read_schema(self, named: list[str]) -> str:
        if len(named) > 1:
            raise LogError(f"{self.label} names {len(named)} schemas; a log lies in one")
        schema = named[0] if named else SCHEMA
        if not _NAME.fullmatch(schema):
            raise LogError(
                f"{self.label}: schema={schema!r} is not a name; use small letters, digits and _, not a digit first, not pg_ "
                "first, 48 characters at most"
            )
        return schema

    def connect(self, *, writes: bool, waits: bool = False, is_safe: bool = True) -> PostgresRows:
        """A connection, outside any transaction; see ``_connect``. One that only reads is opened again when it is lost."""

        def open() -> psycopg.Connection[Any]:
            return self._connect(writes=writes, waits=waits, is_safe=is_safe)

        def open_again() -> psycopg.Connection[Any]:
            self.losses += 1
            return open()

        return PostgresRows(open(), None if writes else open_again)

    def _connect(self, *, writes: bool, waits: bool, is_safe: bool) -> psycopg.Connection[Any]:
        """A connection, outside any transaction.

        One that ``waits`` has no time limit for locks. With ``is_safe`` off, its commits do not wait for the disk. Raises
        ``psycopg.Error``.
        """
        settings = {
            "search_path": self.schema,
            "default_transaction_read_only": "off" if writes else "on",
            "lock_timeout": 0 if waits else LOCK_MS,
            "jit": "off",  # compiling takes longer than any statement here
            **ALIVE_SERVER,
        }
        if writes:
            settings["idle_in_transaction_session_timeout"] = IDLE_MS
        if not is_safe:
            settings["synchronous_commit"] = "off"
            # A plan that is kept from when the tables were empty would read a long log from its beginning.
            settings["enable_seqscan"] = "off"
        connection = _Connection.connect(self._conninfo, autocommit=True)
        try:
            _adapt(connection)
            chosen = ", ".join(f"set_config('{name}', '{value}', false)" for name, value in settings.items())
            connection.execute(f"SELECT {chosen}".encode())
        except BaseException:
            connection.close()
            raise
        return connection

    def explain(self, error: BaseException) -> LogError:
        """The error as one line with the next step, without the password."""
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, ERRORS):
            cause = cause.__cause__
        reason = _line(cause or error)
        if self._password:
            reason = reason.replace(self._password, "…")
        if isinstance(cause, errors.ReadOnlySqlTransaction):
            return Unwritable(f"{self.label} cannot be written ({reason}); it may be a standby, so name its primary")
        if isinstance(cause, errors.InsufficientPrivilege):
            return Unwritable(
                f"{self.label} cannot be used by this user as the command needs ({reason}); as the owner of what it names, "
                "grant the rights of docs/postgres.md"
            )
        if is_behind(cause):
            return LogError(f"log_head of {self.label} is behind the events, so none can be stored; {MEND_HEAD}")
        if isinstance(cause, errors.DiskFull):
            return Unwritable(f"the disk of {self.label} is full; make room and run the command again")
        if isinstance(cause, errors.LockNotAvailable):
            return LogError(
                f"{self.label} is being written by another process, for over {LOCK_MS // 1000} s; wait until it ends, or end "
                "it if it hangs, and try again: nothing recorded is lost"
            )
        if isinstance(cause, psycopg.OperationalError) and cause.sqlstate is None:
            return Unreachable(
                f"{self.label} cannot be reached ({reason}); check the URL, and that its server runs",
                hint=Hint.NAME_OTHER_LOG,
            )
        if isinstance(cause, ENDED):
            return Unreachable(f"{self.label} was lost ({reason}); it may be starting again")
        return LogError(f"{self.label}: {reason}")


def is_behind(error: BaseException | None) -> bool:
    """Whether the error says that the head row gave a position that an event has already."""
    return isinstance(error, errors.UniqueViolation) and error.diag.constraint_name == "stored_events_pkey"


class _Connection(psycopg.Connection[Any]):
    """A connection that closes without a word when its log is dropped, as one of SQLite does."""

    def __del__(self, *arguments: object) -> None:
        pass


class PostgresRows:
    """A connection with the verbs of ``Rows``."""

    def __init__(
        self, connection: psycopg.Connection[Any], open_again: Callable[[], psycopg.Connection[Any]] | None = None
    ) -> None:
        self.connection = connection
        self._later = list[tuple[str, Sequence[Any]]]()
        """Statements that wait for the next one, so that both take one round trip."""
        self._defers = self._has_savepoint = False
        self._open_again = open_again
        """Replaces the connection where it was lost between two statements; None where that could hide a loss."""

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction has begun and not ended, failed or not; never where the connection is lost."""
        return not self.is_lost and self.connection.info.transaction_status != TransactionStatus.IDLE

    @property
    def is_lost(self) -> bool:
        """Whether the connection is closed or broken."""
        return self.connection.closed

    def is_there(self) -> bool:
        """Whether the server has not closed the idle connection, as far as this machine knows."""
        if not self.is_lost:
            idle = select.poll()
            idle.register(self.connection.fileno(), select.POLLIN)
            with suppress(psycopg.Error):
                while not self.is_lost and idle.poll(0):
                    self.connection.pgconn.consume_input()  # a last message comes before the end
        return not self.is_lost

    def defer(self) -> None:
        """Until the transaction ends, let short statements that store rows wait for the statement after them.

        An error of theirs is raised by that one. A savepoint ends this: it must know what failed.
        """
        self._defers = not self._has_savepoint

    def execute(self, statement: str, values: Sequence[Any] = (), /) -> Answer:
        """Run the statement with the values in place of its ``?``."""
        if self._defers and statement.startswith(LATER) and len(values) <= FEW and len(self._later) < FEW:
            self._later.append((statement, values))
            return _Later()
        if statement == "ROLLBACK":
            self._later, self._defers, self._has_savepoint = [], False, False
        if statement.startswith("SAVEPOINT"):
            self._defers, self._has_savepoint = False, True
        if self._later:
            return self._execute_with_later(statement, values)
        translated, was_in_transaction = _translate(statement), self.in_transaction
        try:
            return self.connection.execute(translated, tuple(values), binary=True)
        except psycopg.OperationalError:
            if self._open_again is None or was_in_transaction or not self.is_lost:
                raise
            self.connection = self._open_again()
            return self.connection.execute(translated, tuple(values), binary=True)

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]], /) -> None:
        """Run the statement once for each of the rows."""
        if self._later:
            self._execute_with_later("SELECT 1")
        with self.connection.cursor() as cursor:
            cursor.executemany(_translate(statement), [tuple(row) for row in rows])

    def _execute_with_later(self, statement: str, values: Sequence[Any] = ()) -> Answer:
        """Run what waits and then the statements, in one round trip; the answer of the last one."""
        waiting, self._later = [*self._later, (statement, values)], []
        cursor = psycopg.ClientCursor(self.connection)
        together = b"; ".join(_translate(each) for each, _ in waiting)
        cursor.execute(together, tuple(chain.from_iterable(values for _, values in waiting)))
        while cursor.nextset():
            pass
        return cursor

    def run(self, statements: str) -> Any:
        """Run statements without values in one round trip; the first row of the last one, if it returns rows."""
        later, self._defers, self._has_savepoint = self._later, False, False
        if statements == "ROLLBACK":
            self._later = []
        elif later:
            self._execute_with_later(statements)
            return None
        with self.connection.cursor() as cursor:
            cursor.execute(statements.encode())
            while cursor.nextset():
                pass
            return cursor.fetchone() if cursor.description is not None else None

    def close(self) -> None:
        """Close the connection."""
        with suppress(psycopg.Error):
            self.connection.close()


class _Later:
    """The answer of a statement that waits: it has no rows."""

    rowcount = -1

    def fetchone(self) -> None:
        """Nothing."""

    def fetchall(self) -> list[Any]:
        """Nothing."""
        return []

    def __iter__(self) -> Iterator[Any]:
        return iter(())


@lru_cache(1024)
def _translate(statement: str) -> bytes:
    """The statement in psycopg's form; as bytes, because psycopg asks for a literal text."""
    return statement.replace("%", "%%").replace("?", "%s").encode()


def _line(error: BaseException) -> str:
    """The first line of the error, of a server's error without its context."""
    text = getattr(getattr(error, "diag", None), "message_primary", None) or str(error)
    return " ".join(text.strip().split("\n")[0].split()) or type(error).__name__


def _adapt(connection: psycopg.Connection[Any]) -> None:
    """Keep what PostgreSQL's types refuse: the character NUL in texts, and truth in columns of whole numbers."""
    connection.adapters.register_dumper(str, _TextDumper)
    connection.adapters.register_dumper(bool, _TruthDumper)
    connection.adapters.register_loader("text", _TextLoader)
    connection.adapters.register_loader("text", _BinaryTextLoader)


class _TextDumper(Dumper):
    """NUL is stored as SUBSTITUTE and ``0``, and SUBSTITUTE twice."""

    def dump(self, obj: str) -> Buffer:
        if "\0" in obj or "\x1a" in obj:
            obj = _ESCAPED.sub(lambda found: "\x1a0" if found[0] == "\0" else "\x1a\x1a", obj)
        return obj.encode()


class _TruthDumper(Int8Dumper):
    def dump(self, obj: bool) -> Buffer:
        return b"1" if obj else b"0"


class _TextLoader(Loader):
    def load(self, data: Buffer) -> str:
        text = bytes(data).decode()
        return _RESTORED.sub(lambda found: "\0" if found[1] == "0" else found[1], text) if "\x1a" in text else text


class _BinaryTextLoader(_TextLoader):
    format = Format.BINARY
