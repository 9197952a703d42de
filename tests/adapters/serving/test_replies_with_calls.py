"""An endpoint's calls of functions are read where functions were offered, whole or in parts; else the error says so."""

from __future__ import annotations

import json
from typing import Any

import pytest
from chat_server import ChatServer, completion
from offered import TALK, WEATHER, called

from grokputer.adapters.serving.remote import RemoteModel
from grokputer.adapters.serving.reply import BadReply, read_reply
from grokputer.adapters.serving.streamed_reply import StreamedReply
from grokputer.domain.errors import ModelError
from grokputer.domain.page.messages import Completion, Request
from grokputer.domain.page.tools import LONGEST


def reply(calls: Any, content: object = None) -> bytes:
    message = {"role": "assistant", "content": content, "tool_calls": calls}
    return completion(None, choices=[{"index": 0, "finish_reason": "tool_calls", "message": message}])


def chunk(*calls: Any, **delta: Any) -> str:
    return "data: " + json.dumps({"choices": [{"index": 0, "delta": {"tool_calls": list(calls), **delta}}]})


def streamed(*lines: str, has_tools: bool = True) -> Any:
    reply = StreamedReply(has_tools=has_tools)
    for line in (*lines, "data: [DONE]"):
        reply.read_event(line)
    return reply.end()


def test_a_question_with_tools_is_sent_with_them_and_answered_by_calls() -> None:
    with ChatServer(reply([called()])) as server:
        model = RemoteModel(server.url, "tiny")
        answers = [
            model.complete(TALK, tools=[WEATHER]),
            model.stream(Request(TALK, tools=[WEATHER]), lambda part: None),
            *model.complete_many([Request(TALK, tools=[WEATHER])]),
        ]
    for answer in answers:
        assert isinstance(answer, Completion)
        assert (answer.text, answer.tool_calls) == ("", (called(),))
    assert server.offered == [[WEATHER]] * 3
    assert server.conversations[0] == TALK


def test_a_call_where_nothing_was_offered_is_one_line_and_a_text_beside_it_is_the_answer() -> None:
    with ChatServer(reply([called()])) as server, pytest.raises(ModelError) as refused:
        RemoteModel(server.url, "tiny").complete(TALK)
    assert "its reply calls a function, and none was offered" in str(refused.value)
    assert server.offered == [None]
    assert read_reply(reply([called()], "22 C")).text == "22 C"


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ([{**called(), "index": 0}], [called()]),
        ([{"id": "a", "function": {"name": "weather"}}], [called("{}", id="a")]),
        ([{"id": "a", "type": "function", "function": {"name": "weather", "arguments": ""}}], [called("{}", id="a")]),
    ],
)
def test_what_servers_add_or_leave_out_changes_no_call(given: Any, read: Any) -> None:
    assert read_reply(reply(given, "I look."), has_tools=True).calls == tuple(read)


@pytest.mark.parametrize(
    "calls",
    [
        "call", {"0": called()}, [None], [{"id": "a"}], [called(name="\x1b[2J")], [called("[1]")], [called("{")],
        [called(), called()], [called('{"x": "\\ud800"}')], [called(json.dumps({"x": "x" * LONGEST}))],
        [called('{"x": ' + "[" * 10_000 + "]" * 10_000 + "}")], [{**called(), "id": 7}],
    ],
)  # fmt: skip
def test_a_call_in_another_form_is_no_answer(calls: Any) -> None:
    with pytest.raises(BadReply, match="has a call of a function that is not in OpenAI's form"):
        read_reply(reply(calls), has_tools=True)


def test_calls_that_come_in_parts_are_put_together() -> None:
    reply = streamed(
        chunk(content="I look."),
        chunk({"index": 0, "id": "call_a1", "type": "function", "function": {"name": "weather", "arguments": ""}}),
        chunk(
            {"index": 0, "function": {"arguments": '{"city": '}}, {"index": 1, "id": "b", "function": {"name": "now"}}
        ),
        chunk({"index": 0, "function": {"arguments": '"Rome"}'}}),
    )
    assert (reply.text, reply.calls) == ("I look.", (called(), called("{}", name="now", id="b")))


@pytest.mark.parametrize(
    ("calls", "has_tools", "reason"),
    [
        ([{"index": 0, **called()}], False, "calls a function, and none was offered"),
        ([{"index": -1, **called()}], True, "not in OpenAI's form"),
        ([{"index": 10**9, **called()}], True, "not in OpenAI's form"),
        ([{"index": 0, "id": "a", "function": {"name": "weather", "arguments": "{"}}], True, "not in OpenAI's form"),
        ([{"index": 0, "function": {"arguments": "x" * (LONGEST + 1)}}], True, "arguments that are too long"),
        (["call"], True, "not in OpenAI's form"),
    ],
)
def test_parts_that_make_no_call_are_refused(calls: Any, has_tools: bool, reason: str) -> None:
    with pytest.raises(BadReply, match=reason):
        streamed(chunk(*calls), has_tools=has_tools)
