"""An endpoint's reply, read as an answer with its text and token counts.

A reply comes from another program and may have any shape. An invalid one is refused with a reason in this program's own
words: the server's text may repeat a key or control a terminal.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from ...domain.errors import BadText, BadTools
from ...domain.page.other_calls import as_call, calls_of
from ...domain.page.tools import ToolCall, check_calls
from ...domain.text import is_unicode

MOST_TOKENS = 10**12
"""A larger count is invalid; chosen: more than any model reads, and small enough to be summed and stored."""


class BadReply(ValueError):
    """An invalid reply; the message continues the words ``its reply``."""


@dataclass(frozen=True)
class Reply:
    """An answer. ``text`` is Unicode without lone surrogates; a missing or invalid count is None."""

    text: str
    prompt_tokens: int | None
    completion_tokens: int | None
    calls: tuple[ToolCall, ...] = ()


def read_reply(body: bytes, *, has_tools: bool = False) -> Reply:
    """The answer in the body of a chat completion; with calls only where functions were offered. Raises ``BadReply``."""
    reply = read_json(body)
    usage = reply.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    message = _message(reply)
    calls = read_calls(calls_of(message), has_tools=has_tools, has_text=bool(message.get("content")))
    text = "" if calls and message.get("content") is None else _text(message)
    return Reply(text, read_count(counts.get("prompt_tokens")), read_count(counts.get("completion_tokens")), calls)


def read_calls(value: object, *, has_tools: bool, has_text: bool) -> tuple[ToolCall, ...]:
    """The calls of a reply, often none. Where no function was offered, a text beside them is the answer.

    Raises ``BadReply``, also for calls alone where no function was offered.
    """
    if value in (None, []) or (has_text and not has_tools):
        return ()
    if not has_tools:
        raise BadReply("calls a function, and none was offered")
    try:
        return check_calls([_call(call) for call in value] if isinstance(value, list) else value)
    except (BadTools, BadText):
        raise BadReply("has a call of a function that is not in OpenAI's form") from None


def _call(call: object) -> object:
    """The call without keys that only servers have; missing arguments, as some write them, are an empty object."""
    call = as_call(call)
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(call, Mapping) or not isinstance(function, Mapping):
        return call
    named = {"name": function.get("name"), "arguments": function.get("arguments") or "{}"}
    return {"id": call.get("id"), "type": call.get("type") or "function", "function": named}


def read_models(body: bytes) -> set[str]:
    """The names in the body of a list of models. Raises ``BadReply``."""
    listed = read_json(body).get("data")
    names = (entry.get("id") for entry in listed if isinstance(entry, dict)) if isinstance(listed, list) else ()
    return {name for name in names if isinstance(name, str)}


def loads(body: bytes, **options: Any) -> Any:
    """As ``json.loads``, by ``msgspec``, which is faster; what it refuses, such as half a character, by ``json``."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeError):
        return json.loads(body, **options)


def refuse_constant(name: str) -> None:
    """Raise ``ValueError`` for NaN and the infinities, which Python's JSON has and no other: clients could not read them."""
    raise ValueError(name)


def read_json(body: bytes) -> dict[str, Any]:
    """The JSON object in the body. Raises ``BadReply``."""
    try:
        value = loads(body, parse_constant=refuse_constant)
    except (ValueError, RecursionError):
        raise BadReply("is not JSON" if body.strip() else "is empty") from None
    if not isinstance(value, dict):
        raise BadReply("is not a JSON object")
    return value


def _message(reply: dict[str, Any]) -> dict[str, Any]:
    choices = reply.get("choices")
    if not isinstance(choices, list) or not choices:
        raise BadReply("reports an error" if reply.get("error") else "has no choices")
    message = choices[0].get("message") if isinstance(choices[0], dict) else None
    if not isinstance(message, dict):
        raise BadReply("has no message in its first choice")
    return message


def _text(message: dict[str, Any]) -> str:
    content = message.get("content")
    text = "".join(map(_part, content)) if isinstance(content, list) and content else content
    if not isinstance(text, str):
        raise BadReply("is a refusal to answer" if message.get("refusal") else "has no text in its message")
    if not is_unicode(text):
        raise BadReply("has text that is not Unicode: a lone surrogate")
    return text


def _part(part: object) -> str:
    """The text of one part of a content that is a list."""
    if isinstance(part, str):
        return part
    text = part.get("text") if isinstance(part, dict) and part.get("type", "text") == "text" else None
    if not isinstance(text, str):
        raise BadReply("has a part that is not text")
    return text


def read_count(value: object) -> int | None:
    """The number of tokens; None where it is no whole number, or too large to be one."""
    return value if type(value) is int and 0 <= value <= MOST_TOKENS else None
