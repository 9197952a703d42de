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
    """The file to write to: there in whole when the block ends well, and else not. Raises ``NotPossible`` for an older one."""
    if file.exists():
        raise NotPossible(f"{file} is there already; give another name")
    aside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with aside.open("wb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        aside.rename(file)
    finally:
        aside.unlink(missing_ok=True)
