"""Events to bytes and back: one JSON object per event, under a topic from a closed registry.

A row's topic is only looked up in ``domain.events.EVENTS``: an untrusted ``events.db`` cannot name code to import.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from datetime import datetime
from functools import lru_cache
from operator import attrgetter
from typing import Annotated, Any, NamedTuple, TypedDict, get_args, get_type_hints
from uuid import UUID

import msgspec

from ...domain.errors import LogError
from ...domain.events import EVENTS, Event, StepTaken, Timestamped
from ...domain.rules.roles import GOOD_STARS
from ...domain.settings.keys import current_key
from ...projections.state.open_runs import StepFigures
from .port import LARGEST


def _rated_alone(state: dict[str, Any]) -> dict[str, Any]:
    fault = state["role"] if state["stars"] < GOOD_STARS else None
    return {**state, "others": [], "step": None, "fault": fault}


def _failed_alone(state: dict[str, Any]) -> dict[str, Any]:
    fault = state["role"] if state["reason"] != "environment" else None
    return {**state, "others": [], "fault": fault}


def _alerted_by_a_rollout(state: dict[str, Any]) -> dict[str, Any]:
    return {**state, "kind": "canary failed" if state["severity"] == "critical" else "canary inconclusive"}


def _with_capabilities(state: dict[str, Any]) -> dict[str, Any]:
    """Two environments existed then: questions in words, and tasks on pages with all other capabilities."""
    is_question = state["environment"] == "chat"
    return {**state, "capabilities": ["question"] if is_question else ["verifies", "seeds", "demonstrations"]}


def _with_unknown_tokens(state: dict[str, Any]) -> dict[str, Any]:
    """A prompt of 0 tokens always meant an unknown count: every prompt has tokens."""
    return state if state["prompt_tokens"] else {**state, "prompt_tokens": None, "completion_tokens": None}


STEP_OF_VERSION_5 = {"kind": "act", "goal": 0, "found": "", "model": None, "screen": None, "confidence": None}
"""What version 6 of ``StepTaken`` adds, for the steps before it."""

UPCASTERS: dict[tuple[str, int], Callable[[dict[str, Any]], dict[str, Any]]] = {
    # A run had one role, which made all its steps and got all attributions.
    ("TaskStarted", 1): lambda state: {**state, "others": []},
    ("StepTaken", 1): lambda state: {**state, "role": ""},
    ("StepTaken", 2): _with_unknown_tokens,
    # An error was a sentence, and an unknown duration was 0.
    ("StepTaken", 3): lambda state: state,
    # Steps had no functions.
    ("StepTaken", 4): lambda state: {**state, "tools": None, "tool_calls": None},
    # Every step was an act, and no screen was kept.
    ("StepTaken", 5): lambda state: {**state, **STEP_OF_VERSION_5},
    # No answer was kept as it was given.
    ("StepTaken", 6): lambda state: {**state, "completion": None},
    ("TaskSucceeded", 1): lambda state: {**state, "others": []},
    ("TaskFailed", 1): _failed_alone,
    ("TaskRated", 1): _rated_alone,
    ("TaskCorrected", 1): lambda state: {**state, "others": []},
    # Only the start held the session.
    ("TaskStarted", 2): lambda state: state,
    ("TaskStarted", 3): _with_capabilities,
    ("TaskStarted", 4): lambda state: {**state, "inputs": []},
    ("TaskSucceeded", 2): lambda state: {**state, "session": None},
    ("TaskSucceeded", 3): lambda state: state,
    ("TaskFailed", 2): lambda state: {**state, "session": None},
    # Every end was a success or a failure.
    ("TaskFailed", 3): lambda state: {**state, "is_judged": True},
    ("TaskRated", 2): lambda state: {**state, "session": None},
    ("TaskCorrected", 2): lambda state: {**state, "session": None},
    ("RatingThresholdBreached", 1): lambda state: {**state, "rule": "threshold", "message": "", "numbers": {}},
    ("RolloutStarted", 1): lambda state: {**state, "rule": "", "terms": {}, "unit": "run"},
    ("TrainingDeclined", 1): lambda state: {**state, "up_to": 0},
    ("AdapterRejected", 1): lambda state: {**state, "numbers": {}},
    ("AlertRaised", 1): _alerted_by_a_rollout,
    ("TrainingStarted", 1): lambda state: {**state, "adjusted": {}, "choices": []},
    # All trainings ran on the worker's machine.
    ("TrainingStarted", 2): lambda state: {**state, "launcher": "", "job": ""},
    ("TrainingCompleted", 1): lambda state: {**state, "reasons": {}},
    ("TrainingCompleted", 2): lambda state: {**state, "precision": ""},
    # All weights came home.
    ("TrainingCompleted", 3): lambda state: {**state, "endpoint": "", "model": "", "billed_tokens": 0},
    ("AdapterRegistered", 1): lambda state: {**state, "endpoint": "", "model": ""},
    ("ExamplesImported", 1): lambda state: {**state, "reasons": {}},
    ("ExamplesImported", 2): lambda state: {**state, "pictures": []},
    # Only the actor said who decided, and alerts were not resolved.
    ("AlertRaised", 2): lambda state: {**state, "by": ""},
    ("RolloutPaused", 1): lambda state: {**state, "cause": ""},
    ("AdapterPromoted", 1): lambda state: {**state, "cause": ""},
    ("AdapterRolledBack", 1): lambda state: {**state, "cause": ""},
    ("CanaryWeightSet", 1): lambda state: {**state, "reason": ""},
    ("CanaryWeightSet", 2): lambda state: {**state, "sent_as": None},
    ("RolloutStarted", 2): lambda state: {**state, "edition": 1},
    ("PolicyChanged", 1): lambda state: {**state, "is_unset": False},
    # Some keys were renamed; the version makes older programs refuse the new names.
    ("PolicyChanged", 2): lambda state: {**state, "key": current_key(state["key"])},
    # No value was the text of a file.
    ("PolicyChanged", 3): lambda state: {**state, "document": None},
    # Nobody was told that an adapter with runs is not served.
    ("AdapterUnserved", 1): lambda state: {**state, "serves": ""},
    ("ContentErased", 1): lambda state: {**state, "erased": ""},
}
"""From (topic, version) to the function that lifts a stored state of that version to the next."""


UNREADABLE = (msgspec.DecodeError, ValueError, TypeError, AttributeError, RecursionError)
"""The errors of a state that is no event's: no JSON, other fields, or nested too deep."""


