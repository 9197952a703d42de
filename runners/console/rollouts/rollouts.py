"""Rollouts: how each adapter got its share of the runs, and the decisions that people take on them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from ..completion import offer_adapters, offer_arms
from ..hints import suggest
from ..options import DEFAULT_DB, Actor, AsJson, Db, is_for_subcommand, name_actor, open_ledger, open_log
from ..rendering import Column, as_time, print_json, print_line, print_table
from .check import CheckCommand, print_health

if TYPE_CHECKING:
    from ...store.ledger import Ledger
    from ...use_cases.rollouts import RolloutDecision

rollouts = typer.Typer(invoke_without_command=True, add_completion=False, rich_markup_mode=None)

AdapterName = Annotated[
    str, typer.Argument(metavar="ADAPTER", help="The adapter's name, such as lora-v1.", autocompletion=offer_adapters)
]
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
    from ...store.states import load_state
    from ...use_cases import overview

    log = open_log(db)
    shown = overview.list_rollouts(log, load_state(log))
    if as_json:
        print_json(shown)
        return
    columns = (
        Column("adapter"),
        Column("role"),
        Column("phase", wraps=6),
        Column("share"),
        Column("against", rank=3),
        Column("started", rank=2),
        Column("position", rank=4),
        Column("verdict", rank=1, wraps=12),
        Column("message", rank=2, wraps=24),
    )
    rows = (
        (
            row["adapter"],
            row["role"],
            row["phase"],
            f"{row['weight_percent']} %",
            row["stable"] or "base",
            as_time(row["started"]),
            row["position"],
            f"{row['verdict']} ({row['reason']})" if row["reason"] else row["verdict"],
            row["message"],
        )
        for row in shown
    )
    print_table(columns, rows, "no rollouts yet; a proven adapter gets one")
    suggest(f"why {shown[-1]['adapter']}" if shown else "status", db)


@rollouts.command(cls=CheckCommand)
def check(adapter: AdapterName, db: Db = DEFAULT_DB, as_json: AsJson = False) -> None:
    """Say whether the adapter's rollout is healthy, as an exit status.

    0, healthy: it is live or was live until another replaced it, or the verdict on its canary is to promote it.
    1, failing: it was rejected or rolled back, the verdict is to roll it back, or its weights are missing.
    2, undecided: there is not enough evidence yet, or a person must decide. Errors exit with 1, bad usage too.

    \b
    Examples:
      grokputer rollouts check lora-v1
      grokputer rollouts check lora-v1 --json
    """
    print_health(db, adapter, as_json)


@rollouts.command()
def promote(adapter: AdapterName, reason: Reason, by: Actor = None, db: Db = DEFAULT_DB) -> None:
    """Give the adapter all the traffic of its role, whatever its canary has shown.

    \b
    Examples:
      grokputer rollouts promote lora-v1 --reason "looked at 40 runs by hand"
      grokputer rollouts promote lora-v1 --reason "agreed in review" --as ada
    """
    from ...use_cases import rollouts as use_case

    _decide(db, lambda ledger: use_case.promote(ledger, adapter, reason=reason, actor=name_actor(by)))


@rollouts.command()
def approve(
    adapter: AdapterName, reason: Reason = "approved by a person", by: Actor = None, db: Db = DEFAULT_DB
) -> None:
    """Let a rollout take the step that waits for approval: a larger share, or the promotion (setting canary.approval).

    \b
    Examples:
      grokputer rollouts approve lora-v1
      grokputer rollouts approve lora-v1 --reason "reviewed on Monday" --as ada
    """
    from ...use_cases import rollouts as use_case

    _decide(db, lambda ledger: use_case.approve(ledger, adapter, reason=reason, actor=name_actor(by)))


@rollouts.command()
def rollback(
    adapter: AdapterName,
    reason: Reason,
    to: Annotated[
        str | None,
        typer.Option(
            metavar="ADAPTER",
            help="What becomes live instead: an adapter that was live before, or base.",
            autocompletion=offer_arms,
        ),
    ] = None,
    by: Actor = None,
    db: Db = DEFAULT_DB,
) -> None:
    """Take the adapter's traffic away at once and give it back to what was live before, or to another adapter.

    \b
    Examples:
      grokputer rollouts rollback lora-v2 --reason "clicks Cancel on every dialog"
      grokputer rollouts rollback lora-v3 --to lora-v1 --reason "both are worse" --as ada
    """
    from ...use_cases import rollouts as use_case

    _decide(db, lambda ledger: use_case.roll_back(ledger, adapter, reason=reason, actor=name_actor(by), to=to))


@rollouts.command()
def forward(adapter: AdapterName, reason: Reason, by: Actor = None, db: Db = DEFAULT_DB) -> None:
    """Make an adapter live whose rollout is over, as after a rollback by mistake.

    It replaces what is live, and ends a rollout that is compared with that. Any adapter that has passed its proof and its
    gate can be made live this way.

    \b
    Examples:
      grokputer rollouts forward lora-v2 --reason "the complaints were about the network"
      grokputer rollouts forward lora-v1 --reason "lora-v2 is slower" --as ada
    """
    from ...use_cases import rollouts as use_case

    _decide(db, lambda ledger: use_case.roll_forward(ledger, adapter, reason=reason, actor=name_actor(by)))


@rollouts.command()
def share(
    adapter: AdapterName,
    percent: Annotated[int, typer.Argument(metavar="PERCENT", min=1, max=99, help="Its share of the runs, 1 to 99 %.")],
    reason: Reason,
    by: Actor = None,
    db: Db = DEFAULT_DB,
) -> None:
    """Give a canary another share of the runs that begin from now on, larger or smaller.

    The rollout keeps this share until it is decided: canary.ramp does not change it any more. A session that has an arm
    stays on it.

    \b
    Examples:
      grokputer rollouts share lora-v2 30 --reason "little traffic this week"
      grokputer rollouts share lora-v2 5 --reason "a demo today" --as ada
    """
    from ...use_cases import rollouts as use_case

    _decide(db, lambda ledger: use_case.set_share(ledger, adapter, percent, reason=reason, actor=name_actor(by)))


@rollouts.command()
def abort(adapter: AdapterName, reason: Reason, by: Actor = None, db: Db = DEFAULT_DB) -> None:
    """End a rollout that is under way: its share goes back to the stable arm.

    \b
    Examples:
      grokputer rollouts abort lora-v2 --reason "trained on the wrong tasks"
      grokputer rollouts abort lora-v2 --reason "a better one is ready" --as ada
    """
    from ...use_cases import rollouts as use_case

    _decide(db, lambda ledger: use_case.abort(ledger, adapter, reason=reason, actor=name_actor(by)))


@rollouts.command()
def pause(adapter: AdapterName, reason: Reason = "paused by a person", by: Actor = None, db: Db = DEFAULT_DB) -> None:
    """Stop deciding: the canary keeps its share, and is rolled back only if it is worse or fails critically.

    \b
    Examples:
      grokputer rollouts pause lora-v1
      grokputer rollouts pause lora-v1 --reason "the site is down today"
    """
    from ...use_cases import rollouts as use_case

    _decide(db, lambda ledger: use_case.pause(ledger, adapter, reason=reason, actor=name_actor(by)))


@rollouts.command()
def resume(
    adapter: AdapterName, reason: Reason = "looked at by a person", by: Actor = None, db: Db = DEFAULT_DB
) -> None:
    """Let a paused rollout continue: its canary is judged again, with all its time and runs.

    \b
    Examples:
      grokputer rollouts resume lora-v1
      grokputer rollouts resume lora-v1 --reason "traffic is back"
    """
    from ...use_cases import rollouts as use_case

    _decide(db, lambda ledger: use_case.resume(ledger, adapter, reason=reason, actor=name_actor(by)))


def _decide(db: str, decide: Callable[[Ledger], RolloutDecision]) -> None:
    """Take the decision and print what it changed. Raises ``UnknownAdapter``, ``NotPossible``, ``DamagedWeights``."""
    done = decide(open_ledger(db))
    of = f"with {done.weight_percent} % of the runs of role {done.role}"
    print_line(f"{done.adapter} is {done.phase}, {of}; live is {done.live or 'the base'}")
    suggest(f"why {done.adapter}", db)
