"""A request that comes again under its ``Idempotency-Key`` gets the same answer, whole, from any gateway of the log."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chat_server import completion
from command_line import document, lines, output
from gateways import RawUpstream, Served, make_key, serving

BODY: dict[str, Any] = {"model": "action", "messages": [{"role": "user", "content": "Say hello"}]}
KEY = {"Idempotency-Key": "k1"}
JSON = "application/json"
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}}
MakeLog = Callable[[str], Path]


def choice(index: int, text: str | None, finish: str, **more: Any) -> dict[str, Any]:
    return {
        "index": index,
        "finish_reason": finish,
        "logprobs": {"content": [{"token": text, "logprob": -0.5, "bytes": None, "top_logprobs": []}], "refusal": None},
        "message": {"role": "assistant", "content": text, **more},
    }


WHOLE = completion(
    "",
    model="tiny-2026",
    system_fingerprint="fp_1",
    weird={"a": [1]},
    choices=[
        choice(0, "Hel", "length", reasoning_content="as told"),
        choice(1, None, "stop", tool_calls=[CALL]),
        choice(2, "Hi", "content_filter", refusal="no"),
    ],
    usage={"prompt_tokens": 5, "completion_tokens": 7, "completion_tokens_details": {"reasoning_tokens": 3}},
)
"""An answer with everything that the log has no field for."""


def frames(*chunks: dict[str, Any]) -> bytes:
    head = {"id": "c-1", "object": "chat.completion.chunk", "model": "tiny-2026", "weird": 1}
    return "".join(f"data: {json.dumps({**head, **chunk})}\n\n" for chunk in chunks).encode() + b"data: [DONE]\n\n"


def part(index: int, finish: str | None = None, logprobs: Any = None, **delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}]}


def odds(token: str) -> dict[str, Any]:
    return {"content": [{"token": token, "logprob": -0.5, "bytes": None, "top_logprobs": []}]}


def called(index: int, arguments: str, **more: Any) -> dict[str, Any]:
    return {"index": index, "function": {"arguments": arguments}, **more}


STREAM = frames(
    part(0, role="assistant", content="Hel", logprobs=odds("Hel")),
    part(1, role="assistant", reasoning_content="which "),
    part(0, content="lo", logprobs=odds("lo")),
    part(1, reasoning_content="city?"),
    part(
        1, tool_calls=[{"index": 0, "id": "c1", "type": "function", "function": {"name": "weather", "arguments": ""}}]
    ),
    part(1, tool_calls=[called(0, '{"city": ')]),
    part(1, tool_calls=[called(0, '"Rome"}')]),
    part(0, finish="length"),
    part(1, finish="tool_calls"),
    {
        "choices": [],
        "usage": {"prompt_tokens": 5, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 2}},
    },
)


def told(body: str) -> dict[str, Any]:
    """What a client makes of the frames: what each choice says, why it ended, and the other fields."""
    found: dict[str, Any] = {"choices": {}}
    for line in body.split("\n\n"):
        if not line.startswith("data: {"):
            continue
        chunk = json.loads(line.removeprefix("data: "))
        found |= {name: value for name, value in chunk.items() if name != "choices"}
        for each in chunk["choices"]:
            said = found["choices"].setdefault(each["index"], {"calls": {}, "tokens": [], "finish": None})
            delta = each["delta"]
            for name in ("content", "reasoning_content", "refusal"):
                said[name] = said.get(name, "") + (delta.get(name) or "")
            for call in delta.get("tool_calls") or ():
                known = said["calls"].setdefault(call["index"], {"id": call.get("id"), "arguments": ""})
                known["arguments"] += call["function"]["arguments"]
            said["tokens"] += [odd["token"] for odd in (each.get("logprobs") or {}).get("content") or ()]
            said["finish"] = said["finish"] or each["finish_reason"]
    return found


def ask(gateway: Served, key: str = "", **more: Any) -> tuple[bool, str]:
    """Whether an earlier answer was given again, and the body."""
    status, headers, body = gateway.ask_text("/chat/completions", {**BODY, **more}, key=key, headers=KEY)
    assert status == 200, body
    return headers.get("x-grokputer-repeated") == "true", body


def test_a_repeated_answer_is_the_same_to_the_byte_after_a_restart_and_at_another_gateway(
    log_before: MakeLog,
) -> None:
    with RawUpstream(WHOLE, kind=JSON) as endpoint:
        path = log_before(endpoint.url)
        key = make_key(path)
        with serving(path) as gateway, serving(path) as other:
            asked = [ask(it, key, n=3, tools=[TOOL]) for it in (gateway, gateway, other)]
        with serving(path) as gateway:
            asked.append(ask(gateway, key, n=3, tools=[TOOL]))
        assert len(endpoint.asked) == 1
    assert asked == [(False, WHOLE.decode()), *[(True, WHOLE.decode())] * 3]
    assert len(document("runs", db=path)) == 1


def test_a_repeated_stream_says_the_same_in_all_choices_and_fields(log_before: MakeLog) -> None:
    with RawUpstream(STREAM) as endpoint:
        path = log_before(endpoint.url)
        key = make_key(path)
        options = {"stream": True, "stream_options": {"include_usage": True}, "tools": [TOOL], "n": 2}
        with serving(path) as gateway:
            first, again = ask(gateway, key, **options), ask(gateway, key, **options)
        with serving(path) as gateway:
            later = ask(gateway, key, **options)
        assert len(endpoint.asked) == 1
    assert [it[0] for it in (first, again, later)] == [False, True, True]
    assert told(first[1]) == told(again[1]) == told(later[1])
    [one, two] = told(again[1])["choices"].values()
    assert (one["content"], one["tokens"], one["finish"]) == ("Hello", ["Hel", "lo"], "length")
    assert (two["reasoning_content"], two["finish"]) == ("which city?", "tool_calls")
    assert two["calls"] == {0: {"id": "c1", "arguments": '{"city": "Rome"}'}}


def test_an_answer_can_be_repeated_in_the_other_form(log_before: MakeLog) -> None:
    with RawUpstream(WHOLE, kind=JSON) as endpoint:
        with serving(log_before(endpoint.url)) as gateway:
            ask(gateway, tools=[TOOL])
            _, frames = ask(gateway, tools=[TOOL], stream=True, stream_options={"include_usage": True})
        found = told(frames)
        assert found["usage"] == json.loads(WHOLE)["usage"] and found["weird"] == {"a": [1]}
        assert [it["finish"] for it in found["choices"].values()] == ["length", "stop", "content_filter"]
        assert [it["content"] for it in found["choices"].values()] == ["Hel", "", "Hi"]


def test_a_stream_can_be_repeated_in_one_piece_with_its_counts(log_before: MakeLog) -> None:
    with RawUpstream(STREAM) as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway:
            ask(gateway, stream=True, tools=[TOOL])
            _, body = ask(gateway, tools=[TOOL])
    found = json.loads(body)
    assert found["object"] == "chat.completion" and found["model"] == "tiny-2026"
    assert (found["usage"]["prompt_tokens"], found["usage"]["completion_tokens"]) == (5, 7)
    [one, two] = found["choices"]
    assert (one["message"]["content"], one["finish_reason"]) == ("Hello", "length")
    assert two["message"]["tool_calls"] == [CALL]


def test_the_whole_answer_is_erased_with_its_run_and_then_not_given_again(log_before: MakeLog) -> None:
    secret = completion("Hello", weird="a word that only the whole answer has")
    with RawUpstream(secret, kind=JSON) as endpoint:
        path = log_before(endpoint.url)
        key = make_key(path)
        with serving(path) as gateway:
            ask(gateway, key)
        assert b"a word that only" in path.read_bytes()
        [run] = document("runs", db=path)
        output("forget", run["id"], "--reason", "asked for", "--yes", db=path)
        with serving(path) as gateway:
            status, *_ = gateway.ask("/chat/completions", BODY, key=key, headers=KEY)
    assert status == 409 and b"a word that only" not in path.read_bytes()


def test_a_request_without_a_key_and_one_whose_texts_are_not_kept_store_no_whole_answer(log_before: MakeLog) -> None:
    with RawUpstream(WHOLE, kind=JSON) as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway:
            gateway.ask("/chat/completions", {**BODY, "tools": [TOOL]})
        output("settings", "set", "gateway.texts_percent", "0", db=path)
        with serving(path) as gateway:
            ask(gateway, tools=[TOOL])
    assert [step["data"]["completion"] for step in lines(path, "--event", "StepTaken")] == [None, None]
