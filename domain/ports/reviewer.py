"""The port of a reviewer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from .environment import Script


@dataclass(frozen=True)
class Attempt:
    """What a reviewer sees of an ended run."""

    task: str
    seed: int
    actions: tuple[str, ...]
    """The answers, step by step; erased ones are left out."""
    is_success: bool
    """Whether the task says it was done."""
    reward: float
    reason: str
    """Why it failed: ``wrong``, ``timeout``, ``error`` or ``environment``; empty for a success."""


class Reviewer(Protocol):
    """Rates runs and may show how to do a task; given to the benchmark as ``module:object``::

    class Strict:
        def rate(self, attempt: Attempt) -> int:
            return 5 if attempt.is_success and len(attempt.actions) <= 3 else 1

        def correct(self, task: str, seed: int) -> Script | None:
            return None  # ratings only; or a function from page and actions so far to the next action
    """

    def rate(self, attempt: Attempt) -> int:
        """The stars, from 1 (bad) to 5 (good)."""
        ...

    def correct(self, task: str, seed: int) -> Script | None:
        """A policy that does the task from its beginning, None where there is none; it counts only if it succeeds when
        tried."""
        ...
