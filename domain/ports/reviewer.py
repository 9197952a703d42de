"""The port of a reviewer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from .environment import Script


@dataclass(frozen=True)
class Attempt:
    """What a reviewer is shown of a run that has ended."""

    task: str
    seed: int
    actions: tuple[str, ...]
    """What was answered, step by step; one that was erased is left out."""
    is_success: bool
    """Whether the task says it was done."""
    reward: float
    reason: str
    """Why it failed: ``wrong``, ``timeout``, ``error`` or ``environment``; empty for a success."""


class Reviewer(Protocol):
    """Someone who rates runs and may say what should have been done; given to the benchmark as ``module:object``::

    class Strict:
        def rate(self, attempt: Attempt) -> int:
            return 5 if attempt.is_success and len(attempt.actions) <= 3 else 1

        def correct(self, task: str, seed: int) -> Script | None:
            return None  # ratings only; or a function from page and actions so far to the next action
    """

    def rate(self, attempt: Attempt) -> int:
        """The stars, 1 (bad) to 5 (good)."""
        ...

    def correct(self, task: str, seed: int) -> Script | None:
        """What does the task from its beginning, None where nobody says so; it is tried, and counts when it succeeds."""
        ...
