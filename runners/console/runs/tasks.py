"""Tasks: which there are, and whether those of an own folder are right."""

from __future__ import annotations

from pathlib import Path
from textwrap import wrap
from typing import Annotated

import typer

from ....domain.errors import GrokputerError
from ....projections.wording.sentences import count
from ..hints import suggest
from ..options import DEFAULT_DB, AsJson, Db, is_for_subcommand, open_log
from ..rendering import print_json, print_line, print_text, say

tasks = typer.Typer(invoke_without_command=True, add_completion=False, rich_markup_mode=None)

WIDTH = 78
"""Characters of a line of names, which is indented by two; chosen."""


@tasks.callback()
def list_tasks(
    context: typer.Context,
    env: Annotated[str | None, typer.Option(help="Only those of this environment, or of this folder of tasks.")] = None,
    db: Db = DEFAULT_DB,
    as_json: AsJson = False,
) -> None:
    """List all tasks by environment, or check those of a folder.

    A folder of tasks as plain files is an environment: name it in the setting environment.tasks, or by its path.

    \b
    Examples:
      grokputer tasks --env shell
      grokputer tasks check my-tasks
    """
    if is_for_subcommand(context):
        return
    from ...wiring import environments

    folders = _folders(db)
    names = environments.environment_names(folders) if env is None else [env]
    faults: dict[str, GrokputerError] = {}
    found = environments.list_tasks(names, folders, faults.__setitem__)
    if env is not None and env in faults:
        raise faults[env]
    if as_json:
        print_json({name: list(known) for name, known in found.items()})
        return
    for name in names:
        if name in faults:
            say(f"{name}: {faults[name]}")
        elif not found[name]:
            print_line(f"{name}: any words are a task")
        else:
            print_line(f"{name}: {count(len(found[name]), 'task')}")
            print_text("\n".join(wrap("  ".join(found[name]), WIDTH, break_on_hyphens=False)), indent="  ")
    named = next((f"run {name}/{found[name][0]}" for name in reversed(names) if found.get(name)), "init")
    suggest(named, db)


@tasks.command()
def check(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder of tasks, or the folder of one task.")],
    seeds: Annotated[int, typer.Option(min=1, max=100, help="Seeds that each task is tried with.")] = 3,
    as_json: AsJson = False,
) -> None:
    """Check own tasks: read each, see that it is not done at its start, and that its solution does it.

    Exits with 1 when something is wrong.

    \b
    Examples:
      grokputer tasks check my-tasks
      grokputer tasks check my-tasks/count-lines --seeds 10
    """
    from ...environments.shell.folder import TaskFolder, mistakes_in, task_folders
    from ...environments.shell.task_file import FILE
    from ...environments.shell.trial import try_task

    places = [folder.resolve()] if (folder / FILE).exists() else task_folders(folder.resolve())
    if not places:
        raise GrokputerError(f"{folder} has no task; a task is a folder in it with a {FILE}, see docs/own-tasks.md")
    rows = []
    for place in places:
        if mistakes := mistakes_in(place):
            rows += [(place.name, "wrong", line) for line in mistakes]
            continue
        trial = try_task(TaskFolder(place.parent), place.name, seeds)
        rows.append((place.name, "ok" if trial.is_right else "wrong", trial.found))
    if as_json:
        print_json([{"task": task, "result": result, "found": found} for task, result, found in rows])
    else:
        for row in rows:
            print_line(": ".join(row))
    if any(result == "wrong" for _, result, _ in rows):
        raise typer.Exit(1)


def _folders(db: Path) -> dict[str, Path]:
    """The folders of tasks that the log's settings name; none where there is no log."""
    from ...store.states import load_state
    from ...wiring.task_folders import task_folders

    return task_folders(load_state(open_log(db)).policy, db.absolute()) if db.exists() else {}
