"""Where a log can lie, a file or a database, and the one place that chooses the store for it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...domain.errors import LogError, MissingExtra

if TYPE_CHECKING:
    from .port import Store

SCHEMES = ("postgresql", "postgres")
"""How the URL of a database begins, before ``://``."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_LIKE_ONE = re.compile(r"postgres(ql)?:|(host|hostaddr|service|dbname|user)\s*=", re.IGNORECASE)
"""How a database is named elsewhere: with one slash, or as libpq's keywords."""
_PORT = re.compile(r"\d*(?![^,/])")
_ALLOWED = re.compile(r"([A-Za-z0-9._~!$&'()*+,;=:-]|%[0-9A-Fa-f]{2})*")
"""What a password in a URL consists of (RFC 3986, section 3.2.1)."""
_SECRET = re.compile(r"([?&][^=&]*(?:pass(?!file)|secret|scram)[^=&]*)=[^&]*", re.IGNORECASE)
"""Options whose values are secrets."""


@dataclass(frozen=True, repr=False)
class DatabaseUrl:
    """The URL of a database, ``postgresql://[USER[:PASSWORD]@]HOST[:PORT]/DATABASE``; as text, it is without its password."""

    url: str

    def __str__(self) -> str:
        before, _, after = self._parts
        return before + _SECRET.sub(r"\1=…", after)

    __repr__ = __str__

    @property
    def has_bad_password(self) -> bool:
        """Whether the password has characters that a URL cannot hold, so that others would read it as something else."""
        return not _ALLOWED.fullmatch(self._parts[1])

    @property
    def _parts(self) -> tuple[str, str, str]:
        """The URL before the password, the password, which may have any characters, and the URL after it."""
        scheme, _, rest = self.url.partition("://")
        address = rest.partition("?")[0]
        if "@" not in address and (address.startswith("[") or _PORT.match(address.partition(":")[2])):
            return f"{scheme}://{address}", "", rest[len(address) :]
        whole = address if "@" in address else rest
        named, at, host = whole.rpartition("@")
        user, _, password = named.partition(":")
        return f"{scheme}://{user}", password, at + host + rest[len(whole) :]


Place = Path | DatabaseUrl
"""A log's file, or its database."""


def read_place(text: str) -> Place:
    """The place that the text names: the URL of a database, or else a path. Raises ``LogError`` for another URL."""
    if found := _SCHEME.match(text.strip()):
        if (scheme := found[1].lower()) not in SCHEMES:
            raise LogError(
                f"a log's URL begins with {' or '.join(f'{name}://' for name in SCHEMES)}, not with {found[0]!r}; name a "
                "file by its path"
            )
        place = DatabaseUrl(f"{scheme}://{text.strip()[found.end() :]}")
        if place.has_bad_password:
            raise LogError(
                f"the password of {place} has characters that a URL cannot hold; write each as % and two hexadecimal "
                "digits, such as %40 for @, or keep it in PGPASSFILE"
            )
        return place
    if _LIKE_ONE.match(text.strip()):
        raise LogError(
            "a log in a database is named by a URL, postgresql://USER@HOST:PORT/DATABASE; name a file by its path"
        )
    return Path(text)


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
