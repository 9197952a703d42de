"""Where the logs of a fleet lie, and what all its processes know of each other."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from grokputer.domain.errors import LogError
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.place import Place, read_place

FILE = "fleet.json"
START_S = 60.0
"""Seconds for which a process waits for its server when it begins; chosen: a server that died needs some to start again."""
AGAIN_S = 0.2
"""Seconds until a log that could not be reached or written is tried again."""
T = TypeVar("T")


@dataclass(frozen=True)
class Layout:
    """A fleet: its logs, and the settings of its processes. Places are texts that ``read_place`` reads."""

    folder: str
    shards: tuple[str, ...]
    decisions: str
    every_s: float = 0.1
    """Seconds between two counts of a shard."""
    behind: int = 1_000
    """Events of a shard that may wait to be counted; with more, gateways store nothing there."""
    threads: int = 16
    """Threads of a gateway that store runs."""
    seed: int = 1

    def save(self) -> Path:
        """Write it to its folder, for its processes; the file's path."""
        path = Path(self.folder) / FILE
        path.write_text(json.dumps(asdict(self)))
        return path

    @classmethod
    def load(cls, path: Path) -> Layout:
        """The layout that ``save`` wrote."""
        known = json.loads(path.read_text())
        return cls(**{**known, "shards": tuple(known["shards"])})

    def create(self) -> None:
        """Create all logs, empty."""
        for place in (*self.shards, self.decisions):
            Ledger.create(read_place(place)).close()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the shards, in their order."""
        return tuple(f"shard-{number}" for number in range(len(self.shards)))

    def place(self, shard: str) -> Place:
        """The place of the shard of this name."""
        return read_place(self.shards[self.names.index(shard)])

    def shard_of(self, session: str) -> str:
        """The name of the shard that the session's runs lie in, by a hash of the session."""
        return self.names[int.from_bytes(sha256(session.encode()).digest()[:4], "big") % len(self.shards)]

    def file(self, name: str) -> Path:
        """The path of a file that a process of the fleet writes."""
        return Path(self.folder) / name


def patiently(begin: Callable[[], T]) -> T:
    """What the function returns, tried again while the server starts. Raises its ``LogError`` after ``START_S`` seconds."""
    end = time.monotonic() + START_S
    while True:
        try:
            return begin()
        except LogError:
            if time.monotonic() > end:
                raise
            time.sleep(AGAIN_S)
