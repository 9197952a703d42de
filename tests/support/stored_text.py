"""The words of a log for the tests: a name to look for, the bytes that may hold it, and programs that write it."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from grokputer.runners.store.sqlite.connection import connect
from grokputer.runners.store.texts.content import find_unnamed

NAME = "Zebrafish"
"""A word that no log has by itself."""


def files_of(path: Path) -> bytes:
    """All that lies in the log's files."""
    return b"".join(file.read_bytes() for file in sorted(path.parent.glob(f"{path.name}*")) if file.is_file())


def unnamed(path: Path) -> set[str]:
    with closing(connect(path, "ro")) as connection:
        return find_unnamed(connection)


def program(*words: object, code: str = "from grokputer.cli import main; main()") -> subprocess.Popen[str]:
    given = [sys.executable, "-c", code, *map(str, words)]
    return subprocess.Popen(given, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def session(folder: Path, **fields: Any) -> Path:
    file = folder / "session.json"
    file.write_text(json.dumps(fields))
    return file
