"""The folder of a run: made for it, and removed with it, or by the next run where the process ended before."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from pathlib import Path
from typing import IO

PREFIX = "grokputer-web-"


def make_folder() -> tuple[Path, IO[str]]:
    """A folder for a run, and its lock; folders whose process has ended are removed."""
    for old in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        _remove_old(old)
    root = Path(tempfile.mkdtemp(prefix=PREFIX))
    lock = (root / "new").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    (root / "new").rename(root / "lock")  # locked before another run can find it
    return root, lock


def _remove_old(folder: Path) -> None:
    """Remove the folder of a run whose process has ended: then its lock is free."""
    try:
        with (folder / "lock").open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
    except OSError:
        return
