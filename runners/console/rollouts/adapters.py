"""Adapters: the list, and their way to and from the registry that they are published in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..completion import offer_adapters
from ..hints import suggest
from ..history.status import print_adapters
from ..options import DEFAULT_DB, Actor, AsJson, Db, is_for_subcommand, name_actor, open_ledger, open_log
from ..rendering import print_json, print_line, say

adapters = typer.Typer(invoke_without_command=True, add_completion=False, rich_markup_mode=None)

Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="ADAPTER", help="Adapters, such as lora-v1.", autocompletion=offer_adapters),
]


@adapters.callback()
def list_adapters(context: typer.Context, db: Db = DEFAULT_DB, as_json: AsJson = False) -> None:
    """List the adapters, or push, pull and export them.

    \b
    Examples:
      grokputer adapters
      grokputer adapters --json
    """
    if is_for_subcommand(context):
        return
    from ...store.states import load_state
    from ...use_cases.adapters.publishing import list_not_pushed
    from ...use_cases.overview import status_of

    log = open_log(db)
    state = load_state(log)
    known, waiting = status_of(log, state).adapters, list_not_pushed(state)
    if as_json:
        rows = [{**it.details, "weights_missing": it.is_missing, "is_pushed": it.name not in waiting} for it in known]
        print_json(rows)
        return
    print_adapters(known)
    if waiting:
        print_line(f"not pushed to the registry yet: {', '.join(waiting)}; 'grokputer work' pushes them")
    suggest(f"why {known[-1].name}" if known else "status", db)


@adapters.command()
def push(adapter: Names = None, by: Actor = None, db: Db = DEFAULT_DB) -> None:
    """Push adapters to the registry of the setting registry.url, with their model cards; without a name, all that it lacks.

    'grokputer work' does this by itself. Nothing in the registry is ever replaced.

    \b
    Examples:
      grokputer adapters push
      grokputer adapters push lora-v1
    """
    from ...use_cases.adapters import publishing

    ledger, actor = open_ledger(db), name_actor(by)
    names = publishing.choose(ledger, adapter or ())
    for name in names:
        done = publishing.push(ledger, name, actor=actor)
        print_line(f"{name}: {'pushed to' if done.is_new else 'there already,'} {done.place}")
    if not names:
        print_line("nothing to push: the registry has every adapter")


@adapters.command()
def pull(adapter: Names = None, db: Db = DEFAULT_DB) -> None:
    """Pull the weights of adapters from the registry; without a name, all that are missing here.

    An adapter is named as in the log, or by the hash of its weights. What comes is verified against the log before it is
    stored.

    \b
    Examples:
      grokputer adapters pull
      grokputer adapters pull lora-v1
    """
    from ...use_cases.adapters import publishing

    log = open_log(db)
    names = publishing.choose_missing(log, adapter or ())
    for name in names:
        print_line(f"{name}: verified, in {publishing.pull(log, name)}")
    if not names:
        print_line("nothing to pull: the weights of all adapters are here")


@adapters.command()
def export(
    adapter: Annotated[
        str, typer.Argument(metavar="ADAPTER", help="The adapter, such as lora-v1.", autocompletion=offer_adapters)
    ],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder that does not exist yet.")],
    merged: Annotated[
        bool, typer.Option("--merged", help="A whole model: the base with the adapter merged in.")
    ] = False,
    db: Db = DEFAULT_DB,
) -> None:
    """Write an adapter with its model card to a folder, for PEFT; or the base with the adapter merged into it.

    A merged model is for programs that serve no adapters. It is not what was tested here: merged and rounded to bf16, its
    outputs differ a little from those of the adapter on its base, and more where that base is held in 4 bits.

    \b
    Examples:
      grokputer adapters export lora-v1 lora-v1
      grokputer adapters export lora-v1 merged --merged
    """
    from ...use_cases.adapters import publishing

    written = publishing.export(open_log(db), adapter, folder, is_merged=merged, say=say)
    print_line(f"wrote {written}")
