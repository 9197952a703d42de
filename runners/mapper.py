"""Facts to bytes and back: one JSON object per event, under a topic from a closed registry.

A row's topic is only ever looked up in ``domain.events.EVENTS``: an untrusted ``events.db`` names no code to import.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any
from uuid import UUID

import msgspec

from ..domain.errors import LogError
from ..domain.events import EVENTS, Event
from ..domain.roles import GOOD_STARS


def _rated_alone(state: dict[str, Any]) -> dict[str, Any]:
    fault = state["role"] if state["stars"] < GOOD_STARS else None
    return {**state, "others": [], "step": None, "fault": fault}


def _failed_alone(state: dict[str, Any]) -> dict[str, Any]:
    fault = state["role"] if state["reason"] != "environment" else None
    return {**state, "others": [], "fault": fault}


def _alerted_by_a_rollout(state: dict[str, Any]) -> dict[str, Any]:
    return {**state, "kind": "canary failed" if state["severity"] == "critical" else "canary inconclusive"}


UPCASTERS: dict[tuple[str, int], Callable[[dict[str, Any]], dict[str, Any]]] = {
    # A run had one role, which made all its steps and answered for them.
    ("TaskStarted", 1): lambda state: {**state, "others": []},
    ("StepTaken", 1): lambda state: {**state, "role": ""},
    ("TaskSucceeded", 1): lambda state: {**state, "others": []},
    ("TaskFailed", 1): _failed_alone,
    ("TaskRated", 1): _rated_alone,
    ("TaskCorrected", 1): lambda state: {**state, "others": []},
    # The session stood in the start alone.
    ("TaskStarted", 2): lambda state: state,
    ("TaskSucceeded", 2): lambda state: {**state, "session": None},
    ("TaskFailed", 2): lambda state: {**state, "session": None},
    ("TaskRated", 2): lambda state: {**state, "session": None},
    ("TaskCorrected", 2): lambda state: {**state, "session": None},
    ("RatingThresholdBreached", 1): lambda state: {**state, "rule": "threshold", "message": "", "numbers": {}},
    ("RolloutStarted", 1): lambda state: {**state, "rule": "", "terms": {}, "unit": "run"},
    ("TrainingDeclined", 1): lambda state: {**state, "up_to": 0},
    ("AdapterRejected", 1): lambda state: {**state, "numbers": {}},
    ("AlertRaised", 1): _alerted_by_a_rollout,
}
"""(topic, version) to the function that lifts a stored state of that version to the next."""


@dataclass(frozen=True)
class Recorded:
    """An event where it stands: ``position`` is its place in the one log, from 1."""

    position: int
    event: Event


def encode(event: Event) -> bytes:
    """The stored state: the event's own fields and ``v``, its class version; aggregate and version are columns."""
    state = {field: getattr(event, field) for field in _fields(type(event))}
    state["v"] = event.VERSION
    return msgspec.json.encode(state)


def decode(topic: str, originator_id: str, originator_version: int, state: bytes) -> Event:
    """The event of a stored row.

    Raises ``LogError`` for a topic or version this program does not know, and for a state that is not what it says.
    """
    cls = EVENTS.get(topic)
    if cls is None:
        raise LogError(
            f"the log holds an event {topic!r} that this version does not know; upgrade grokputer to read it"
        )
    try:
        data: dict[str, Any] = msgspec.json.decode(state)
        version = data.pop("v")
        if version > cls.VERSION:
            raise LogError(
                f"the log holds {topic} of version {version}, this program knows {cls.VERSION}; upgrade grokputer to read it"
            )
        for older in range(version, cls.VERSION):
            data = UPCASTERS[topic, older](data)
        data["originator_id"] = UUID(originator_id)
        data["originator_version"] = originator_version
        return msgspec.convert(data, cls)
    except (msgspec.DecodeError, msgspec.ValidationError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise LogError(
            f"event {originator_version} of {topic} {originator_id} is damaged ({error}); restore the log from a backup"
        ) from None


_FIELDS: dict[type[Event], tuple[str, ...]] = {}


def _fields(cls: type[Event]) -> tuple[str, ...]:
    if cls not in _FIELDS:
        _FIELDS[cls] = tuple(f.name for f in fields(cls) if f.name not in ("originator_id", "originator_version"))
    return _FIELDS[cls]
