"""What other settings would have led to: the recorded decisions beside the imagined ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ...domain.errors import GrokputerError, NotPossible
from ...domain.events import RatingThresholdBreached
from ...domain.settings.settings import check_setting, current_key, without_role
from ...projections.explain.what_if import Moment, WhatIf
from ..store.log import Log

RULES: dict[str, dict[str, Any]] = {
    "sequential": {"rating.rule": "sequential", "canary.rule": "sequential"},
    "threshold": {"rating.rule": "threshold", "canary.rule": "threshold"},
    "relative": {"canary.rule": "relative"},
}
"""The settings that each named rule stands for."""


@dataclass(frozen=True)
class ImaginedDecision:
    """A decision that was recorded, imagined, or both."""

    position: int
    time: datetime
    role: str
    adapter: str | None
    kind: str
    message: str
    is_recorded: bool
    is_imagined: bool


@dataclass(frozen=True)
class Imagination:
    """The history under other settings."""

    settings: dict[str, Any]
    """The settings that were imagined; empty for the recorded ones."""
    moments: list[Moment]
    """Each recorded or imagined decision on its own."""

    @property
    def decisions(self) -> list[ImaginedDecision]:
        """The decisions in order; one that is both recorded and imagined is one."""
        rows: dict[tuple[Any, ...], list[Moment]] = {}
        for moment in sorted(self.moments, key=lambda moment: (moment.position, not moment.is_recorded)):
            alike = rows.setdefault((moment.position, moment.role, moment.adapter, moment.kind), [])
            alike.append(moment)
        return [
            ImaginedDecision(
                position,
                alike[0].time,
                role,
                adapter,
                kind,
                alike[0].message,
                is_recorded=alike[0].is_recorded,
                is_imagined=not alike[-1].is_recorded,
            )
            for (position, role, adapter, kind), alike in rows.items()
        ]


JUDGING = "rating.success_stars"


def imagine(log: Log, settings: Mapping[str, Any]) -> Imagination:
    """The log's history under the settings; nothing is written. Raises ``BadSetting``."""
    changed = {current_key(key): check_setting(key, value) for key, value in settings.items()}
    for key in changed:
        if without_role(key) == JUDGING:
            raise NotPossible(f"{key} cannot be imagined: what it would have judged is not in the log")
    breaches = log.read(1, None, (RatingThresholdBreached.TOPIC,))
    what_if = WhatIf(changed, {recorded.event.caused_by: recorded.position for recorded in breaches})
    moments = [moment for recorded in log.read() for moment in what_if.imagine(recorded.position, recorded.event)]
    moments += what_if.rest()
    return Imagination(changed, [replace(moment, message=log.say(moment.message, None)) for moment in moments])


def read_settings(rule: str | None, named: Mapping[str, Any], pairs: Sequence[str]) -> dict[str, Any]:
    """The settings of a named rule, of figures that are not None, and of texts ``key=value``; later ones replace earlier ones.

    Raises ``GrokputerError`` for an unknown rule, and for text without ``=``.
    """
    if rule is not None and rule not in RULES:
        raise GrokputerError(f"{rule!r} is not a rule; there are {', '.join(RULES)}")
    wanted = {**RULES.get(rule or "", {}), **{key: figure for key, figure in named.items() if figure is not None}}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise GrokputerError(f"{pair!r} is not a setting; give key=value, as in canary.promote_at=100")
        wanted[key] = value
    return wanted
