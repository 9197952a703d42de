"""The runs that have begun and not ended: which adapter makes the steps of each role, and what has happened so far.

A step does not name its adapter, so the folds that count steps ask here.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

from ...domain.events import StepTaken, TaskStarted
from ...domain.rules.imported import is_imported
from ...domain.rules.roles import RECOVERS
from ...domain.vocabulary import Arm, StepKind
from .ratings import BASE
from .shards import SavedParts, StateValue, encode

ACCESS_KEY = "access_key"
"""The entry of a run's recorded settings that has the id of the access key which began it."""

MOST = 10_000
"""Open runs that are remembered; chosen. Beyond that the steps of the oldest are not counted."""

WHOLE_SCORE = 10_000
"""A score of 1, as it is summed: sums of whole numbers are the same in any order."""

RECOVERING = frozenset(RECOVERS.values())
"""The roles that take over after a failed step."""


class StepFigures(msgspec.Struct, gc=False):
    """What the folds take from a ``StepTaken`` of the newest version: half of all events are steps, and reading the rest of
    one takes three times as long."""

    time: Annotated[datetime, msgspec.Meta(tz=True)]
    step: int
    role: str
    error: str
    model_ms: int | None
    prompt_tokens: int | None
    completion_tokens: int | None
    kind: str
    confidence: float | None
    v: int
    run: str = ""
    """The id of its run, hex."""


Step = StepTaken | StepFigures
"""A step, whole or in short."""


class OpenRun(StateValue):
    """A run that has begun."""

    role: str
    adapters: dict[str, str]
    """By role, the adapter that makes its steps; ``base`` for the bare base."""
    is_drawn: bool
    """Whether the traffic drew its adapter, and no person did."""
    is_question: bool
    can_recover: bool
    """Whether a role may take over after a failed step."""
    key: str = ""
    """The id of the access key that began it; empty where none did."""
    acts: int = 0
    """Its steps that acted; the others plan, read or check."""
    first_act: int = 1
    """The number of the step that acted first."""
    is_first_failed: bool = False
    """Whether the environment could not carry out the first action."""
    has_just_failed: bool = False
    """Whether it could not carry out the newest one."""
    failed: int = 0
    """Failed steps that had a step after them."""
    recovered: int = 0
    """Those of them whose next step was made by the role that recovers, and did not fail."""
    read: int = 0
    """Its acts that named words which were read on a picture."""
    score: int = 0
    """The sum, over these acts, of the lowest score of the words, in ten-thousandths."""

    def adapter_of(self, role: str) -> str:
        """The adapter that makes the steps of the role; an empty name, from old events, is the run's own role."""
        return self.adapters.get(role or self.role, BASE)

    def take(self, step: Step) -> None:
        """Note a step. Only an act can fail, or be recovered from."""
        if step.kind != StepKind.ACT:
            return
        has_failed = bool(step.error)
        if not self.acts:
            self.first_act, self.is_first_failed = step.step, has_failed
        self.acts += 1
        if step.confidence is not None:
            self.read, self.score = self.read + 1, self.score + round(step.confidence * WHOLE_SCORE)
        if self.has_just_failed:
            self.failed += 1
            self.recovered += step.role in RECOVERING and not has_failed
        self.has_just_failed = has_failed


class OpenRuns:
    """Fold of the open runs, the oldest first. Runs that another program made elsewhere are not among them."""

    def __init__(self) -> None:
        self._runs: dict[str, OpenRun] = {}

    @classmethod
    def load(cls, saved: SavedParts) -> OpenRuns:
        """The fold that ``dump`` saved. Raises ``LogError`` where the saved part is damaged."""
        fold = cls()
        fold._runs = saved.one("open", dict[str, OpenRun])
        return fold

    def dump(self) -> dict[str, bytes]:
        """The fold as saved parts, by name."""
        return {"open": encode(self._runs)}

    def begin(self, event: TaskStarted) -> None:
        """Note a run that begins."""
        if is_imported(event.assignments[0]):
            return
        own = event.adapter or BASE
        self._runs[event.originator_id.hex] = OpenRun(
            role=event.role,
            adapters={event.role: own, **{other["role"]: other["adapter"] or own for other in event.others}},
            is_drawn=event.arm != Arm.PINNED,
            is_question=event.is_question,
            can_recover=any(other["role"] in RECOVERING for other in event.others),
            key=str(event.policy.get(ACCESS_KEY, "")),
        )
        if len(self._runs) > MOST:
            del self._runs[next(iter(self._runs))]

    def get(self, run: str) -> OpenRun | None:
        """The open run of this id, hex; None where it is not known or has ended."""
        return self._runs.get(run)

    def end(self, run: str) -> OpenRun | None:
        """The run of this id, hex, which is open no more."""
        return self._runs.pop(run, None)

    def __len__(self) -> int:
        return len(self._runs)
