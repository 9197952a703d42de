"""Folders of tasks as plain files: those in the setting ``environment.tasks``, and those that a command names by a path."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ...domain.settings.settings import BadSetting, Policy
from ..environments.shell.folder import is_task_folder

SETTING = "environment.tasks"


def task_folders(policy: Policy, log: Path) -> dict[str, Path]:
    """The folders of the setting, by their names. A path that is not absolute begins at the folder of the log."""
    named = filter(None, (part.strip() for part in (policy.environment.tasks or "").split(",")))
    return {Path(part).name: log.parent / Path(part).expanduser() for part in named}


def find_task_folder(name: str, folders: Mapping[str, Path]) -> Path | None:
    """The folder of tasks of this name, or at this path from the current folder; None where there is none."""
    if name in folders:
        return folders[name]
    return Path(name) if is_task_folder(Path(name)) else None


def with_folder(policy: Policy, log: Path, folder: Path) -> str:
    """The value of the setting that has the folder too, as it is written from the folder of the log."""
    before = [policy.environment.tasks] if policy.environment.tasks else []
    return ", ".join([*before, os.path.relpath(folder.resolve(), log.resolve().parent)])


def name_of(path: str, folders: Mapping[str, Path]) -> str:
    """What the folder at the path is called: its name in the setting, else its path."""
    for name, folder in folders.items():
        if path == name or (Path(path).exists() and folder.exists() and Path(path).samefile(folder)):
            return name
    return os.path.normpath(path)


def check_task_folders(value: object, log: Path, taken: Mapping[str, object]) -> None:
    """Refuse a folder without tasks, and one with the name of an environment. Raises ``BadSetting``."""
    for name, folder in task_folders(Policy({SETTING: value}), log).items():
        if name in taken:
            raise BadSetting(
                f"{SETTING} cannot have {folder}: {name} is an environment of the program; rename the folder"
            )
        if not is_task_folder(folder):
            raise BadSetting(
                f"{SETTING} cannot have {folder}: there is no folder with a task in it; a task is a folder with a task.toml"
            )
