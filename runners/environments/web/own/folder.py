"""A folder of tasks on pages as plain files."""

from __future__ import annotations

from pathlib import Path

from .....domain.errors import EnvironmentUnavailable
from ...families import unknown_task
from ...shell.folder import NAME, task_folders
from ..instance import Instance
from .task_file import PageTask, is_page_task, read_page_task


class PageFolder:
    """The ``Tasks`` of a folder. It is read when it is asked, so a task that was changed is played as it is now."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self) -> tuple[str, ...]:
        """The names of all tasks, sorted. Raises ``EnvironmentUnavailable`` for a folder that cannot be read."""
        return tuple(sorted(path.name for path in task_folders(self.folder) if NAME.fullmatch(path.name)))

    def make(self, task: str, seed: int, seat: int) -> Instance:
        """The task from the seed. Raises ``UnknownTask``, and ``BadTask`` for one with mistakes."""
        return self._read(task).instance(task, seed)

    def has_solution(self, task: str) -> bool:
        """Whether its file has one. Raises as ``make`` does."""
        return bool(self._read(task).solution)

    def close(self) -> None:
        """There is nothing to release."""

    def _read(self, task: str) -> PageTask:
        if task not in self.names():
            raise unknown_task(task, self.names())
        return read_page_task(self.folder / task)


def is_page_folder(folder: Path) -> bool:
    """Whether the folder has a task on a page; then all its tasks are such. False for one that cannot be read."""
    try:
        return any(is_page_task(place) for place in task_folders(folder))
    except EnvironmentUnavailable:
        return False
