"""Views that are built again beside the live ones, and how they compare."""

from __future__ import annotations

from ...projections.tables.tables import TABLES
from ..store.log import Log
from ..store.port import Rows, table_statement

AT = "rebuilt_"
"""How the names of the rebuilt tables begin."""


def rebuilt_tables(log: Log) -> dict[str, str]:
    """The statements that create the rebuilt tables. Unlike those of the live tables, they load no library."""
    moments = log.database.moments.replace("moments", f"{AT}moments", 1)
    types = log.database.types
    return {AT + name: table_statement(AT + name, columns, types) for name, columns in TABLES.items()} | {
        f"{AT}moments": moments
    }


def are_rows_equal(log: Log, connection: Rows, table: str) -> bool:
    """Whether each row of the rebuilt table is in the live one, too."""
    live, own = (", ".join(f'{side}."{name}"' for name in TABLES[table]) for side in ("live", "own"))
    key = next(iter(TABLES[table]))
    different = (
        f'SELECT 1 FROM {AT}{table} AS own LEFT JOIN {table} AS live ON live."{key}" = own."{key}" '
        f"WHERE ({own}) {log.database.differs} ({live}) LIMIT 1"
    )
    return connection.execute(different).fetchone() is None


def is_table_equal(log: Log, connection: Rows, table: str) -> bool:
    """Whether the live table and the rebuilt one have the same rows."""
    sizes = [count_rows(connection, name) for name in (table, AT + table)]
    return sizes[0] == sizes[1] and are_rows_equal(log, connection, table)


def count_rows(connection: Rows, table: str) -> int:
    """The number of the table's rows."""
    return int(connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0])
