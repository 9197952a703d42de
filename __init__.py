"""Grokputer: an agent that improves itself. ``grokputer.open`` is the Python API; ``docs/python-api.md`` describes it.

Importing the package loads nothing: each name is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import UNKNOWN, Batch, OpenLog, ProgramRun, ProgramStep, RecordedRun, WrongThread, open
    from .domain.errors import GrokputerError, Hint, LogError, NotFound, NotPossible

_HOME = {
    **dict.fromkeys(
        ("UNKNOWN", "Batch", "OpenLog", "ProgramRun", "ProgramStep", "RecordedRun", "WrongThread", "open"), ".api"
    ),
    **dict.fromkeys(("GrokputerError", "Hint", "LogError", "NotFound", "NotPossible"), ".domain.errors"),
}
"""Each public name, and the module that it is in."""

__all__ = [
    "UNKNOWN",
    "Batch",
    "GrokputerError",
    "Hint",
    "LogError",
    "NotFound",
    "NotPossible",
    "OpenLog",
    "ProgramRun",
    "ProgramStep",
    "RecordedRun",
    "WrongThread",
    "open",
]


def __getattr__(name: str) -> Any:
    """The public name, loaded now."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name], __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
