"""Whatever stands in a session file: one line says why it is refused, or its runs can be read, explained and exported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from command_line import call, count, document
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grokputer.runners.archive.integrity import verify
from grokputer.runners.archive.replay import replay
from grokputer.runners.improvement.repeated_decisions import decide_again
from grokputer.runners.sessions.imports import KEYS
from grokputer.runners.sessions.steps import STEP_KEYS
from grokputer.runners.store.ledger import Ledger

WORDS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
"""Text that any file can hold: with zero characters, and with what moves a cursor or turns the line round."""

ODD = st.one_of(
    st.text(st.characters(), max_size=20),  # with lone surrogates
    st.sampled_from(
        ["", "3", "٣", "0_3", "assistant", "2025-05-01T10:00:00Z", "0001-01-01", "9999-12-31T23:59:59-23:59"]
    ),
)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-1, 6), st.just(10**30), st.floats(), st.just(1e308), WORDS, ODD
)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3), max_leaves=6
)
IN_FORM = st.builds(
    lambda id, name, arguments: {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}},
    st.sampled_from(["a", "b"]), st.sampled_from(["f", "g h"]), st.sampled_from(["{}", '{"x": "\\ud83d"}', '{"x": [1]}', "x"]),
)  # fmt: skip
"""Calls in OpenAI's form, and some that only look so."""
CALLS = IN_FORM | st.fixed_dictionaries({"name": WORDS}, optional={"arguments": WORDS, "result": ANYTHING})


def objects(keys: tuple[str, ...], **likely: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Objects that have mostly what is expected, and one in four with anything under one of the keys that are read."""
    expected = st.fixed_dictionaries({}, optional=likely)
    odd = st.tuples(expected, st.sampled_from(keys), ANYTHING).map(lambda it: {**it[0], it[1]: it[2]})
    return st.integers(0, 3).flatmap(lambda number: expected if number else odd)


PROMPT = st.lists(st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant"]), "content": WORDS}), min_size=1)
STEPS = objects(
    STEP_KEYS, thought=WORDS, action=WORDS | CALLS, observation=ANYTHING, screenshot_summary=WORDS,
    tool_calls=st.lists(CALLS, max_size=2), prompt=PROMPT, timestamp=st.floats(0, 2e12),
)  # fmt: skip
MESSAGES = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "tool"]), "content": WORDS},
    optional={
        "tool_calls": st.lists(CALLS, max_size=2),
        "tool_call_id": st.sampled_from(["a", "b", ""]),
        "name": st.sampled_from(["f", "x\x1b"]),
    },
)
SESSIONS = st.tuples(
    WORDS,
    objects(
        (*KEYS, "other"), user_rating=st.sampled_from([1, 3, "5", None]), success=st.booleans() | st.none(),
        iterations=st.lists(STEPS, max_size=2) | st.lists(MESSAGES, max_size=3) | st.integers(0, 5),
        session_id=WORDS, feedback_comment=WORDS, what_went_wrong=st.lists(WORDS, max_size=2), lora_version=WORDS,
    ),
).map(lambda it: {"task": it[0], **it[1]})  # fmt: skip
FILES = st.one_of(
    SESSIONS.map(json.dumps), st.lists(SESSIONS, max_size=3).map(json.dumps),
    st.lists(SESSIONS, max_size=3).map(lambda rows: "\n".join(map(json.dumps, rows))),
    ANYTHING.map(json.dumps), st.text(max_size=40),
)  # fmt: skip


def is_one_line(text: str) -> bool:
    return len(text.splitlines()) == 1 and text.startswith("grokputer: ") and text.rstrip("\n").isprintable()


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Ledger.create(tmp_path_factory.mktemp("fuzz") / "events.db").path


@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(text=FILES, suffix=st.sampled_from([".json", ".jsonl"]))
def test_any_file_is_refused_in_one_line_or_becomes_runs_that_can_be_read(db: Path, text: str, suffix: str) -> None:
    file = db.parent / f"any{suffix}"
    file.write_text(text, encoding="utf-8")
    before = count(db)
    result = call("runs", "import", file, db=db)
    if result.exit_code:
        assert result.exit_code == 1
        assert is_one_line(result.stderr), result.stderr
        assert count(db) == before
    assert all(line.isprintable() for line in result.stderr.splitlines())


def test_the_log_that_all_of_them_left_is_whole_and_its_runs_can_be_exported_and_read_again(db: Path) -> None:
    ledger = Ledger.open(db)
    verify(ledger)
    assert replay(ledger).is_equal
    assert not [it for it in decide_again(ledger) if it.difference]
    runs = document("runs", "--limit", 10_000, db=db)
    assert len(runs) > 30
    for run in runs[:10]:
        assert document("show", run["id"], db=db)["events"][-1]["event"] in (
            "TaskSucceeded",
            "TaskFailed",
            "TaskAnswered",
            "TaskRated",
        )
        assert call("why", run["id"], db=db).exit_code == 0
    out = db.parent / f"out-{uuid4().hex}"
    written = call("runs", "export", out, db=db)
    assert written.exit_code == 0, written.output
    other = Ledger.create(db.parent / "other.db").path
    assert call("runs", "import", out, db=other).exit_code == 0
    ours, theirs = ({run["id"] for run in document("runs", "--limit", 10_000, db=it)} for it in (db, other))
    assert theirs == ours
