"""Tasks: which there are, whether those of an own folder are right, and new ones from a teacher."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from textwrap import wrap
from typing import Annotated

import typer

from ....domain.errors import GrokputerError, NotPossible
from ....projections.wording.sentences import count
from ..hints import suggest
from ..options import DEFAULT_DB, AsJson, Db, Role, is_for_subcommand, open_ledger, open_log
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
    from ...environments.shell.task_file import FILE, read_task
    from ...environments.shell.trial import try_task
    from ...environments.web.environment import Web
    from ...environments.web.own.folder import PageFolder
    from ...environments.web.own.task_file import is_page_task, read_page_task
    from ...environments.web.own.trial import try_page_task

    places = [folder.resolve()] if (folder / FILE).exists() else task_folders(folder.resolve())
    if not places:
        raise GrokputerError(f"{folder} has no task; a task is a folder in it with a {FILE}, see docs/own-tasks.md")
    rows = []
    for place in places:
        if mistakes := mistakes_in(place, read_page_task if is_page_task(place) else read_task):
            rows += [(place.name, "wrong", line) for line in mistakes]
            continue
        if is_page_task(place):
            with Web(PageFolder(place.parent)) as web:
                trial = try_page_task(web, place.name, seeds)
        else:
            trial = try_task(TaskFolder(place.parent), place.name, seeds)
        rows.append((place.name, "ok" if trial.is_right else "wrong", trial.found))
    if as_json:
        print_json([{"task": task, "result": result, "found": found} for task, result, found in rows])
    else:
        for row in rows:
            print_line(": ".join(row))
    if any(result == "wrong" for _, result, _ in rows):
        raise typer.Exit(1)


@tasks.command()
def generate(
    into: Annotated[Path, typer.Option(metavar="FOLDER", help="The folder of tasks that the new ones are written to.")],
    from_failures: Annotated[
        bool, typer.Option("--from-failures", help="Tasks of the kinds that fail: in own folders and in the shell.")
    ] = False,
    wanted: Annotated[int, typer.Option("--count", min=1, max=100, help="How many tasks.")] = 5,
    role: Annotated[Role, typer.Option(help="Whose failed runs.")] = "action",
    db: Db = DEFAULT_DB,
    as_json: AsJson = False,
) -> None:
    """Let the teacher write new tasks, and keep those that hold in the sandbox.

    A task is kept if it is not done at its start and done after the teacher's own solution. The settings teacher.endpoint and
    teacher.model name the teacher. It is asked three times at most for each task that is wanted. No task is written over.
    Exits with 1 when none is kept.

    \b
    Examples:
      grokputer tasks generate --from-failures --into new-tasks
      grokputer tasks generate --from-failures --into new-tasks --count 20
    """
    if not from_failures:
        raise typer.BadParameter("give --from-failures: new tasks are made from failed runs")
    from ...lessons.task_generation import Generation, check_folder, find_failing_kinds, generate_tasks, known_tasks
    from ...store.states import load_state
    from ...wiring.services import Services

    check_folder(into)
    ledger, made, rows = open_ledger(db), Generation(), list[dict[str, str]]()

    def report(task: str, result: str, found: str) -> None:
        rows.append({"task": task, "result": result, "found": found})
        if not as_json:
            print_line(f"{task}: {result}: {found}", flush=True)

    with Services(ledger, load_state(ledger), say) as services:
        teacher = services.teacher(services.state.policy, role)
        if teacher is None:
            raise NotPossible("no teacher is set; set teacher.endpoint and teacher.model")
        kinds = find_failing_kinds(ledger, services, role)
        if not kinds:
            raise NotPossible(f"no run of role {role} has failed in the shell or in a folder of tasks; run some first")
        known = known_tasks(services, into)
        try:
            with _folder_of_tasks(into):
                generate_tasks(teacher, kinds, into, known, wanted, made, report)
        except KeyboardInterrupt:
            raise typer.Exit(130) from None
        finally:
            say(
                f"kept {count(len(made.kept), 'task')} in {into}, refused {made.refused}, asked {count(made.asked, 'time')}"
            )
    if as_json:
        print_json({"kept": made.kept, "refused": made.refused, "asked": made.asked, "replies": rows})
    if not made.kept:
        raise typer.Exit(1)
    suggest(f"settings set environment.tasks {into}", db)


@contextmanager
def _folder_of_tasks(folder: Path) -> Iterator[None]:
    """Make the folder for the block, where it is not there. What stays empty of what was made goes again."""
    made = [place for place in (folder.absolute(), *folder.absolute().parents) if not place.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        for place in made:
            with suppress(OSError):  # there is something in it
                place.rmdir()


def _folders(db: str) -> dict[str, Path]:
    """The folders of tasks that the log's settings name; none where there is no log."""
    from ...store.place import open_store, read_place
    from ...store.states import load_state
    from ...wiring.task_folders import task_folders

    store = open_store(read_place(db))
    return {} if store.is_blank() else task_folders(load_state(open_log(db)).policy, store.path.absolute())
