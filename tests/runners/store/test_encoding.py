"""What could not be read back is never stored: each kind of field, and what becomes of the log and the run."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from given import OFFERED
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.errors import BadText, LogError
from grokputer.domain.events import Event, StepTaken, TaskFailed, TaskStarted
from grokputer.domain.settings.settings import Policy
from grokputer.runners.store.codec import decode, decode_for_fold, decode_timestamp, encode
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.texts.words import check_fields

ID = UUID(int=7)
COMMON: dict[str, Any] = {
    "originator_id": ID, "originator_version": 1, "time": datetime(2025, 3, 1, tzinfo=UTC), "actor": "ada", "caused_by": None,
}  # fmt: skip
LANE: dict[str, Any] = {
    "role": "action", "arm": "stable", "adapter": None, "rollout": None, "others": (), "session": None,
}  # fmt: skip
STARTED: dict[str, Any] = {
    "environment": "chat",
    "capabilities": OFFERED["chat"],
    "task": "sha256:aa",
    "seed": 1,
    "base": "tiny",
    "policy": {"a": [1, {"b": 0.5}]},
    "inputs": (),
}
STEP: dict[str, Any] = {
    "step": 1, "role": "action", "prompt": "sha256:aa", "answer": "sha256:bb", "error": "", "model_ms": 40,
    "environment_ms": 3, "prompt_tokens": 90, "completion_tokens": 8, "tools": None, "tool_calls": None,
    "kind": "act", "goal": 0, "found": "", "model": None, "screen": None, "confidence": None, "completion": None,
}  # fmt: skip
ENDED: dict[str, Any] = {
    "steps": 1, "duration_ms": 9, "reward": 0.5, "implicit_stars": 1, "reason": "wrong", "detail": "", "fault": None,
    "is_judged": True,
}  # fmt: skip


def started(**changes: Any) -> Event:
    return TaskStarted(**{**COMMON, **LANE, **STARTED, **changes})


def step(**changes: Any) -> Event:
    return StepTaken(**{**COMMON, **STEP, **changes})


def ended(**changes: Any) -> Event:
    return TaskFailed(**{**COMMON, **LANE, **ENDED, **changes})


def test_a_fact_of_good_fields_is_stored_and_reads_back_equal() -> None:
    for fact in (started(), step(), step(prompt_tokens=None, completion_tokens=None), ended(reward=1)):
        assert decode(fact.TOPIC, ID.hex, 1, encode(fact)) == fact


@pytest.mark.parametrize(
    ("fact", "field"),
    [
        (step(environment_ms=None), "environment_ms"),
        (step(model_ms=4.5), "model_ms"),
        (step(prompt_tokens=2**63), "prompt_tokens"),
        (step(prompt_tokens=-(10**5000)), "prompt_tokens"),
        (step(model_ms="40"), "model_ms"),
        (step(model_ms=True), "model_ms"),
        (step(completion_tokens=float("nan")), "completion_tokens"),
        (step(error=None), "error"),
        (ended(reward=float("nan")), "reward"),
        (ended(reward=float("inf")), "reward"),
        (ended(reward=None), "reward"),
        (ended(others=({"role": "recovery"},)), "others"),
        (ended(actor=None), "actor"),
        (ended(detail=b"bytes"), "detail"),
        (started(policy={"a": {"b": float("nan")}}), "policy"),
        (started(policy={"a": [float("-inf")]}), "policy"),
        (started(policy={1: "one"}), "policy"),
        (started(policy={"a": object()}), None),
        (started(policy=None), "policy"),
        (step(time=datetime(2025, 3, 1)), "time"),
        (step(caused_by=5), "caused_by"),
    ],
)
def test_a_fact_that_could_not_be_read_back_is_refused_in_one_line_with_its_field(
    fact: Event, field: str | None
) -> None:
    with pytest.raises(LogError, match=f"{fact.TOPIC} is not stored.*{field or ''}") as refused:
        encode(fact)
    assert "\n" not in str(refused.value)
    str(refused.value).encode()


@pytest.mark.parametrize(
    ("fact", "field"),
    [
        (step(error="half \ud83d"), "error"),
        (started(policy={"a": {"b": "half \udc00"}}), "policy"),
        (started(policy={"half \udc00": 1}), "policy"),
    ],
)
def test_a_fact_with_text_that_is_not_unicode_is_refused_with_its_field(fact: Event, field: str) -> None:
    with pytest.raises(UnicodeEncodeError):
        encode(fact)
    with pytest.raises(BadText, match=f"{field} of {fact.TOPIC} is not valid Unicode"):
        check_fields(fact)


def test_nothing_of_what_is_stored_together_is_stored_where_one_fact_could_not_be_read_back(tmp_path: Path) -> None:
    ledger = Ledger.create(tmp_path / "events.db")
    context = ledger.context("ada")
    good, bad = TaskRun(uuid4()), TaskRun(uuid4())
    for run in (good, bad):
        run.start(context, **{name: value for name, value in {**LANE, **STARTED}.items() if name != "others"})
    bad.take_step(
        context, **{**{name: value for name, value in STEP.items() if name != "step"}, "environment_ms": None}
    )
    with pytest.raises(LogError, match="environment_ms"):
        ledger.store(good, bad)
    assert list(ledger.read()) == []
    ledger.store(good)
    assert [it.event.TOPIC for it in ledger.read()] == ["TaskStarted"]
    ledger.write(TaskRun, good.id, lambda it: it.fail("wrong", "", 1, 0.0, Policy(), context))
    assert ledger.get(TaskRun, good.id).ended is not None


@pytest.mark.parametrize("topic", ["TaskStarted", "StepTaken"])
def test_an_event_that_is_nested_too_deep_is_damaged(topic: str) -> None:
    deep = b'{"v":1,"time":' + b"[" * 9999 + b"]" * 9999 + b"}"
    for read in (decode, decode_for_fold, decode_timestamp):
        with pytest.raises(LogError, match="is damaged"):
            read(topic, ID.hex, 1, deep)
