"""The interfaces to the outside world: what the system asks of a clock, a model and an environment.

They are protocols: an implementation need not import them. ``runners/wiring/services.py`` alone chooses the concrete parts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from .aggregates.alert import Delivery, Failure
from .page.messages import Completion, Message, Page


class Model(Protocol):
    """Something that answers messages: the embedded policy, any Hugging Face causal model, or an HTTP endpoint."""

    def complete(
        self,
        messages: Sequence[Message],
        *,
        adapter: str | None = None,
        max_tokens: int = 64,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> Completion:
        """Answer with the base (``adapter=None``) or with the named LoRA adapter applied.

        Temperature 0 is greedy. Raises ``ModelError`` when no answer can be had and ``UnknownAdapter`` when the
        adapter is not loaded.
        """
        ...


class Environment(Protocol):
    """A computer to use. One episode at a time: reset, then act until the page is done."""

    def reset(self, task: str, seed: int) -> Page:
        """Start the named task from the seed. Raises ``UnknownTask``; ``EnvironmentUnavailable`` without a browser."""
        ...

    def act(self, action: str) -> Page:
        """Carry out one action of ``domain/page/action.py``. An action that cannot be read or done changes nothing."""
        ...

    def beside(self, seat: int) -> Environment:
        """Another one like this, for an episode at the same time; it holds nothing of its own that would be closed.

        Episodes of one task at the same time need different seats: 0, which is this one's own, 1, 2, ...
        """
        ...

    def close(self) -> None:
        """Release whatever the environment holds."""
        ...


Script = Callable[[Page, Sequence[str]], str]
"""A policy written down: the action that follows, given the page and the actions so far."""


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


class Channel(Protocol):
    """A way by which people hear of alerts."""

    @property
    def to(self) -> str:
        """Whom or where it reaches, in the log's words: no secret is in it."""
        ...

    def send(self, delivery: Delivery, now: datetime) -> str | Failure:
        """Send it, once, within ``alert.timeout_s``: what the receiver said, or why it did not arrive. Raises nothing."""
        ...


class Clock(Protocol):
    """Where the time comes from; replaced in tests."""

    def now(self) -> datetime:
        """The current time, in UTC."""
        ...
