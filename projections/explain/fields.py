"""An event as plain values: what stands in JSON output, in the same words as in the log."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import Any

from ...domain.events import EVENTS, Event


def own_fields(event: Event) -> dict[str, Any]:
    """The fields that only this kind of event has; what every event carries is left out."""
    return {name: getattr(event, name) for name in _own_names(event.TOPIC)}


@cache
def _own_names(topic: str) -> tuple[str, ...]:
    common = {field.name for field in dataclasses.fields(Event)}
    return tuple(field.name for field in dataclasses.fields(EVENTS[topic]) if field.name not in common)
