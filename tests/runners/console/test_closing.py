"""Commands that are called within one process leave no log open."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import call


@pytest.fixture(autouse=True)
def without_collections() -> Iterator[None]:
    """The collector of reference cycles would close what a command forgot."""
    gc.disable()
    yield
    gc.enable()


def open_files(folder: Path) -> list[str]:
    """The open files of this process in the folder."""
    named = (Path("/proc/self/fd", it) for it in os.listdir("/proc/self/fd"))
    return [str(it.readlink()) for it in named if it.is_symlink() and it.readlink().is_relative_to(folder)]


def test_no_command_leaves_the_log_open(tmp_path: Path) -> None:
    log = tmp_path / "events.db"
    commands = (
        ("init",), ("settings", "set", "rating.threshold", "4.0"), ("settings",), ("status",), ("runs",), ("failures",),
        ("why", "rating.threshold"), ("at", "1"), ("log", "export", str(tmp_path / "log.jsonl")), ("verify",), ("replay",),
        ("backup", str(tmp_path / "backup")), ("restore", str(tmp_path / "backup")), ("doctor",),
    )  # fmt: skip
    left = {words[0]: found for words in commands if (call(*words, db=log), found := open_files(tmp_path))[1]}
    assert left == {}
