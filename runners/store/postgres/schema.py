"""The log's tables in a schema of PostgreSQL; triggers keep the log append-only and without gaps."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from ....domain.errors import LogError
from ....projections.tables.tables import TABLES
from ..port import Rows, table_statement
from .connection import PostgresRows

FORM = 1
"""The form of the tables; a program that knows another form refuses the log."""

MOMENTS = (
    'CREATE TABLE moments (name text COLLATE "C" NOT NULL, position bigint NOT NULL, state bytea NOT NULL, '
    "PRIMARY KEY (name, position))"
)

LOCK_HEAD = """
CREATE FUNCTION lock_head(known bigint, OUT length bigint, OUT leads bigint, OUT peaks bytea) LANGUAGE plpgsql AS $$ BEGIN
    SELECT size, epoch INTO length, leads FROM log_head FOR UPDATE;
    IF length <> known THEN
        SELECT string_agg(substring(nodes FROM length(nodes) - 31), '' ORDER BY position) INTO peaks
        FROM stored_events WHERE position = ANY (ARRAY(
            SELECT lock_head.length >> level << level FROM generate_series(0, 62) AS level
            WHERE lock_head.length >> level & 1 = 1));
    END IF;
END $$
"""
"""Begins a transaction that writes: the log's size, its epoch, and the peaks of its tree unless it has the known size. A
peak is the last of the nodes beside the event that ends its subtree."""

STATEMENTS = """
CREATE SCHEMA IF NOT EXISTS "{schema}";
SET search_path = "{schema}";
CREATE TABLE stored_events (
    position bigint PRIMARY KEY, originator_id text COLLATE "C" NOT NULL, originator_version bigint NOT NULL,
    topic text COLLATE "C" NOT NULL, state bytea NOT NULL, nodes bytea NOT NULL,
    UNIQUE (originator_id, originator_version));
CREATE TABLE log_head (
    one bool PRIMARY KEY DEFAULT true CHECK (one), size bigint NOT NULL DEFAULT 0, epoch bigint NOT NULL DEFAULT 0,
    form int NOT NULL) WITH (fillfactor = 10);
INSERT INTO log_head (form) VALUES ({form});
CREATE TABLE content (key text COLLATE "C" PRIMARY KEY, salt bytea NOT NULL, text text COLLATE "C" NOT NULL);
CREATE TABLE checkpoints (name text COLLATE "C" PRIMARY KEY, position bigint NOT NULL, state bytea NOT NULL);
{moments};
CREATE TABLE names (name text COLLATE "C" PRIMARY KEY, key text COLLATE "C" NOT NULL);
CREATE TABLE pictures (digest text COLLATE "C" PRIMARY KEY, key text COLLATE "C" NOT NULL);
CREATE TABLE claims (
    run text COLLATE "C" PRIMARY KEY, holder text COLLATE "C" NOT NULL, until text COLLATE "C" NOT NULL);
ALTER TABLE content ALTER COLUMN text SET STATISTICS 0;
ALTER TABLE names ALTER COLUMN name SET STATISTICS 0;
CREATE TABLE tracking (application_name text COLLATE "C" PRIMARY KEY, notification_id bigint);

CREATE FUNCTION instr(bytea, bytea) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT position($2 IN $1)';

{lock_head};
CREATE FUNCTION keep_events() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION 'the log is append-only: a stored event is never changed or deleted' USING ERRCODE = '23001';
END $$;
CREATE TRIGGER log_keeps_events BEFORE UPDATE OR DELETE ON stored_events
    FOR EACH ROW EXECUTE FUNCTION keep_events();
CREATE TRIGGER log_is_not_emptied BEFORE TRUNCATE ON stored_events
    FOR EACH STATEMENT EXECUTE FUNCTION keep_events();

CREATE FUNCTION move_head() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE stored bigint; lowest bigint; highest bigint;
BEGIN
    SELECT count(*), min(position), max(position) INTO stored, lowest, highest FROM fresh;
    IF stored > 0 THEN
        UPDATE "{schema}".log_head SET size = highest WHERE size = lowest - 1 AND highest - lowest + 1 = stored;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'the log has no gaps: the next event does not have position %', lowest USING ERRCODE = '23001';
        END IF;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER log_has_no_gaps AFTER INSERT ON stored_events REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION move_head();
REVOKE UPDATE, DELETE, TRUNCATE ON stored_events FROM PUBLIC;
"""
"""The planner keeps no statistics of words: they would stay in the server's catalog when the words are erased.

Positions follow each other because a statement that stores events moves the head row, which one transaction at a time
can lock. Only that statement moves it: ``move_head`` has the owner's rights, and others may set the epoch alone."""

