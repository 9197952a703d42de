"""The story of a run: its events with their words, JSON-plain, for the terminal, programs and pages alike."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ...domain.aggregates.run import TaskRun
from ...domain.events import (
    CorrectionWithdrawn,
    Event,
    SessionImported,
    StepTaken,
    TaskCorrected,
    TaskGraded,
    TaskRated,
    TaskStarted,
)
from ...domain.page.tools import read_stored, show_answer
from ...projections.explain.tree import own_fields
from ...projections.wording.words import ERASED

if TYPE_CHECKING:
    from ..store.codec import Recorded
    from ..store.log import Log


@dataclass(frozen=True)
class Story:
    """A run as it is told."""

    run: TaskRun
    history: Sequence[Recorded]
    """Its events, with words in place of content keys of names."""
    entries: Sequence[dict[str, Any]]
    """Each event as JSON, in the same order, with its texts; a text that was erased is None."""

    def to_json(self) -> dict[str, Any]:
        """The whole run, as ``grokputer show --json`` prints it."""
        events = [{key: value for key, value in entry.items() if key != "run"} for entry in self.entries]
        return {"run": self.run.id.hex, **token_counts(self.run), "events": events}


def tell_run(log: Log, id: UUID) -> Story:
    """The story of the run, which has begun."""
    recorded_history = log.history(id)
    history = [log.reveal(recorded) for recorded in recorded_history]
    entries = [_describe(log, *recorded) for recorded in history]
    withdrawn = {entry.event.correction for entry in history if isinstance(entry.event, CorrectionWithdrawn)}
    for recorded, entry in zip(history, entries, strict=True):
        if isinstance(recorded.event, TaskCorrected):
            entry["is_withdrawn"] = recorded.event.reference in withdrawn
    run = TaskRun.project(id, (recorded.event for recorded in recorded_history))
    return Story(run, history, entries)


def token_counts(run: TaskRun) -> dict[str, int | None]:
    """Tokens of all prompts and of all answers as JSON has them, None where they are unknown."""
    prompt, answer = run.tokens or (None, None)
    return {"prompt_tokens": prompt, "completion_tokens": answer}


def _describe(log: Log, position: int, event: Event) -> dict[str, Any]:
    """The event as JSON with its content in words; content that was erased is None."""
    entry = {
        "run": event.originator_id.hex,
        "position": position,
        "time": event.time.isoformat(),
        "event": event.TOPIC,
        "actor": event.actor,
        **own_fields(event),
    }
    match event:
        case TaskStarted() if event.is_in_words:
            entry["task"] = log.get_content(event.task)
        case SessionImported():
            session = log.get_content(event.session)
            entry["session"] = None if session is None else json.loads(session)
        case StepTaken():
            prompt = log.get_content(event.prompt)
            entry["prompt"] = None if prompt is None else json.loads(prompt)
            entry["answer"] = log.get_content(event.answer)
            entry["tools"], entry["tool_calls"] = (
                read_stored(key, log.get_content) for key in (event.tools, event.tool_calls)
            )
        case TaskRated() if event.comment is not None:
            entry["comment"] = log.get_content(event.comment)
        case TaskGraded():
            prompt = log.get_content(event.prompt)
            entry["prompt"] = None if prompt is None else json.loads(prompt)
            entry["reason"] = None if event.reason is None else log.get_content(event.reason) or ERASED
        case TaskCorrected():
            kept = log.get_content(event.correction)
            rows = [] if kept is None else json.loads(kept)
            done = [
                show_answer(row["completion"], row.get("tool_calls", ())) for row in rows if not row.get("is_instead")
            ]
            entry["correction"] = None if kept is None else done
    return entry
