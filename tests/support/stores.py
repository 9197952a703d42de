"""Logs in both stores: files of SQLite, and schemas of a PostgreSQL server of one's own, which starts at the first use."""

from __future__ import annotations

import atexit
import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from grokputer.runners.store.place import DatabaseUrl, Place

if TYPE_CHECKING:
    import psycopg

PORT = 5432
"""Names the socket in the server's own folder; no port of the machine."""
_numbers = itertools.count(1)


def programs() -> Path | None:
    """The folder with the server's programs; None where there is none."""
    places = [Path(found).parent] if (found := shutil.which("pg_ctl")) else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place.resolve() for place in places if (place.resolve() / "initdb").exists()), None)


class Server:
    """A private server without a network, as an unprivileged user, because it refuses to run as root."""

    def __init__(self, folder: Path, *options: str) -> None:
        found = programs()
        assert found is not None
        self.programs, self.folder = found, folder
        self.options = f"-k {folder} -p {PORT} -c listen_addresses='' -c max_connections=200 {' '.join(options)}"
        self._user = "nobody" if os.getuid() == 0 else None
        if self._user is not None:
            folder.chmod(0o755)
            shutil.chown(folder, self._user)
        self._call("initdb", "-A", "trust", "-U", "owner", "--no-sync", "--locale=C.UTF-8", "-E", "UTF8")
        self.start()

    def _call(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self.programs / program, "-D", self.folder / "data", *arguments],
            user=self._user,
            group="nogroup" if self._user else None,
            cwd="/",
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def start(self) -> None:
        """Start the server and wait until it answers."""
        self._call("pg_ctl", "start", "-w", "-o", self.options, "-l", str(self.folder / "log"))

    def stop(self, mode: str = "fast") -> None:
        """Stop it; ``immediate`` is a crash."""
        self._call("pg_ctl", "stop", "-w", "-m", mode)

    def place(self, schema: str = "", user: str = "owner") -> DatabaseUrl:
        """A place for a log that no other test has, or the schema of this name."""
        schema = schema or f"log_{os.getpid()}_{next(_numbers)}"
        return DatabaseUrl(f"postgresql://{user}@/postgres?host={self.folder}&port={PORT}&schema={schema}")


@cache
def server() -> Server:
    """The server of this process, whose files lie in memory; it stops with the process. Skips where there is none."""
    pytest.importorskip("psycopg", reason="the extra postgres is not installed")
    if programs() is None:
        pytest.skip("there is no PostgreSQL server here; scripts/setup.sh installs one")
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    os.environ["GROKPUTER_HOME"] = str(folder / "home")
    started = Server(folder, "-c fsync=off", "-c full_page_writes=off")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(started.stop, "immediate")
    (folder / "home").mkdir()
    return started


@pytest.fixture
def own_server() -> Iterator[Server]:
    """A server that waits for its disk, for a test that kills it."""
    server()
    with tempfile.TemporaryDirectory(prefix="pg", dir="/tmp", ignore_cleanup_errors=True) as folder:
        started = Server(Path(folder))
        yield started
        started.stop("immediate")


BOTH = ("sqlite", pytest.param("postgres", marks=pytest.mark.slow))
"""The stores, for tests that are costly in the second one."""


def place_in(store: str, folder: Path) -> Place:
    """A place for a log in the store of this name."""
    return folder / "events.db" if store == "sqlite" else server().place()


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A place for a log in each of the stores."""
    return place_in(request.param, tmp_path)


def connect(place: Place) -> psycopg.Connection[Any]:
    """A connection as SQL users have one, who know nothing of this program."""
    import psycopg

    assert isinstance(place, DatabaseUrl)
    url, _, schema = place.url.partition("&schema=")
    return psycopg.connect(url, autocommit=True, options=f"-c search_path={schema}")
