"""What is costly to make and never changed, made by one of the processes that share the tests."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from filelock import FileLock

Made = TypeVar("Made")


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], Made]) -> Made:
    """What ``make`` returns for a folder of that name. The other processes wait for the first and read what it made."""
    root = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent  # above the folders of the single processes
    folder = root / name
    with FileLock(root / f"{name}.lock"):
        kept = folder / "made.pickle"
        if kept.exists():
            made: Made = pickle.loads(kept.read_bytes())
            return made
        folder.mkdir(exist_ok=True)
        made = make(folder)
        kept.write_bytes(pickle.dumps(made))
        return made
