"""Whatever a program gives as its run: one line says why it is refused, or the log says the same as the program did."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import grokputer
from grokputer import GrokputerError, LogError, OpenLog, ProgramRun, ProgramStep, RecordedRun
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.events import TaskFailed
from grokputer.runners.archive.integrity import verify
from grokputer.runners.archive.replay import replay
from grokputer.runners.sessions.comparing import read_back
from grokputer.runners.sessions.program_runs import check_run
from grokputer.runners.store.ledger import Ledger

WORDS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
"""Text that any file can hold, with zero characters and what moves a cursor."""

KEY = f"sha256:{'0' * 64}"
"""What looks like a content key."""

ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 6), st.floats(), st.binary(max_size=3), st.text(st.characters(), max_size=6),
    st.sampled_from([10**13, 10**30, 10**5000, -1, 1.0, "3", "", " ", "\n", "base", "imported", "grokputer", KEY]),
    st.lists(st.integers(0, 1) | st.text(max_size=2), max_size=2), st.dictionaries(st.text(max_size=2), st.none(), max_size=1),
    st.builds(object),
)  # fmt: skip
COUNTS = st.none() | st.integers(0, 10**9)
MESSAGES = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["system", "user", "assistant"]), "content": WORDS}),
    min_size=1, max_size=3,
)  # fmt: skip
FUNCTIONS = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from(["f", "g.h", "a-b_c"])},
        optional={"description": WORDS, "parameters": st.dictionaries(WORDS, COUNTS | WORDS | st.floats(0, 1), max_size=2)},
    ),
    max_size=2, unique_by=lambda it: str(it["name"]),
).map(lambda given: [{"type": "function", "function": it} for it in given])  # fmt: skip
CALLS = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.sampled_from(["f", "g.h", "x" * 128]),
            "arguments": st.dictionaries(WORDS, COUNTS | WORDS).map(json.dumps),
        }
    ),
    max_size=2,
).map(lambda given: [{"id": f"call {n}", "type": "function", "function": it} for n, it in enumerate(given)])  # fmt: skip
RIGHT: dict[str, st.SearchStrategy[Any]] = {
    "prompt": WORDS | MESSAGES, "answer": WORDS, "error": WORDS, "duration_ms": COUNTS, "prompt_tokens": COUNTS,
    "completion_tokens": COUNTS, "tools": FUNCTIONS, "tool_calls": CALLS,
}  # fmt: skip


def one_in_four_odd(required: dict[str, Any], optional: dict[str, Any], names: list[str]) -> st.SearchStrategy[Any]:
    """Mostly what is expected, and one in four with anything in one of the fields."""
    expected = st.fixed_dictionaries(required, optional=optional)
    odd = st.tuples(expected, st.sampled_from(names), ODD).map(lambda it: {**it[0], it[1]: it[2]})
    return st.integers(0, 3).flatmap(lambda number: expected if number else odd)


STEPS = one_in_four_odd(
    {name: RIGHT.pop(name) for name in ("prompt", "answer")}, RIGHT, [field.name for field in fields(ProgramStep)]
).map(lambda given: ProgramStep(**given))
RATED: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"stars": st.integers(1, 5)}, optional={"comment": WORDS, "issues": st.lists(WORDS, max_size=2), "rated_by": WORDS}
)
ENDED: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [{}, {"duration_ms": 0}, {"succeeded": False, "reason": "timeout", "detail": 'it\'s "late"'}]
)
RUNS = st.tuples(
    one_in_four_odd(
        {"environment": st.just("support"), "task": WORDS},
        {"steps": st.lists(STEPS, max_size=2), "session": WORDS, "adapter": st.none(), "id": WORDS},
        [field.name for field in fields(ProgramRun)],
    ),
    st.builds(dict[str, Any]) | RATED,
    ENDED,
).map(lambda parts: ProgramRun(**{**parts[1], **parts[2], **parts[0]}))  # fmt: skip


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenLog]:
    with grokputer.open(tmp_path_factory.mktemp("fuzz") / "events.db", create=True, actor="shop") as opened:
        yield opened


def in_words(log: OpenLog, run: TaskRun) -> list[Any]:
    """What the log says of the run, in words."""
    started, ended = run.started, run.ended
    assert started is not None
    assert ended is not None
    failed = ended if isinstance(ended, TaskFailed) else None
    steps = [
        [json.loads(log.text(it.prompt) or ""), log.text(it.answer), it.error and log.text(it.error), it.model_ms,
         it.prompt_tokens, it.completion_tokens,
         *(json.loads(log.text(key) or "") if key else [] for key in (it.tools, it.tool_calls))]
        for it in run.steps
    ]  # fmt: skip
    ratings = [
        [it.stars, it.comment and log.text(it.comment), [log.text(issue) or issue for issue in it.issues], it.step,
         log.text(it.actor)]
        for it in run.ratings
    ]  # fmt: skip
    own = [started.environment, log.text(started.task), started.role, started.session, ended.duration_ms]
    return [own, failed and failed.reason, failed and failed.detail and log.text(failed.detail), steps, ratings]


def as_given(run: ProgramRun) -> list[Any]:
    """The same of the run as the program gave it."""
    steps = [
        [[{"role": "user", "content": it.prompt}] if isinstance(it.prompt, str) else list(it.prompt), it.answer or "", it.error,
         it.duration_ms, it.prompt_tokens, it.completion_tokens, list(it.tools or ()), list(it.tool_calls or ())]
        for it in run.steps
    ]  # fmt: skip
    issues = [issue.strip() for issue in run.issues if issue.strip()]
    rating = [int(run.stars or 0), run.comment or None, issues, run.fault_step, (run.rated_by or "shop").strip()]
    reason = None if run.succeeded is not False else run.reason or "wrong"
    own = [run.environment, run.task, run.role, run.session, run.duration_ms]
    return [
        own,
        reason,
        None if run.succeeded is not False else run.detail,
        steps,
        [] if run.stars is None else [rating],
    ]


def try_to_record(log: OpenLog, run: ProgramRun) -> RecordedRun | GrokputerError:
    try:
        return log.record(run)
    except GrokputerError as error:
        return error


@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(run=RUNS)
def test_any_run_is_refused_in_one_line_or_the_log_says_the_same(log: OpenLog, run: ProgramRun) -> None:
    before, recorded = log.position, try_to_record(log, run)
    if isinstance(recorded, GrokputerError):
        assert not isinstance(recorded, LogError), str(recorded)
        assert str(recorded).isprintable(), str(recorded)
        assert len(str(recorded)) < 500
        assert log.position == before
        return
    ledger = Ledger.open(log._ledger.path)
    if recorded.is_new:
        task_run = ledger.get(TaskRun, recorded.run)
        assert in_words(log, task_run) == as_given(run)
        checked = check_run(run)
        unrated: dict[str, Any] = {
            "stars": None,
            "comment": None,
            "issues": (),
            "fault_step": None,
            "rated_by": None,
            "id": None,
        }
        assert read_back(ledger, task_run) == replace(checked, **unrated)
    if run.id is not None:
        assert log.record(run).position == recorded.position
    ledger.close()


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_batch_with_a_refused_run_at_any_place_records_none(log: OpenLog, at: int) -> None:
    runs = [ProgramRun("support", f"order {number}") for number in range(2)]
    runs.insert(at, ProgramRun("support", "order 9", duration_ms=-1))
    before = log.position
    with pytest.raises(GrokputerError, match=f"run {at + 1} of 3: duration_ms is -1"):
        log._recorder(None).record(runs)
    assert log.position == before


def test_the_log_that_all_of_them_left_is_whole(log: OpenLog) -> None:
    ledger = Ledger.open(log._ledger.path)
    assert verify(ledger).fault is None
    assert replay(ledger).is_equal
    assert len(log.runs(1000)) > 50
    ledger.close()
