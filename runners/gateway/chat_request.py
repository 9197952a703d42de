"""A chat request as it came: what of it decides the route, and what of it is recorded. The rest passes through."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from ...adapters.serving.reply import loads, refuse_constant
from ...domain.errors import BadText, BadTools, GrokputerError
from ...domain.page.media import AUDIO, KINDS, marks_in, without_marks, words_of, write_mark
from ...domain.page.messages import Message
from ...domain.page.other_calls import as_messages, as_tool
from ...domain.page.tools import Tool, check_messages, check_tools
from ...domain.text import is_unicode

LONGEST_SESSION = 200
"""Characters of a session's name; chosen."""
LARGEST_NUMBER = 1e15
"""The largest number of a field; chosen: JSON has longer ones, which no float holds."""
AUDIO_FORM = re.compile(r"[a-z0-9]{1,10}")
"""The format of a sound, such as ``wav``."""
ROLES = {"developer": "system"}
"""Roles of messages under other names, and what they are recorded as."""


class BadRequest(GrokputerError):
    """A request that cannot be answered; ``field`` names the field that is wrong."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


@contextmanager
def naming(field: str, *kinds: type[GrokputerError]) -> Iterator[None]:
    """Raise errors of these kinds in the block as ``BadRequest`` with the field."""
    try:
        yield
    except kinds as error:
        raise BadRequest(str(error), field) from None


@dataclass(frozen=True)
class ChatRequest:
    """One request for a completion."""

    model: str
    body: Mapping[str, Any]
    """As it came; it goes to an endpoint with another ``model`` alone."""
    messages: tuple[Message, ...]
    """The conversation in words. A picture or sound stands as its mark (``media.py``), any other part that is no text as its
    kind in brackets, with its URL where it has one."""
    media: Mapping[str, str]
    """What the marks stand for, as ``data:`` URLs, by their SHA-256."""
    unread: tuple[str, ...]
    """The parts that are neither text nor media that came with the request, as they stand in the words."""
    tools: tuple[Tool, ...]
    is_stream: bool
    wants_usage: bool
    """Whether a stream has to end with its token counts."""
    max_tokens: int | None
    temperature: float | None
    has_other_tools: bool
    """Whether it offers custom tools, or functions in the form before tools, whose calls have another form too."""
    choices: int
    """How many answers it asks for."""
    seed: int | None

    @property
    def question(self) -> str:
        """The last words of the user; the last message's where there are none. They have no marks."""
        kinds = dict.fromkeys(f"[{kind}]" for kind, _ in marks_in(self._asked))
        return words_of(self._asked).strip("\n") or " ".join(kinds) or "(no words)"

    @property
    def inputs(self) -> list[str]:
        """The pictures and sounds that came with the question, as ``data:`` URLs, each once."""
        return [self.media[key] for key in dict.fromkeys(key for _, key in marks_in(self._asked))]

    @property
    def _asked(self) -> str:
        """The last message of the user that is not blank; the last message where there is none."""
        asked = [message["content"] for message in self.messages if message["role"] == "user"]
        return next((words for words in reversed(asked) if words.strip()), self.messages[-1]["content"])


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
    if not isinstance(options, dict | None):
        raise BadRequest("stream_options is no object", "stream_options")
    parts = _Parts()
    messages = _messages(value.get("messages"), parts)
    return ChatRequest(
        model=model,
        body=value,
        messages=messages,
        media=parts.media,
        unread=tuple(parts.unread),
        tools=_tools(value),
        is_stream=_flag(value, "stream"),
        wants_usage=_flag(options or {}, "include_usage", "stream_options"),
        max_tokens=_number(value, "max_completion_tokens", int) or _number(value, "max_tokens", int),
        temperature=_number(value, "temperature", float),
        has_other_tools=bool(value.get("functions"))
        or any(tool.get("type") == "custom" for tool in value.get("tools") or ()),
        choices=_number(value, "n", int) or 1,
        seed=_number(value, "seed", int, has_sign=True),
    )


@dataclass
class _Parts:
    """The parts of the messages that are no text."""

    media: dict[str, str] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)


