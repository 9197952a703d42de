"""Where a log can lie, a file or a database, and the one place that chooses the store for it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...domain.errors import MissingExtra

if TYPE_CHECKING:
    from .port import Store

SCHEMES = ("postgresql://", "postgres://")
"""How the URL of a database begins."""

_PASSWORD = re.compile(r"(?<=://)([^/@:]*):[^/@]*(?=@)|([?&])password=[^&]*")


@dataclass(frozen=True, repr=False)
class DatabaseUrl:
    """The URL of a database, ``postgresql://[USER[:PASSWORD]@]HOST[:PORT]/DATABASE``; as text, it is without its password."""

    url: str

    def __str__(self) -> str:
        return _PASSWORD.sub(lambda found: found[1] if found[1] is not None else f"{found[2]}password=…", self.url)

    __repr__ = __str__


Place = Path | DatabaseUrl
"""A log's file, or its database."""


def read_place(text: str) -> Place:
    """The place that the text names: the URL of a database, or else a path."""
    return DatabaseUrl(text) if text.startswith(SCHEMES) else Path(text)


def text_of(place: Place) -> str:
    """The text that ``read_place`` reads, with a password: it belongs into the environment of a process, nowhere else."""
    return place.url if isinstance(place, DatabaseUrl) else str(place)


def open_store(place: Place) -> Store:
    """The store of a log at the place. Raises ``MissingExtra`` for a database without the library that it needs."""
    if isinstance(place, DatabaseUrl):
        try:
            from .postgres.store import PostgresStore
        except ImportError:
            raise MissingExtra(
                f"{place} needs the library 'psycopg', which is not installed; install it with: "
                "pip install 'grokputer[postgres]'"
            ) from None
        return PostgresStore(place.url, str(place))
    from .sqlite.store import SqliteStore

    return SqliteStore(place)
