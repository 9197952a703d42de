"""What-if: the breaches and verdicts that other settings would have led to, beside the recorded ones."""

from __future__ import annotations

from typing import Annotated

import typer

from ..hints import suggest
from ..options import DEFAULT_DB, AsJson, Db, open_log
from ..rendering import Column, print_json, print_line, print_table

ALONE = "people's decisions follow no rule, and a rule may have changed since"
"""Why a decision may be only recorded, or only imagined, though no setting differs."""


def what_if(
    window: Annotated[int | None, typer.Option(help="Ratings in the rolling mean.")] = None,
    threshold: Annotated[float | None, typer.Option(help="Mean stars below which a role is improved.")] = None,
    minimum: Annotated[int | None, typer.Option(help="Ratings below which the rolling mean decides nothing.")] = None,
    rule: Annotated[str | None, typer.Option(help="sequential, threshold, or relative (for the canary alone).")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any other setting; may be repeated.")
    ] = None,
    db: Db = DEFAULT_DB,
    as_json: AsJson = False,
) -> None:
    """Compute the recorded history under other settings.

    Shows the breaches and the ends of canaries as they were and as they would have been. Runs, ratings, trainings and shares
    stay as they are recorded; nothing is written. Without other settings it makes the recorded decisions again: a decision that
    is both recorded and imagined is one row, and a person's decision is marked as such.

    \b
    Examples:
      grokputer what-if --rule threshold --window 30 --threshold 4.0
      grokputer what-if --rule sequential --set canary.promote_at=100 --json
    """
    from ...explain.what_if import imagine, read_settings

    named = {"rating.window": window, "rating.threshold": threshold, "rating.minimum": minimum}
    imagined = imagine(open_log(db), read_settings(rule, named, settings or ()))
    changed = imagined.settings
    if as_json:
        moments = [{**vars(moment), "time": moment.time.isoformat()} for moment in imagined.moments]
        print_json({"settings": changed, "moments": moments})
        return
    shown = ", ".join(f"{key} = {value}" for key, value in changed.items())
    print_line(f"With {shown}:" if shown else "With the recorded settings, as the rules are today:")
    columns = (
        Column("position"),
        Column("time", rank=2),
        Column("role", rank=1),
        Column("adapter"),
        Column("recorded"),
        Column("imagined"),
        Column("message", rank=1, wraps=24),
    )
    rows = [
        (
            decision.position,
            decision.time,
            decision.role,
            decision.adapter or "base",
            decision.kind if decision.is_recorded else None,
            decision.kind if decision.is_imagined else None,
            decision.message,
        )
        for decision in imagined.decisions
    ]
    print_table(columns, rows, "no breach and no canary, neither recorded nor imagined")
    alone = sum(None in row[4:6] for row in rows)
    if not changed and rows:
        print_line("all as it was recorded" if not alone else f"{alone} of {len(rows)} stand alone; {ALONE}")
    suggest("settings --changed", db)