def _messages(given: object, parts: _Parts) -> tuple[Message, ...]:
    if not isinstance(given, list) or not given:
        raise BadRequest("messages is missing; give a list of messages with role and content", "messages")
    if not all(isinstance(message, dict) for message in given):
        raise BadRequest("messages has an entry that is no object", "messages")
    messages: tuple[Message, ...] = _checked(
        check_messages, [_in_words(message, parts) for message in as_messages(given)], "messages"
    )
    return messages


def _in_words(message: dict[str, Any], parts: _Parts) -> dict[str, Any]:
    """The message with the keys that are recorded, and its content as text. What is no text is added to ``parts``."""
    kept = {key: message[key] for key in ("role", "tool_calls", "tool_call_id", "name") if message.get(key)}
    role = kept.get("role")
    kept["role"] = ROLES.get(role, role) if isinstance(role, str) else role
    if kept["role"] != "tool":
        kept.pop("name", None)
        kept.pop("tool_call_id", None)
    content = message.get("content")
    if isinstance(content, list):
        kept["content"] = "\n".join(_say_part(part, parts) for part in content)
    else:
        kept["content"] = without_marks(content) if isinstance(content, str) else content
    if content is None and role == "assistant":
        kept["content"] = ""
    return kept


def _say_part(part: object, parts: _Parts) -> str:
    """The words of a part of a message; its mark, or its kind in brackets, where it has none."""
    if isinstance(part, str):
        return without_marks(part)
    if not isinstance(part, dict):
        raise BadRequest("messages has a part of a content that is no object", "messages")
    text = part.get("text")
    if isinstance(text, str):
        return without_marks(text)
    url = _url_of(part)
    if url is not None and url[:5].lower() == "data:":
        key = f"sha256:{sha256(url.encode()).hexdigest()}"
        parts.media[key] = url
        return write_mark(part["type"], key)
    named = f" {without_marks(url)}" if url else ""  # a picture elsewhere is named, and never fetched
    parts.unread.append(f"[{part.get('type') or 'part'}{named}]")
    return parts.unread[-1]


def _url_of(part: Mapping[str, Any]) -> str | None:
    """The address of the part's picture, or its sound as one; None where it has neither."""
    shown = part.get(str(part.get("type")))
    if part.get("type") == AUDIO and isinstance(shown, dict):
        data, form = shown.get("data"), shown.get("format")
        url: Any = (
            f"data:audio/{form};base64,{data}" if isinstance(data, str) and AUDIO_FORM.fullmatch(str(form)) else None
        )
    else:
        url = shown.get("url") if isinstance(shown, dict) else shown
    return url if part.get("type") in KINDS and isinstance(url, str) and is_unicode(url) else None


def _checked(check: Any, value: object, field: str) -> Any:
    with naming(field, BadTools, BadText):
        return check(value, field)


def _tools(body: Mapping[str, Any]) -> Any:
    """The functions that are offered, in whatever form."""
    tools, functions = body.get("tools"), body.get("functions")
    for name, given in (("tools", tools), ("functions", functions)):
        if not isinstance(given, list | None):
            raise BadRequest(f"{name} is {_show(given)}; it takes a list", name)
    older = [{"type": "function", "function": function} for function in functions or ()]
    return _checked(check_tools, [*map(as_tool, tools or ()), *older], "tools" if tools else "functions")


def _flag(body: Mapping[str, Any], name: str, field: str | None = None) -> bool:
    """Whether the field is true; an endpoint may read ``1`` as true, and the gateway must know what it asks for."""
    value = body.get(name)
    if not isinstance(value, bool | None):
        raise BadRequest(f"{name} is {_show(value)}; it takes true or false", field or name)
    return bool(value)


def _number(body: Mapping[str, Any], field: str, kind: type[int | float], *, has_sign: bool = False) -> Any:
    """The number in the field, whole ones from 1 on, others from 0 on; one that ``has_sign`` is of 64 bits."""
    value = body.get(field)
    if value is None:
        return None
    least, most = (-(2**63), 2**64) if has_sign else (1 if kind is int else 0, LARGEST_NUMBER)
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most
    if not is_number or (kind is int and value != int(value)):
        whole = "whole " if kind is int else ""
        raise BadRequest(f"{field} is {_show(value)}, which is no {whole}number that it takes", field)
    return kind(value)


def _show(value: object) -> str:
    return json.dumps(value)[:40]
