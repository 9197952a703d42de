"""Trainings: requesting one, deciding on one, and carrying one to a machine without a connection and back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from ..hints import suggest
from ..options import DEFAULT_DB, Actor, AsJson, Db, Role, is_for_subcommand, name_actor, open_ledger, open_log
from ..rendering import Column, print_json, print_line, print_table, say

if TYPE_CHECKING:
    from ....adapters.training.job import Progress


class TrainGroup(TyperGroup):
    """``train`` alone, or with a role, requests a training."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The arguments, with ``request`` before those that name no subcommand."""
        place = 0
        while place < len(args) and args[place].partition("=")[0] == "--db":
            place += 1 if "=" in args[place] else 2
        if not {*args[place : place + 1]} & {*self.commands, "--help", "-h"}:
            args = [*args[:place], "request", *args[place:]]
        return super().parse_args(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The subcommands, and the options of ``request``, since its name may be left out."""
        super().format_commands(ctx, formatter)
        shown = [record for param in self.commands["request"].get_params(ctx) if (record := param.get_help_record(ctx))]
        with formatter.section("Options of 'request', whose name may be left out"):
            formatter.write_dl(shown)


train = typer.Typer(cls=TrainGroup, invoke_without_command=True, add_completion=False, rich_markup_mode=None)

Training = Annotated[
    str | None,
    typer.Argument(metavar="TRAINING", help="Its id or its beginning; without it, the only one that is meant."),
]


@train.callback()
def about(context: typer.Context, db: Db = DEFAULT_DB) -> None:
    """Request a training, list trainings, approve or cancel one, or carry one to another machine.

    'train' with a role alone is 'train request'. Where trainings run is the setting training.launcher.

    \b
    Examples:
      grokputer train action --dry-run
      grokputer train list
    """
    is_for_subcommand(context)


@train.command()
def request(
    role: Annotated[Role, typer.Argument(help="The role to train an adapter for.")] = "action",
    reason: Annotated[str, typer.Option(help="Why; it is recorded with the request.")] = "asked for by hand",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show recipe, dataset, time, memory and money; record nothing.")
    ] = False,
    probes: Annotated[
        bool,
        typer.Option(
            "--probe/--no-probe", help="With --dry-run: try a few steps, or tell from the last training in the log."
        ),
    ] = True,
    by: Actor = None,
    db: Db = DEFAULT_DB,
    as_json: AsJson = False,
) -> None:
    """Request a training, or preview its time, memory and money.

    'grokputer work' runs it, without waiting for ratings to fall. Prices are the settings cost.*.

    \b
    Examples:
      grokputer train action --dry-run
      grokputer train action --reason "forty new corrections"
    """
    from ...store.states import load_state
    from ...use_cases.trainings import request_training

    if as_json and not dry_run:
        raise typer.BadParameter("--json goes with --dry-run")
    ledger = open_ledger(db)
    if dry_run:
        from .cost import preview

        preview(ledger, load_state(ledger), role, probes=probes, as_json=as_json)
        if not as_json:
            suggest(f"train {role}", db)
        return
    request_training(ledger, role, reason=reason, actor=name_actor(by))
    print_line(f"a training for role {role} is requested; 'grokputer work' runs it")
    suggest("work --once", db)


@train.command("list")
def list_trainings(db: Db = DEFAULT_DB, as_json: AsJson = False) -> None:
    """List the trainings, with where each runs, and why it waits, has failed or was asked for.

    \b
    Examples:
      grokputer train list
      grokputer train list --json
    """
    from ...store.states import load_state
    from ...use_cases.lookups import tell_reason

    log = open_log(db)
    trainings = load_state(log).registry.trainings.values()
    if as_json:
        print_json([training.to_json() for training in trainings])
        return
    columns = (
        "training",
        "role",
        "status",
        Column("runs", rank=1),
        Column("attempts", rank=2),
        Column("reason", wraps=24),
    )
    shown = (
        (it.id[:8], it.role, str(it.status), it.launcher or "-", it.attempts, tell_reason(log, it)) for it in trainings
    )
    print_table(columns, shown, "no trainings yet; 'grokputer train' requests one")


@train.command()
def approve(
    training: Training = None,
    reason: Annotated[str, typer.Option(help="Why; it is recorded with the decision.")] = "approved by a person",
    by: Actor = None,
    db: Db = DEFAULT_DB,
) -> None:
    """Let a training run that waits because of its cost (setting training.max_cost).

    \b
    Examples:
      grokputer train approve
      grokputer train approve 4031f4ac --reason "the cluster is paid for" --as ada
    """
    from ...use_cases.trainings import approve_training

    approved = approve_training(open_ledger(db), training, reason=reason, actor=name_actor(by))
    print_line(f"training {approved.hex[:8]} is approved; 'grokputer work' runs it")
    suggest("work --once", db)


@train.command()
def cancel(
    training: Training = None,
    reason: Annotated[str, typer.Option(help="Why; it is recorded with the decision.")] = "not needed",
    by: Actor = None,
    db: Db = DEFAULT_DB,
) -> None:
    """End a training that has not ended: the worker stops it where it runs, and the live adapter stays.

    \b
    Examples:
      grokputer train cancel
      grokputer train cancel 4031f4ac --reason "the wrong tasks" --as ada
    """
    from ...use_cases.trainings import cancel_training

    cancelled = cancel_training(open_ledger(db), training, reason=reason, actor=name_actor(by), say=say)
    print_line(f"training {cancelled.hex[:8]} is cancelled")


@train.command()
def export(
    file: Annotated[Path, typer.Argument(metavar="REQUEST.zip", help="The file to write; it must not exist.")],
    training: Annotated[str | None, typer.Option(help="The training's id or its beginning.")] = None,
    db: Db = DEFAULT_DB,
) -> None:
    """Write a training as a file for a machine without a connection, where 'train run' trains it.

    With training.launcher carry, a worker prepares a training and leaves it to people. The file holds the dataset.

    \b
    Examples:
      grokputer train export request.zip
      grokputer train export request.zip --training 4031f4ac
    """
    from ...use_cases.trainings import export_training

    written = export_training(open_ledger(db), file, training)
    print_line(f"training {written.hex[:8]} is in {file}; there: grokputer train run {file.name} result.zip")


@train.command("run")
def run_request(
    file: Annotated[Path, typer.Argument(metavar="REQUEST.zip", help="What 'train export' wrote.")],
    out: Annotated[Path, typer.Argument(metavar="RESULT.zip", help="The file to write; it must not exist.")],
    folder: Annotated[
        Path, typer.Option(help="Folder for checkpoints; a training that was cut off continues from there.")
    ] = Path("grokputer-training"),
) -> None:
    """Train what the file asks for, on this machine, without a log.

    \b
    Examples:
      grokputer train run request.zip result.zip
      grokputer train run request.zip result.zip --folder /content/drive/MyDrive/training
    """
    from rich.console import Console

    from ....adapters.launching.parcel import run_request as carry_out
    from ...wiring.extras import require
    from ..progress import TrainingProgress

    require("train")
    progress: TrainingProgress = TrainingProgress(Console(stderr=True))

    def show(step: Progress) -> None:
        progress(step)

    result = carry_out(file, out, folder, show, say)
    print_line(
        f"trained in {result.duration_s:.0f} s on {result.device}, loss {result.final_loss:.3f}: {out} has the weights"
    )


@train.command("import")
def import_result(
    file: Annotated[Path, typer.Argument(metavar="RESULT.zip", help="What 'train run' wrote.")], db: Db = DEFAULT_DB
) -> None:
    """Bring the weights of a carried training home. Everything is checked by its hash; twice is as once.

    \b
    Examples:
      grokputer train import result.zip
      grokputer train import result.zip --db work/events.db
    """
    from ...use_cases.trainings import import_training

    done = import_training(open_ledger(db), file)
    print_line(
        f"training {done.training.hex[:8]} {'is' if done.is_new else 'was'} completed, weights {done.weights[:19]}"
    )
    suggest("work --once", db)
