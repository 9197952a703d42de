"""An endpoint's reply that comes in parts: server-sent events, each with a piece of the answer.

Where an event ends and what it says follows the HTML Standard, 9.2.6. As a whole reply it comes from another program and
may have any shape; see ``reply.py``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ...domain.page.tools import LONGEST, MOST, ToolCall
from ...domain.text import is_unicode
from .reply import BadReply, Reply, read_calls, read_count, read_json, read_reply

DATA = "data:"
"""The beginning of a line with data."""
_LINE_END = re.compile(r"\r\n|\n|\r")
_BLANK_LINE = re.compile(rb"\r\r|(?:\r\n|\n)(?:\r\n|\n|\r(?=[^\n]))")
"""The end of a line, and the blank line after it. A CR that came last may be the first half of CR LF, unless it follows
another CR."""
LONGEST_EVENT = 4 * 2**20
"""Bytes of one event; chosen."""
END = "[DONE]"
"""The data of the last event."""


def cut_event(kept: bytes) -> tuple[bytes, bytes]:
    """The first event of the bytes with the blank line that ends it, empty where none has ended; and the bytes after it.

    A line ends with LF, CR LF, or CR. Raises ``BadReply`` for an event that is too long.
    """
    if b"\r" not in kept:
        blank = kept.find(b"\n\n")
        at = 0 if blank < 0 else blank + 2
    else:
        found = _BLANK_LINE.search(kept)
        at = 0 if found is None else found.end()
    if at == 0 and len(kept) > LONGEST_EVENT:
        raise BadReply(f"has an event longer than {LONGEST_EVENT >> 20} MiB")
    return kept[:at], kept[at:]


def data_of(event: str) -> str:
    """The data of the event, of all its lines; empty where it has none, such as a comment."""
    alone = event.strip("\r\n")
    if alone.startswith(DATA) and "\n" not in alone and "\r" not in alone:  # nearly always
        return alone[len(DATA) :].strip()
    lines = [line[len(DATA) :] for line in _LINE_END.split(event) if line.startswith(DATA)]
    return "\n".join(line.removeprefix(" ") for line in lines).strip()


class StreamedReply:
    """A reply in progress: the parts of its text so far."""

    def __init__(self, *, has_tools: bool = False) -> None:
        self._has_tools = has_tools
        self._parts: list[str] = []
        self._calls: dict[int, dict[str, Any]] = {}
        self._usage: dict[str, Any] = {}
        self._has_choices = self._has_ended = False
        self.is_over = False
        """Whether the event came that ends a stream."""
        self._whole: Reply | None = None

    def read_event(self, event: str) -> str:
        """The text that the event of the stream adds, often none. Raises ``BadReply``."""
        data = data_of(event)
        if not data:
            return ""
        if data == END:
            if not self._has_choices:
                raise BadReply("has no choices")
            self._has_ended = self.is_over = True
            return ""
        chunk = read_json(data.encode("utf-8", "surrogatepass"))
        choices, usage = chunk.get("choices"), chunk.get("usage")
        if isinstance(usage, dict):
            self._usage = usage
        if chunk.get("error") and not choices:
            raise BadReply("reports an error")
        if choices in (None, []):
            return ""
        if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
            raise BadReply("has choices in a part that are no list of objects")
        self._has_choices = True
        return self._take(choices[0])

    def _take(self, choice: Mapping[str, Any]) -> str:
        """The text that the choice of a part adds. Raises ``BadReply``."""
        self._has_ended = self._has_ended or bool(choice.get("finish_reason"))
        delta = {} if choice.get("delta") is None else choice["delta"]
        if not isinstance(delta, dict):
            raise BadReply("has a part that is no object")
        self._add_calls(delta.get("tool_calls"))
        if isinstance(alone := delta.get("function_call"), dict):  # the form before tools
            self._add_calls([{"index": 0, "id": "function_call_0", "function": alone}])
        text = _text(delta.get("content"))
        if text is not None:
            self._parts.append(text)
        return text or ""

    def read_body(self, body: bytes) -> str:
        """The text of a reply that came whole. Raises ``BadReply``."""
        self._whole = read_reply(body, has_tools=self._has_tools)
        return self._whole.text

    def end(self) -> Reply:
        """The whole reply. Raises ``BadReply`` for one that broke off, or that has no text."""
        if self._whole is not None:
            return self._whole
        if not self._has_ended:
            raise BadReply("broke off before its end")
        called = [_whole_call(self._calls[index]) for index in sorted(self._calls)]
        calls = read_calls(called, has_tools=self._has_tools, has_text=bool(self._parts))
        if not self._parts and not calls:
            raise BadReply("has no text in its message")
        return self._reply(calls)

    def so_far(self) -> Reply:
        """The reply as far as it came. Calls that are not whole are left out."""
        if self._whole is not None:
            return self._whole
        try:
            return self.end()
        except BadReply:
            return self._reply(())

    def _reply(self, calls: tuple[ToolCall, ...]) -> Reply:
        prompt, completion = (read_count(self._usage.get(name)) for name in ("prompt_tokens", "completion_tokens"))
        return Reply("".join(self._parts), prompt, completion, calls)

    def _add_calls(self, deltas: object) -> None:
        """Add the pieces of calls. Raises ``BadReply``."""
        if not isinstance(deltas, list | None):
            raise BadReply("has calls of functions that are no list")
        for number, delta in enumerate(deltas or ()):
            index = delta.get("index", number) if isinstance(delta, dict) else None
            if not isinstance(index, int) or not 0 <= index < MOST:
                raise BadReply("has a call of a function that is not in OpenAI's form")
            call = self._calls.setdefault(index, {"id": None, "function": {"name": None, "arguments": ""}})
            custom, function = delta.get("custom"), delta.get("function")
            named = function if isinstance(function, dict) else custom if isinstance(custom, dict) else {}
            call["is_custom"] = call.get("is_custom") or isinstance(custom, dict)
            call["id"] = call["id"] or delta.get("id")
            call["function"]["name"] = call["function"]["name"] or named.get("name")
            piece = named.get("input" if call["is_custom"] else "arguments")
            call["function"]["arguments"] += piece if isinstance(piece, str) else ""
            if len(call["function"]["arguments"]) > LONGEST:
                raise BadReply("has a call with arguments that are too long")


def _whole_call(call: dict[str, Any]) -> object:
    """The call of which all pieces have come."""
    if not call.get("is_custom"):
        return call
    function = call["function"]
    return {**call, "type": "custom", "custom": {"name": function["name"], "input": function["arguments"]}}


def _text(content: object) -> str | None:
    """The text of a part; of a list of pieces that of those which are text. None without one. Raises ``BadReply``."""
    if content is None:
        return None
    if isinstance(content, list):
        pieces = [piece.get("text") if isinstance(piece, dict) else piece for piece in content]
        content = "".join(piece for piece in pieces if isinstance(piece, str))
    if not isinstance(content, str):
        raise BadReply("has a part that is not text")
    if not is_unicode(content):
        raise BadReply("has text that is not Unicode: a lone surrogate")
    return content