class Recorded(NamedTuple):
    """An event with its ``position``: its place in the one log, from 1."""

    position: int
    event: Event


InAZone = Annotated[datetime, msgspec.Meta(tz=True)]
"""A timezone-aware datetime."""


def encode(event: Event) -> bytes:
    """The stored state: the event's own fields and ``v``, its class version; aggregate and version are columns.

    The state is read back with the types of ``decode``. Raises ``LogError`` unless that gives the same fields, and
    ``UnicodeEncodeError`` for text that is not valid Unicode.
    """
    form = _FORMS.get(event.TOPIC) or _make_form(event.TOPIC)
    check_numbers(event)
    state = dict(zip(form.names, form.values(event), strict=True), v=form.version)
    try:
        stored = msgspec.json.encode(state, enc_hook=_plain)
        read = form.read(stored)
    except UnicodeEncodeError:
        raise  # Text that is not valid Unicode: the caller names the field.
    except (msgspec.MsgspecError, ValueError, TypeError, OverflowError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise LogError(f"{event.TOPIC} is not stored, because it could not be read back: {reason}") from None
    if read != state:
        changed = ", ".join(sorted(field for field in state if read[field] != state[field]))
        raise LogError(f"{event.TOPIC} is not stored: JSON does not preserve {changed}")
    return stored


def check_numbers(event: Event) -> None:
    """Raise ``LogError`` for a whole number that a database has no room for: the SQL tables could not hold the event."""
    for name in (_FORMS.get(event.TOPIC) or _make_form(event.TOPIC)).numbers:
        value = vars(event)[name]
        for number in value.values() if isinstance(value, dict) else (value,):
            if isinstance(number, int) and not -LARGEST <= number <= LARGEST:
                raise LogError(
                    f"{event.TOPIC} is not stored: {name} has a number that is too large; allowed are {-LARGEST} to {LARGEST}"
                )


def _plain(value: Any) -> str:
    """A content key that still carries its text, as a plain string."""
    if isinstance(value, str):
        return str(value)
    raise TypeError(f"a fact cannot hold {type(value).__name__}")


def decode(topic: str, originator_id: str, originator_version: int, state: bytes) -> Event:
    """The event of a stored row.

    Raises ``LogError`` for an unknown topic or version, and for a damaged state.
    """
    form = _FORMS.get(topic) or _make_form(topic)
    try:
        values = form.read(state)
        values["originator_id"], values["originator_version"] = _id(originator_id), originator_version
    except UNREADABLE:
        # An earlier version, or damaged: the slower path below finds out which.
        return _decode_any(form.kind, originator_id, originator_version, state)
    if values.pop("v") != form.version:
        return _decode_any(form.kind, originator_id, originator_version, state)
    event = form.kind.__new__(form.kind)
    object.__setattr__(event, "__dict__", values)  # directly: an event is frozen, and has no other state
    return event


def decode_timestamp(topic: str, originator_id: str, originator_version: int, state: bytes) -> Timestamped:
    """Only the timestamp of a stored row's event. Raises ``LogError`` as ``decode`` does."""
    kind = EVENTS.get(topic)
    try:
        timestamp = _read_timestamp(state)
    except UNREADABLE:
        return decode(topic, originator_id, originator_version, state)
    if kind is None or timestamp.v > kind.VERSION:
        return decode(topic, originator_id, originator_version, state)
    return timestamp


def decode_for_fold(topic: str, originator_id: str, originator_version: int, state: bytes) -> Event | StepFigures:
    """The event, of a step only what the folds take from it. Raises ``LogError`` as ``decode`` does."""
    if topic != StepTaken.TOPIC:
        return decode(topic, originator_id, originator_version, state)
    try:
        step = _read_step(state)
    except UNREADABLE:
        return decode(topic, originator_id, originator_version, state)
    if step.v != StepTaken.VERSION:
        return decode(topic, originator_id, originator_version, state)
    step.run = originator_id
    return step


class _Timestamp(msgspec.Struct, gc=False):
    time: InAZone
    v: int


_read_timestamp = msgspec.json.Decoder(_Timestamp).decode
_read_step = msgspec.json.Decoder(StepFigures).decode


def _decode_any(cls: type[Event], originator_id: str, originator_version: int, state: bytes) -> Event:
    """The event of a state of any version."""
    try:
        data: dict[str, Any] = msgspec.json.decode(state)
        version = data.pop("v")
        if version > cls.VERSION:
            raise LogError(
                f"the log holds {cls.TOPIC} of version {version}, this program knows {cls.VERSION}; "
                "upgrade grokputer to read it"
            )
        for older in range(version, cls.VERSION):
            data = UPCASTERS[cls.TOPIC, older](data)
        data["originator_id"] = UUID(originator_id)
        data["originator_version"] = originator_version
        msgspec.convert(data["time"], InAZone)
        return msgspec.convert(data, cls)
    except (*UNREADABLE, KeyError) as error:
        raise LogError(
            f"event {originator_version} of {cls.TOPIC} {originator_id} is damaged ({error}); restore the log from a backup"
        ) from None


class _Form(NamedTuple):
    """How the current version of an event is written and read."""

    kind: type[Event]
    version: int
    names: tuple[str, ...]
    """Its own fields, in stored order; aggregate and version are columns."""
    numbers: tuple[str, ...]
    """Those that may have whole numbers."""
    values: Callable[[Event], tuple[Any, ...]]
    """The values of all those fields."""
    read: Callable[[bytes], dict[str, Any]]
    """From a stored state to its checked fields by name, and ``v``."""


_FORMS: dict[str, _Form] = {}
_id = lru_cache(4096)(UUID)  # The events of a run are mostly adjacent.


def _has_number(hint: Any) -> bool:
    """Whether a field of this type may have a whole number, itself or among the values of a dict."""
    return hint in (int, Any) or any(map(_has_number, get_args(hint)))


def _make_form(topic: str) -> _Form:
    kind = EVENTS.get(topic)
    if kind is None:
        raise LogError(
            f"the log holds an event {topic!r} that this version does not know; upgrade grokputer to read it"
        )
    hints = get_type_hints(kind) | {"time": InAZone}
    names = tuple(field.name for field in fields(kind) if field.name not in ("originator_id", "originator_version"))
    state = TypedDict("state", {**{name: hints[name] for name in names}, "v": int})  # type: ignore[misc]
    read: Callable[[bytes], Any] = msgspec.json.Decoder(state).decode
    numbers = tuple(name for name in names if _has_number(hints[name]))
    form = _FORMS[topic] = _Form(kind, kind.VERSION, names, numbers, attrgetter(*names), read)
    return form
