"""A chat request as it came: what of it decides the route, and what of it is recorded. The rest passes through."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from ...adapters.serving.reply import loads, refuse_constant
from ...domain.errors import BadText, BadTools, GrokputerError
from ...domain.page.media import IMAGE, write_mark
from ...domain.page.messages import Message
from ...domain.page.tools import Tool, check_messages, check_tools
from ...domain.text import is_unicode

LONGEST_SESSION = 200
"""Characters of a session's name; chosen."""
LARGEST_NUMBER = 1e15
"""The largest number of a field; chosen: JSON has longer ones, which no float holds."""
ROLES = {"developer": "system", "function": "tool"}
"""Roles of messages under other names, and what they are recorded as."""


class BadRequest(GrokputerError):
    """A request that cannot be answered; ``field`` names the field that is wrong."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True)
class ChatRequest:
    """One request for a completion."""

    model: str
    body: Mapping[str, Any]
    """As it came; it goes to an endpoint with another ``model`` alone."""
    messages: tuple[Message, ...]
    """The conversation in words. A part that is no text stands as its kind in brackets, a picture with its mark or URL."""
    pictures: Mapping[str, str]
    """The pictures in the messages, as ``data:`` URLs, by their SHA-256, which makes their marks."""
    tools: tuple[Tool, ...]
    is_stream: bool
    wants_usage: bool
    """Whether a stream has to end with its token counts."""
    max_tokens: int | None
    temperature: float | None

    @property
    def question(self) -> str:
        """The last words of the user; the last message's where there are none."""
        asked = [message["content"] for message in self.messages if message["role"] == "user"]
        found = (
            next((words for words in reversed(asked) if words.strip()), self.messages[-1]["content"]) or "(no words)"
        )
        for digest in self.pictures:
            found = found.replace(write_mark(IMAGE, digest), "[image_url]")
        return found


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object in the body. Raises ``BadRequest``."""
    try:
        value = loads(body, parse_constant=refuse_constant)
    except (ValueError, RecursionError):
        raise BadRequest("the body is not JSON") from None
    if not isinstance(value, dict):
        raise BadRequest("the body is not a JSON object")
    return value


def read_chat_request(body: bytes) -> ChatRequest:
    """The request in the body. Raises ``BadRequest`` with the field that is wrong."""
    value = read_object(body)
    model = value.get("model")
    if not isinstance(model, str) or not model.strip():
        raise BadRequest("model is missing; give a role such as action, an adapter, or base", "model")
    options = value.get("stream_options")
    pictures: dict[str, str] = {}
    return ChatRequest(
        model=model,
        body=value,
        messages=_messages(value.get("messages"), pictures),
        pictures=pictures,
        tools=_checked(check_tools, value.get("tools") or [], "tools"),
        is_stream=value.get("stream") is True,
        wants_usage=isinstance(options, dict) and options.get("include_usage") is True,
        max_tokens=_number(value, "max_completion_tokens", int) or _number(value, "max_tokens", int),
        temperature=_number(value, "temperature", float),
    )


def _messages(given: object, pictures: dict[str, str]) -> tuple[Message, ...]:
    if not isinstance(given, list) or not given:
        raise BadRequest("messages is missing; give a list of messages with role and content", "messages")
    if not all(isinstance(message, dict) for message in given):
        raise BadRequest("messages has an entry that is no object", "messages")
    messages: tuple[Message, ...] = _checked(
        check_messages, [_in_words(message, pictures) for message in given], "messages"
    )
    return messages


def _in_words(message: dict[str, Any], pictures: dict[str, str]) -> dict[str, Any]:
    """The message with the keys that are recorded, and its content as text. Its pictures are added to ``pictures``."""
    kept = {key: message[key] for key in ("role", "tool_calls", "tool_call_id", "name") if message.get(key)}
    role = kept.get("role")
    kept["role"] = ROLES.get(role, role) if isinstance(role, str) else role
    if kept["role"] != "tool":
        kept.pop("name", None)
        kept.pop("tool_call_id", None)
    content = message.get("content")
    kept["content"] = "\n".join(_say_part(part, pictures) for part in content) if isinstance(content, list) else content
    if content is None and role == "assistant":
        kept["content"] = ""
    return kept


def _say_part(part: object, pictures: dict[str, str]) -> str:
    """The words of a part of a message; its kind in brackets where it has none, and what shows its picture."""
    if isinstance(part, str):
        return part
    if not isinstance(part, dict):
        raise BadRequest("messages has a part of a content that is no object", "messages")
    text = part.get("text")
    if isinstance(text, str):
        return text
    kind = part.get("type") or "part"
    shown = part.get(kind) if isinstance(kind, str) else None
    url = shown.get("url") if isinstance(shown, dict) else shown
    if kind != IMAGE or not isinstance(url, str) or not is_unicode(url):
        return f"[{kind}]"
    if url[:5].lower() != "data:":
        return f"[{kind} {url}]"  # named, and never fetched
    digest = sha256(url.encode()).hexdigest()
    pictures[digest] = url
    return write_mark(IMAGE, digest)


def _checked(check: Any, value: object, field: str) -> Any:
    try:
        return check(value, field)
    except (BadTools, BadText) as error:
        raise BadRequest(str(error), field) from None


def _number(body: Mapping[str, Any], field: str, kind: type[int | float]) -> Any:
    value = body.get(field)
    if value is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST_NUMBER
    if not is_number or (kind is int and (value != int(value) or value < 1)):
        raise BadRequest(
            f"{field} is {json.dumps(value)[:40]}, which is no {'whole ' if kind is int else ''}number", field
        )
    return kind(value)
