"""Files that appear only when they are complete."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ...adapters.registry.files import require_new
from ...domain.errors import NotPossible


@contextmanager
def write_whole(file: Path, *, replaces: bool = False) -> Iterator[BinaryIO]:
    """A file to write to: complete when the block ends without an error, else absent, or as it was.

    What a killed process left is written over. Raises ``NotPossible`` where the file exists, unless it ``replaces`` that,
    and where another process writes it.
    """
    aside = file.with_name(f".{file.name}.new")
    with aside.open("ab") as out:
        if not _is_ours(out, aside):
            raise NotPossible(f"another process is writing {file}; wait until it ends, or give another name")
        try:
            if not replaces:
                require_new(file)
            out.truncate(0)
            yield out
            out.flush()
            os.fsync(out.fileno())
            aside.rename(file)
        finally:
            aside.unlink(missing_ok=True)


def _is_ours(out: BinaryIO, file: Path) -> bool:
    """Whether this process alone has the open file, which still has its name."""
    try:
        fcntl.flock(out, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(out.fileno()), file.stat())
    except (BlockingIOError, FileNotFoundError):
        return False
