"""Custom tools, and functions in the form before tools, pass through to an endpoint and back, and are recorded as functions."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from chat_server import completion
from command_line import document
from gateways import RawUpstream, serving

from grokputer.domain.aggregates.run import TaskRun
from grokputer.runners.store.log import Log

MakeLog = Callable[[str], Path]
ASK: dict[str, Any] = {"role": "user", "content": "How warm is it in Rome?"}
GRAMMAR = {"type": "grammar", "grammar": {"syntax": "regex", "definition": "SELECT .*"}}
CUSTOM_TOOL = {"type": "custom", "custom": {"name": "sql", "description": "asks", "format": GRAMMAR}}
CUSTOM_CALL = {"id": "c1", "type": "custom", "custom": {"name": "sql", "input": "SELECT 1"}}
AS_FUNCTION = {"id": "c1", "type": "function", "function": {"name": "sql", "arguments": '{"input": "SELECT 1"}'}}
WEATHER = {"name": "weather", "parameters": {"type": "object"}}
OLD_CALL = {"name": "weather", "arguments": '{"city": "Rome"}'}
IN_TWO: list[dict[str, Any]] = [
    {**CUSTOM_CALL, "index": 0, "custom": {"name": "sql", "input": "SELECT"}},
    {"index": 0, "custom": {"input": " 1"}},
]


def stream(*deltas: dict[str, Any]) -> bytes:
    chunks: list[Any] = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})
    return "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks).encode() + b"data: [DONE]\n\n"


def recorded(path: Path) -> tuple[Any, Any, Any]:
    """Prompt, tools and calls of the only run, as the log has them."""
    log = Log.open(path)
    [run] = document("runs", db=path)
    step = log.get(TaskRun, UUID(run["id"])).steps[0]
    texts = [None if key is None else log.get_content(key) for key in (step.prompt, step.tools, step.tool_calls)]
    prompt, tools, calls = (None if text is None else json.loads(text) for text in texts)
    return prompt, tools, calls


@pytest.mark.parametrize(
    ("body", "answer", "calls"),
    [
        ({"tools": [CUSTOM_TOOL]}, {"content": None, "tool_calls": [CUSTOM_CALL]}, [AS_FUNCTION]),
        (
            {"functions": [WEATHER]},
            {"content": None, "function_call": OLD_CALL},
            [{"id": "function_call_0", "type": "function", "function": OLD_CALL}],
        ),
    ],
)
@pytest.mark.parametrize("is_stream", [False, True])
def test_calls_in_other_forms_come_back_as_they_are_and_are_recorded_as_functions(
    log_before: MakeLog, body: dict[str, Any], answer: dict[str, Any], calls: Any, is_stream: bool
) -> None:
    given = completion("", choices=[{"index": 0, "finish_reason": "tool_calls", "message": answer}])
    if is_stream:
        deltas = [{"tool_calls": [call]} for call in IN_TWO] if "tools" in body else [answer]
        given = stream(*deltas)
    with RawUpstream(given, kind="text/event-stream" if is_stream else "application/json") as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway:
            asked: dict[str, Any] = {"model": "action", "messages": [ASK], "stream": is_stream, **body}
            status, _, told = gateway.ask_text("/chat/completions", asked)
        [sent] = endpoint.asked
    assert (status, told) == (200, given.decode())
    assert {name: sent[name] for name in body} == body
    _, tools, found = recorded(path)
    assert found == calls
    [tool] = tools
    assert tool["function"]["name"] == calls[0]["function"]["name"] and tool["type"] == "function"
    assert "tools" not in body or tool["function"]["format"] == GRAMMAR


HISTORIES = [
    (
        [ASK, {"role": "assistant", "content": None, "tool_calls": [CUSTOM_CALL]},
         {"role": "tool", "tool_call_id": "c1", "content": "1"}],
        [ASK, {"role": "assistant", "content": "", "tool_calls": [AS_FUNCTION]},
         {"role": "tool", "content": "1", "tool_call_id": "c1"}],
    ),
    (
        [ASK, {"role": "assistant", "content": None, "function_call": OLD_CALL},
         {"role": "function", "name": "weather", "content": "20 degrees"}],
        [ASK, {"role": "assistant", "content": "",
               "tool_calls": [{"id": "function_call_1", "type": "function", "function": OLD_CALL}]},
         {"role": "tool", "content": "20 degrees", "tool_call_id": "function_call_1"}],
    ),
    (
        [ASK, {"role": "function", "name": "weather", "content": "20 degrees"}],
        [ASK, {"role": "system", "content": "[function weather]\n20 degrees"}],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("messages", "kept"), HISTORIES)
def test_a_conversation_with_calls_in_other_forms_passes_through_and_is_recorded_whole(
    log_before: MakeLog, messages: Any, kept: Any
) -> None:
    with RawUpstream(completion("20 degrees."), kind="application/json") as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway:
            status, *_ = gateway.ask("/chat/completions", {"model": "action", "messages": messages})
        assert endpoint.asked[0]["messages"] == messages
    assert status == 200
    assert recorded(path)[0] == kept
    assert document("runs", db=path)[0]["task"] == ASK["content"]
