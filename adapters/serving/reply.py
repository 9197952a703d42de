"""An endpoint's reply, read as an answer with its text and token counts.

A reply comes from another program and may have any shape. An invalid one is refused with a reason in this program's own
words: the server's text may repeat a key or control a terminal.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

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


def read_reply(body: bytes) -> Reply:
    """The answer in the body of a chat completion. Raises ``BadReply``."""
    reply = read_json(body)
    usage = reply.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    text = _text(_message(reply))
    return Reply(text, read_count(counts.get("prompt_tokens")), read_count(counts.get("completion_tokens")))


def read_models(body: bytes) -> set[str]:
    """The names in the body of a list of models. Raises ``BadReply``."""
    listed = read_json(body).get("data")
    names = (entry.get("id") for entry in listed if isinstance(entry, dict)) if isinstance(listed, list) else ()
    return {name for name in names if isinstance(name, str)}


def read_json(body: bytes) -> dict[str, Any]:
    """The JSON object in the body. Raises ``BadReply``."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise BadReply("is not JSON" if body.strip() else "is empty") from None
    if not isinstance(value, dict):
        raise BadReply("is not a JSON object")
    return value


def is_unicode(text: str) -> bool:
    """Whether the text can be stored and sent: a lone surrogate is half a character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


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
