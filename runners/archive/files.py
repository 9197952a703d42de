"""Files that appear only when they are complete."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ...domain.errors import NotPossible


@contextmanager
def write_whole(file: Path) -> Iterator[BinaryIO]:
    """A file to write to: complete when the block ends without an error, else absent. Raises ``NotPossible`` if it exists."""
    if file.exists():
        raise NotPossible(f"{file} exists already; give another name")
    aside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with aside.open("wb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        aside.rename(file)
    finally:
        aside.unlink(missing_ok=True)