TRIGGERS = ("log_keeps_events", "log_is_not_emptied", "log_has_no_gaps")

TYPES: Mapping[type, str] = {int: "bigint", str: 'text COLLATE "C"', float: "double precision"}


def create_schema(rows: PostgresRows, schema: str, lock: int) -> None:
    """Create the tables of an empty log, all or nothing, unless another process has just created them.

    The tables for SQL users are among them, so that their owner is the log's, who can grant rights to them. Raises
    ``LogError`` where the schema has other tables: a log might have the same names, and replaces its own.
    """
    rows.run(f"BEGIN; SELECT pg_advisory_xact_lock({lock})")
    try:
        if not has_log(rows, schema):
            _refuse_strangers(rows, schema)
            rows.run(STATEMENTS.format(schema=schema, form=FORM, moments=MOMENTS, lock_head=LOCK_HEAD))
            for statement in table_statements().values():
                rows.run(statement)
        rows.run("COMMIT")
    finally:
        if rows.in_transaction:
            rows.run("ROLLBACK")


def _refuse_strangers(rows: PostgresRows, schema: str) -> None:
    found = rows.execute(
        "SELECT relname::text FROM pg_class WHERE relnamespace = to_regnamespace(?) AND relkind <> 'i' ORDER BY 1 LIMIT 1",
        (schema,),
    ).fetchone()
    if found is not None:
        raise LogError(
            f"the schema {schema} has other tables, such as {found[0]}; a log needs a schema of its own, which schema= in the "
            "URL names and which is made if need be"
        )


def is_old(rows: Rows) -> bool:
    """Whether the log is of an earlier program, which had no ``LOCK_HEAD``."""
    return bool(rows.execute("SELECT to_regprocedure('lock_head(bigint)') IS NULL").fetchone()[0])


def has_log(rows: PostgresRows, schema: str) -> bool:
    """Whether the schema has the tables of a log."""
    return bool(rows.execute("SELECT to_regclass(?) IS NOT NULL", (f"{schema}.log_head",)).fetchone()[0])


@cache
def table_statements() -> dict[str, str]:
    """By table for SQL users, the statement that creates it."""
    return {table: table_statement(table, columns, TYPES) for table, columns in TABLES.items()}


_SHAPE = (
    "SELECT attname::text, atttypid::regtype::text FROM pg_attribute WHERE attrelid = to_regclass(?) AND attnum > 0 "
    "AND NOT attisdropped"
)
_GRANTED = (
    "SELECT DISTINCT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END, privilege_type "
    "FROM pg_class, aclexplode(coalesce(relacl, acldefault('r', relowner))) "
    "WHERE pg_class.oid IN (to_regclass(?), to_regclass(?)) AND privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')"
)


def renew_table(rows: Rows, table: str, statement: str) -> None:
    """An empty table for SQL users, by this statement, with the rights of the earlier one.

    One of the same shape is emptied: only its owner can replace it. Whoever may say how far the tables are may write to
    them as well.
    """
    shape = {(name, TYPES[kind].partition(" COLLATE")[0]) for name, kind in TABLES[table].items()}
    if {(row[0], row[1]) for row in rows.execute(_SHAPE, (table,))} == shape:
        rows.execute(f"DELETE FROM {table}")
        return
    granted = rows.execute(_GRANTED, (table, "checkpoints")).fetchall()
    rows.execute(f"DROP TABLE IF EXISTS {table}")
    rows.execute(statement)
    for grantee, right in granted:
        rows.execute(f"GRANT {right} ON {table} TO {grantee}")


def find_forbidden(rows: Rows) -> list[str]:
    """The log's tables that the connection's user may not write to as a log is written, sorted."""
    needed: dict[str, tuple[str, ...]] = dict.fromkeys([*_WRITTEN, *TABLES], ("SELECT", "INSERT", "UPDATE", "DELETE"))
    needed |= {"stored_events": ("SELECT", "INSERT"), "log_head": ("SELECT",)}
    asked = [(table, right) for table, rights in needed.items() for right in rights]
    marks = ", ".join("(?::text, ?::text)" for _ in asked)
    found = rows.execute(
        f"SELECT DISTINCT name FROM (VALUES {marks}) AS asked (name, wanted) WHERE to_regclass(name) IS NOT NULL "
        "AND NOT has_table_privilege(to_regclass(name), wanted) "
        "UNION SELECT 'log_head' WHERE NOT has_column_privilege('log_head', 'epoch', 'UPDATE') ORDER BY 1",
        [each for pair in asked for each in pair],
    )
    return [row[0] for row in found]


_WRITTEN = ("content", "names", "pictures", "claims", "checkpoints", "moments", "tracking")
"""The tables beside events that a process writes to, without those for SQL users."""
