"""An endpoint's reply that comes in parts: server-sent events, each with a piece of the answer.

As a whole reply it comes from another program and may have any shape; see ``reply.py``.
"""

from __future__ import annotations

from typing import Any

from .reply import BadReply, Reply, is_unicode, read_count, read_json, read_reply

DATA = "data:"
END = "[DONE]"
"""The beginning of a line with an event, and what the last one holds."""


class StreamedReply:
    """A reply in progress: the parts of its text so far."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._usage: dict[str, Any] = {}
        self._has_ended = False
        self._whole: Reply | None = None

    def read_line(self, line: str) -> str:
        """The text that the line of the stream adds, often none. Raises ``BadReply``."""
        event = line.removeprefix(DATA).strip()
        if not line.startswith(DATA) or not event:
            return ""
        if event == END:
            self._has_ended = True
            return ""
        chunk = read_json(event.encode("utf-8", "surrogatepass"))
        choices, usage = chunk.get("choices"), chunk.get("usage")
        if isinstance(usage, dict):
            self._usage = usage
        if chunk.get("error") and not choices:
            raise BadReply("reports an error")
        choice = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(choice, dict):
            return ""
        self._has_ended = self._has_ended or bool(choice.get("finish_reason"))
        delta = choice.get("delta")
        text = delta.get("content") if isinstance(delta, dict) else None
        if not isinstance(text, str):
            return ""
        if not is_unicode(text):
            raise BadReply("has text that is not Unicode: a lone surrogate")
        self._parts.append(text)
        return text

    def read_body(self, body: bytes) -> str:
        """The text of a reply that came whole. Raises ``BadReply``."""
        self._whole = read_reply(body)
        return self._whole.text

    def end(self) -> Reply:
        """The whole reply. Raises ``BadReply`` for one that broke off, or that has no text."""
        if self._whole is not None:
            return self._whole
        if not self._has_ended:
            raise BadReply("broke off before its end")
        if not self._parts:
            raise BadReply("has no text in its message")
        counts = (read_count(self._usage.get(name)) for name in ("prompt_tokens", "completion_tokens"))
        return Reply("".join(self._parts), *counts)
