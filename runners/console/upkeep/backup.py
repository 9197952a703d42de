"""Backups of the log, and restoring one."""

from __future__ import annotations

import shlex
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from ...store.place import read_place
from ..hints import suggest
from ..options import DEFAULT_DB, Db, folder_of, folder_of_log, open_log
from ..rendering import print_line, say


def backup(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to write it; the folder must not exist.")],
    weights: Annotated[
        bool, typer.Option("--weights/--no-weights", help="With the weights of all adapters, or the log alone.")
    ] = True,
    db: Db = DEFAULT_DB,
) -> None:
    """Copy the log and its adapters' weights to a folder, while runs and trainings continue, and check the copy.

    Every event is decoded, every text and weight checked by its hash, and every view computed again. The copy is itself
    a log: any reading command takes FOLDER/events.db. Unfinished trainings are not in it; they start from the beginning.

    \b
    Examples:
      grokputer backup backups/monday
      grokputer backup backups/log-alone --no-weights
    """
    from ...archive.backup import back_up

    log = open_log(db)
    with folder_of(folder):
        done = back_up(log, folder, with_weights=weights)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print_line(f"backed up {_amount(done.events, done.weights)} to {folder} ({size / 1e6:.1f} MB), and proved them")
    for name in done.missing:
        say(f"the weights of {name} are missing or damaged and are not in it; see 'grokputer doctor'")
    suggest(f"restore {shlex.quote(str(folder))} --dry-run", db)


def restore(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="What 'backup' made.")],
    force: Annotated[
        bool,
        typer.Option("--force", help="Restore even if the log holds events that the backup lacks, or cannot be read."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check it and print what would be lost; change nothing.")
    ] = False,
    db: Db = DEFAULT_DB,
) -> None:
    """Check a backup, then put it in the log's place. The log that was there is kept under another name.

    Nothing is replaced while a worker or another process has the log open. Weights are added, and none are removed.

    \b
    Examples:
      grokputer restore backups/monday --dry-run
      grokputer restore backups/monday --force --db events.db
    """
    from ...archive.backup import restore as bring_back

    with nullcontext() if dry_run else folder_of_log(db):
        done = bring_back(folder, read_place(db), force=force, dry_run=dry_run)
    lost = "events that cannot be counted" if done.lost is None else f"{done.lost} events"
    if dry_run:
        print_line(f"{folder} is whole: {done.backup.events} events; {read_place(db)} holds {lost} that it lacks")
        return
    print_line(f"restored {_amount(done.backup.events, done.backup.weights)} from {folder} to {read_place(db)}")
    if done.kept is not None:
        say(f"the log that was there, with {lost} that the backup lacks, is kept as {done.kept}")
    for name in done.backup.missing:
        say(f"the weights of {name} are neither in the backup nor here; runs cannot use it until they are")
    suggest("verify", db)


def _amount(events: int, weights: int) -> str:
    return f"{events} events and {weights} {'set' if weights == 1 else 'sets'} of weights"
