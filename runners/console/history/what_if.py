"""What-if: where breaches and verdicts would have fallen under other settings, beside what did happen."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import typer

from ....domain.errors import GrokputerError
from ....domain.events import RatingThresholdBreached
from ....domain.settings.settings import check_setting
from ..options import DEFAULT_DB, AsJson, Db, open_log
from ..rendering import print_json, print_table, show_time

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
    stay as they are recorded; nothing is written.

    \b
    Examples:
      grokputer what-if --rule threshold --window 30 --threshold 4.0
      grokputer what-if --rule sequential --set canary.promote_at=100 --json
    """
    from ....projections.explain.what_if import WhatIf

    changed = _changed(window, threshold, minimum, rule, settings or ())
    log = open_log(db)
    breaches = log.read(1, None, (RatingThresholdBreached.TOPIC,))
    imagination = WhatIf(changed, {recorded.event.caused_by for recorded in breaches})
    moments = [it for recorded in log.read() for it in imagination.imagine(recorded.position, recorded.event)]
    moments += imagination.rest()
    moments = [replace(it, message=log.say(it.message, None)) for it in moments]
    if as_json:
        print_json({"settings": changed, "moments": [{**vars(it), "time": it.time.isoformat()} for it in moments]})
        return
    said = ", ".join(f"{key} = {value}" for key, value in changed.items())
    print(f"With {said}:" if said else "With the recorded settings, as the rules are today:")
    columns = ("position", "time", "role", "adapter", "recorded", "imagined", "said")
    rows = (
        (
            it.position,
            show_time(it.time.isoformat()),
            it.role,
            it.adapter or "base",
            it.kind if it.is_recorded else None,
            None if it.is_recorded else it.kind,
            it.message,
        )
        for it in sorted(moments, key=lambda it: (it.position, not it.is_recorded))
    )
    print_table(columns, rows, "no breach and no canary, neither recorded nor imagined")


def _changed(
    window: int | None, threshold: float | None, minimum: int | None, rule: str | None, settings: Any
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
    return {key: check_setting(key, value) for key, value in wanted.items()}
