"""What a running command uses: the memory of its processes, and its work folder. Both are looked at while it runs."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from .command import Limits

DEEPEST = 32
"""Folders within folders; what lies deeper counts as too much. Chosen."""

_PAGE = os.sysconf("SC_PAGE_SIZE")


def over(pid: int, folder: Path, limits: Limits) -> str:
    """The limit that is passed, in words; empty where none is."""
    if memory_of(pid) > limits.memory_bytes:
        return f"the limit of {limits.memory_bytes >> 20} MiB of memory"
    return over_folder(folder, limits)


def over_folder(folder: Path, limits: Limits) -> str:
    """The limit of the folder that is passed, in words; empty where none is."""
    entries = size = 0
    waiting = [(os.fspath(folder), 1)]
    while waiting:
        path, depth = waiting.pop()
        try:
            listed = os.scandir(path)
        except PermissionError:
            if depth > 1:  # The folder itself is opened again after the command.
                return "a folder that cannot be looked into"
            continue
        except OSError:
            continue
        with suppress(OSError), listed:
            for item in listed:
                entries += 1
                with suppress(OSError):
                    size += item.stat(follow_symlinks=False).st_blocks * 512
                if entries > limits.folder_entries:
                    return f"the limit of {limits.folder_entries} files in the folder"
                if size > limits.folder_bytes:
                    return f"the limit of {limits.folder_bytes >> 20} MiB in the folder"
                if item.is_dir(follow_symlinks=False):
                    if depth == DEEPEST:
                        return f"the limit of {DEEPEST} folders within folders"
                    waiting.append((item.path, depth + 1))
    return ""


def memory_of(pid: int) -> int:
    """Bytes of memory that the process and all its descendants have for themselves."""
    found = 0
    waiting = [pid]
    while waiting:
        one = waiting.pop()
        with suppress(OSError, ValueError, IndexError):
            resident, shared = Path(f"/proc/{one}/statm").read_text(encoding="ascii").split()[1:3]
            found += (int(resident) - int(shared)) * _PAGE
            waiting += children_of(one)
    return found


def children_of(pid: int) -> list[int]:
    """The processes that the process has started, or that were given to it."""
    found: list[int] = []
    with suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with suppress(OSError):
                found += map(int, Path(f"/proc/{pid}/task/{task}/children").read_text(encoding="ascii").split())
    return found
