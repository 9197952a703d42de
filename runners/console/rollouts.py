"""Rollouts: how each adapter was brought to the traffic, and the decisions that people take on them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import DEFAULT_DB, Actor, AsJson, Db, is_for_subcommand, name_actor, open_ledger, open_log
from .rendering import print_json, print_table, show_time
from .status import in_order

rollouts = typer.Typer(invoke_without_command=True, add_completion=False, rich_markup_mode=None)

AdapterName = Annotated[str, typer.Argument(metavar="ADAPTER", help="The adapter's name, such as lora-v1.")]
Reason = Annotated[str, typer.Option(help="Why; it is recorded with the decision.")]


@rollouts.callback()
def list_rollouts(context: typer.Context, db: Db = DEFAULT_DB, as_json: AsJson = False) -> None:
    """List the rollouts, or decide one by hand.

    \b
    Examples:
      grokputer rollouts --json
      grokputer rollouts rollback lora-v2 --reason "users complain about the login"
    """
    if is_for_subcommand(context):
        return
    from ..views import load_state

    lanes = in_order(load_state(open_log(db)).lanes.state["rollouts"])
    if as_json:
        print_json([{"id": id, **lane} for id, lane in lanes])
        return
    columns = ("adapter", "role", "phase", "share", "against", "started", "position", "verdict", "said")
    rows = (
        (
            lane["adapter"],
            lane["role"],
            lane["phase"],
            f"{lane['weight_percent']} %",
            lane["stable"] or "base",
            show_time(lane["started"]),
            lane["position"],
            lane["verdict"],
            lane["message"],
        )
        for _, lane in lanes
    )
    print_table(columns, rows, "no rollouts yet; a proven adapter gets one")


@rollouts.command()
def promote(adapter: AdapterName, reason: Reason, by: Actor = None, db: Db = DEFAULT_DB) -> None:
    """Give the adapter all the traffic of its role.

    \b
    Examples:
      grokputer rollouts promote lora-v1 --reason "looked at 40 runs by hand"
      grokputer rollouts promote lora-v1 --reason "agreed in review" --as ada
    """
    _decide(db, adapter, "promote", reason, by)


@rollouts.command()
def rollback(adapter: AdapterName, reason: Reason, by: Actor = None, db: Db = DEFAULT_DB) -> None:
    """Take the adapter's traffic away and give it back to the stable arm.

    \b
    Examples:
      grokputer rollouts rollback lora-v1 --reason "clicks Cancel on every dialog"
      grokputer rollouts rollback lora-v1 --reason "wrong training data" --as ada
    """
    _decide(db, adapter, "roll back", reason, by)


@rollouts.command()
def resume(
    adapter: AdapterName, reason: Reason = "looked at by a person", by: Actor = None, db: Db = DEFAULT_DB
) -> None:
    """Let a paused rollout go on: its canary is looked at again.

    \b
    Examples:
      grokputer rollouts resume lora-v1
      grokputer rollouts resume lora-v1 --reason "traffic is back"
    """
    _decide(db, adapter, "resume", reason, by)


def _decide(db: Path, adapter: str, wanted: str, reason: str, by: str | None) -> None:
    """Record the decision and say what it changed. Raises ``UnknownAdapter``, ``NotPossible``."""
    from ...domain.errors import UnknownAdapter
    from ..improvement import follow
    from ..rollouts import decide_by_hand
    from ..wiring import unknown_adapter

    ledger = open_ledger(db)
    state = follow(ledger)
    if adapter not in state.registry.adapters:
        raise UnknownAdapter(unknown_adapter(adapter, state.registry.adapters))
    before = ledger.position
    decide_by_hand(ledger, state, adapter, wanted, reason, name_actor(by))
    lane = next(it for it in follow(ledger).lanes.state["rollouts"].values() if it["adapter"] == adapter)
    if ledger.position == before:
        print(f"{adapter} is {lane['phase']} already; nothing was recorded")
    else:
        print(f"{adapter} is {lane['phase']}, with {lane['weight_percent']} % of the runs of role {lane['role']}")
