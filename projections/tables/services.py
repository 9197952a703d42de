"""The table of what endpoints were found to do with adapters: one row per finding."""

from __future__ import annotations

from typing import Any

from ...domain.events import AdapterServed, AdapterUnserved

SERVICES: dict[str, type] = {
    "position": int,
    "time": str,
    "adapter": str,
    "endpoint": str,
    "boot": str,
    "applied": int,
    "reason": str,
    "effect": float,
    "error": float,
    "rounding": float,
}
"""The columns."""


def row_of_service(position: int, event: AdapterServed | AdapterUnserved, time: str) -> dict[str, Any]:
    """The row of a finding; without figures where the adapter was not loaded."""
    if isinstance(event, AdapterServed):
        reason, figures = "", {"effect": event.effect, "error": event.error, "rounding": event.rounding}
    else:
        reason, figures = event.reason, event.numbers
    return {
        "position": position,
        "time": time,
        "adapter": event.adapter,
        "endpoint": event.endpoint,
        "boot": event.boot,
        "applied": int(not reason),
        "reason": reason,
        **{name: figures.get(name) for name in ("effect", "error", "rounding")},
    }
