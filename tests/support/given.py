"""``given(...).when(...).then(...)``: an aggregate's history, a decision, and the facts it must lead to. No database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

import pytest

from grokputer.domain.aggregates.base import Aggregate, Context
from grokputer.domain.errors import GrokputerError
from grokputer.domain.events import Capability, Event

A = TypeVar("A", bound=Aggregate)

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SOMEONE = Context(NOON, "ada", "cause/1")
ID = UUID(int=7)

OFFERED = {
    "chat": (Capability.QUESTION,),
    "miniwob": (Capability.VERIFIES, Capability.SEEDS, Capability.DEMONSTRATIONS),
}
"""What each environment offers, as its runs record."""

START: dict[str, Any] = {
    "role": "action", "arm": "canary", "adapter": "lora-v2", "rollout": "ab12", "environment": "miniwob",
    "task": "click-button", "seed": 3, "base": "embedded@sha256:00", "session": None, "policy": {"run.max_steps": 12},
}  # fmt: skip
"""A run of a canary's, as it is started."""

STEP: dict[str, Any] = {
    "prompt": "sha256:aa", "answer": "sha256:bb", "error": "", "model_ms": 40, "environment_ms": 3, "prompt_tokens": 90,
    "completion_tokens": 8,
}  # fmt: skip
"""One of its steps."""


class Given(Generic[A]):
    """An aggregate with what has happened to it so far."""

    def __init__(self, kind: type[A], *decisions: Callable[[A], Any]) -> None:
        self.aggregate = kind(ID)
        for decide in decisions:
            decide(self.aggregate)
        self.past = self.aggregate.collect_events()

    def when(self, decide: Callable[[A], Any]) -> When:
        """Take the decision; an error of the user's is kept for ``then_refused``."""
        try:
            decide(self.aggregate)
        except GrokputerError as error:
            return When([], error)
        events = self.aggregate.collect_events()
        reloaded = type(self.aggregate).project(ID, [*self.past, *events])
        assert vars(reloaded) | {"_pending": []} == vars(self.aggregate) | {"_pending": []}
        return When(events, None)


class When:
    """What a decision led to."""

    def __init__(self, events: list[Event], error: GrokputerError | None) -> None:
        self.events = events
        self.error = error

    def then(self, *facts: tuple[type[Event], dict[str, Any]]) -> None:
        """Exactly these facts, in this order, with at least these fields."""
        assert self.error is None, self.error
        assert [type(event) for event in self.events] == [kind for kind, _ in facts]
        for event, (_, fields) in zip(self.events, facts, strict=True):
            assert {name: getattr(event, name) for name in fields} == fields
            assert event.caused_by == fields.get("caused_by", SOMEONE.caused_by)
            assert event.actor == SOMEONE.actor

    def then_nothing(self) -> None:
        """No fact and no error."""
        self.then()

    def then_refused(self, *words: str) -> None:
        """An error of one line that says these words, and no fact."""
        assert self.events == []
        if self.error is None:
            pytest.fail("it was not refused")
        assert "\n" not in str(self.error)
        for word in words:
            assert word in str(self.error)


given = Given
