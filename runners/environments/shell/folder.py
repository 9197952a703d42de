"""A folder of tasks as plain files: each folder in it that has a ``task.toml`` is a task of that name."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from ....domain.errors import EnvironmentUnavailable
from ..families import unknown_task
from .instance import Instance
from .task_file import FILE, BadTask, TaskFile, read_task

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""What a task or a folder of tasks may be called: its name stands in commands and in the log."""


class TaskFolder:
    """The ``Tasks`` of a folder. It is read when it is asked, so a task that was changed is played as it is now."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self) -> tuple[str, ...]:
        """The names of all tasks, sorted. Raises ``EnvironmentUnavailable`` for a folder that cannot be read."""
        return tuple(sorted(path.name for path in task_folders(self.folder) if NAME.fullmatch(path.name)))

    def make(self, task: str, seed: int) -> Instance:
        """The task from the seed. Raises ``UnknownTask``, and ``BadTask`` for one with mistakes."""
        return self._read(task).instance(task, seed)

    def has_solution(self, task: str) -> bool:
        """Whether its file has one. Raises as ``make`` does."""
        return bool(self._read(task).solution)

    def _read(self, task: str) -> TaskFile:
        if task not in self.names():
            raise unknown_task(task, self.names())
        return read_task(self.folder / task)


def task_folders(folder: Path) -> list[Path]:
    """The folders of tasks in the folder. Raises ``EnvironmentUnavailable`` where it cannot be read."""
    try:
        return sorted(path for path in folder.iterdir() if (path / FILE).exists())
    except OSError as error:
        raise EnvironmentUnavailable(f"the folder of tasks {folder} cannot be read: {error.strerror}") from error


def is_task_folder(folder: Path) -> bool:
    """Whether there is a folder with a task in it."""
    try:
        return folder.is_dir() and bool(task_folders(folder))
    except (EnvironmentUnavailable, ValueError):  # ValueError: a null byte
        return False


def mistakes_in(folder: Path, read: Callable[[Path], object] = read_task) -> list[str]:
    """What is wrong with the task in the folder, which ``read`` reads: a line for each."""
    found = []
    if not NAME.fullmatch(folder.name):
        found.append(f"{folder}: the name {folder.name!r} has other signs than letters, digits, dots, dashes and _")
    try:
        read(folder)
    except BadTask as error:
        found += error.mistakes
    return found
