"""What-if: the breaches and verdicts that other settings would have led to, beside the recorded ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ....domain.errors import GrokputerError
from ....domain.events import RatingThresholdBreached
from ....domain.settings.settings import check_setting, current_key
from ..hints import suggest
from ..options import DEFAULT_DB, AsJson, Db, open_log
from ..rendering import Column, as_time, print_json, print_line, print_table

if TYPE_CHECKING:
    from ....projections.explain.what_if import Moment

ALONE = "people's decisions follow no rule, and a rule may have changed since"
"""Why a decision may be only recorded, or only imagined, though no setting differs."""

RULES = {
    "sequential": {"rating.rule": "sequential", "canary.rule": "sequential"},
    "threshold": {"rating.rule": "threshold", "canary.rule": "threshold"},
    "relative": {"canary.rule": "relative"},
}


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
    from ....projections.explain.what_if import WhatIf

    changed = _changed(window, threshold, minimum, rule, settings or ())
    log = open_log(db)
    breaches = log.read(1, None, (RatingThresholdBreached.TOPIC,))
    imagination = WhatIf(changed, {recorded.event.caused_by: recorded.position for recorded in breaches})
    moments = [moment for recorded in log.read() for moment in imagination.imagine(recorded.position, recorded.event)]
    moments += imagination.rest()
    moments = [replace(moment, message=log.say(moment.message, None)) for moment in moments]
    if as_json:
        print_json(
            {"settings": changed, "moments": [{**vars(moment), "time": moment.time.isoformat()} for moment in moments]}
        )
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
    rows = _rows(moments)
    print_table(columns, rows, "no breach and no canary, neither recorded nor imagined")
    alone = sum(None in row[4:6] for row in rows)
    if not changed and rows:
        print_line("all as it was recorded" if not alone else f"{alone} of {len(rows)} stand alone; {ALONE}")
    suggest("settings --changed", db)


def _rows(moments: Sequence[Moment]) -> list[tuple[Any, ...]]:
    """A row for each decision, in order; one that is both recorded and imagined is one row."""
    rows: dict[tuple[Any, ...], list[Moment]] = {}
    for moment in sorted(moments, key=lambda moment: (moment.position, not moment.is_recorded)):
        alike = rows.setdefault((moment.position, moment.role, moment.adapter, moment.kind), [])
        alike.append(moment)
    return [
        (
            position,
            as_time(alike[0].time),
            role,
            adapter or "base",
            kind if alike[0].is_recorded else None,
            None if alike[-1].is_recorded else kind,
            alike[0].message,
        )
        for (position, role, adapter, kind), alike in rows.items()
    ]


def _changed(
    window: int | None, threshold: float | None, minimum: int | None, rule: str | None, settings: Sequence[str]
) -> dict[str, Any]:
    """The settings to imagine. Raises ``BadSetting``, and ``GrokputerError`` for an unknown rule or text without ``=``."""
    if rule is not None and rule not in RULES:
        raise GrokputerError(f"{rule!r} is not a rule; there are {', '.join(RULES)}")
    named = {"rating.window": window, "rating.threshold": threshold, "rating.minimum": minimum}
    wanted: dict[str, Any] = {
        **RULES.get(rule or "", {}),
        **{key: figure for key, figure in named.items() if figure is not None},
    }
    for pair in settings:
        key, equals, value = pair.partition("=")
        if not equals:
            raise GrokputerError(f"{pair!r} is not a setting; give key=value, as in canary.promote_at=100")
        wanted[key] = value
    return {current_key(key): check_setting(key, value) for key, value in wanted.items()}
