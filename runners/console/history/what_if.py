"""What-if: where breaches and verdicts would have fallen under other settings, beside what did happen."""

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

ALONE = "people decide by no rule, and a rule may have changed since"
"""Why a decision may be recorded and not imagined, or imagined and not recorded, though no setting is another."""

RULES = {
    "sequential": {"rating.rule": "sequential", "canary.rule": "sequential"},
    "threshold": {"rating.rule": "threshold", "canary.rule": "threshold"},
    "relative": {"canary.rule": "relative"},
}


def what_if(
    window: Annotated[int | None, typer.Option(help="Ratings the rolling mean looks at.")] = None,
    threshold: Annotated[float | None, typer.Option(help="Mean stars under which a role is to be improved.")] = None,
    minimum: Annotated[int | None, typer.Option(help="Ratings under which the rolling mean says nothing.")] = None,
    rule: Annotated[str | None, typer.Option(help="sequential, threshold, or relative (for the canary alone).")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any other setting; may be given again.")
    ] = None,
    db: Db = DEFAULT_DB,
    as_json: AsJson = False,
) -> None:
    """Fold the recorded history under other settings.

    Shows the breaches and the ends of canaries as they were and as they would have been. Runs, ratings, trainings and shares
    stay as they are recorded; nothing is written. Without another setting it makes the recorded decisions once more: what is
    recorded and imagined alike stands in one row, and what a person decided is named as such.

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
    moments = [it for recorded in log.read() for it in imagination.imagine(recorded.position, recorded.event)]
    moments += imagination.rest()
    moments = [replace(it, message=log.say(it.message, None)) for it in moments]
    if as_json:
        print_json({"settings": changed, "moments": [{**vars(it), "time": it.time.isoformat()} for it in moments]})
        return
    said = ", ".join(f"{key} = {value}" for key, value in changed.items())
    print_line(f"With {said}:" if said else "With the recorded settings, as the rules are today:")
    columns = (
        Column("position"),
        Column("time", rank=2),
        Column("role", rank=1),
        Column("adapter"),
        Column("recorded"),
        Column("imagined"),
        Column("said", rank=1, wraps=24),
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
    for it in sorted(moments, key=lambda it: (it.position, not it.is_recorded)):
        alike = rows.setdefault((it.position, it.role, it.adapter, it.kind), [])
        alike.append(it)
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
    """The settings that are imagined. Raises ``BadSetting``, and ``GrokputerError`` for what is no pair or no rule."""
    if rule is not None and rule not in RULES:
        raise GrokputerError(f"{rule!r} is not a rule; there are {', '.join(RULES)}")
    named = {"rating.window": window, "rating.threshold": threshold, "rating.minimum": minimum}
    wanted: dict[str, Any] = {**RULES.get(rule or "", {}), **{key: it for key, it in named.items() if it is not None}}
    for pair in settings:
        key, equals, value = pair.partition("=")
        if not equals:
            raise GrokputerError(f"{pair!r} is no setting; give key=value, as in canary.promote_at=100")
        wanted[key] = value
    return {current_key(key): check_setting(key, value) for key, value in wanted.items()}
