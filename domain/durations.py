"""Durations in words."""

from __future__ import annotations


def say_time(seconds: float) -> str:
    """A short duration: ``90 s``, ``11 min``, ``2.8 h``, ``7.0 days``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.1f} days"


def show_duration(seconds: float) -> str:
    """An exact duration: ``42 s``, ``3 min 10 s``, ``2 h 5 min``."""
    minutes, hours = round(seconds) // 60, round(seconds / 60) // 60
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes} min {round(seconds) % 60} s" if hours < 1 else f"{hours} h {round(seconds / 60) % 60} min"
