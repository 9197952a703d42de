"""Chat completions as OpenAI's API writes them, whole or in frames, for answers that do not come from an endpoint."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ...adapters.serving.streamed_reply import DATA, END
from ...domain.text import is_unicode

if TYPE_CHECKING:
    from ...adapters.serving.reply import Reply

DONE = f"{DATA} {END}\n\n".encode()
"""The last frame of a stream."""


@dataclass(frozen=True)
class CompletionWriter:
    """Writes one completion."""

    run: UUID
    model: str
    """The model as the client named it."""
    wants_usage: bool
    """Whether a stream ends with token counts."""

    def whole(self, reply: Reply) -> bytes:
        """The completion in one piece."""
        content = (reply.text or None) if reply.calls else reply.text
        message: dict[str, Any] = {"role": "assistant", "content": content}
        if reply.calls:
            message["tool_calls"] = reply.calls
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish(reply)}
        body = {**self._head("chat.completion"), "choices": [choice], **say_usage(reply)}
        return json.dumps(body, ensure_ascii=False).encode()

    def text(self, text: str, *, is_first: bool) -> bytes:
        """The frame with a part of the text."""
        return self._frame({**({"role": "assistant"} if is_first else {}), "content": text}, None)

    def end(self, reply: Reply) -> list[bytes]:
        """The frames after the text: calls, the reason of the end, and token counts where the client asked for them.

        Where there is no text, the first of them names the role, which clients require once.
        """
        deltas: list[dict[str, Any]] = [{}]
        if reply.calls:
            deltas.insert(0, {"tool_calls": [{"index": i, **call} for i, call in enumerate(reply.calls)]})
        if not reply.text:
            deltas[0] = {"role": "assistant", **deltas[0]}
        frames = [self._frame(delta, None) for delta in deltas[:-1]]
        frames.append(self._frame(deltas[-1], _finish(reply)))
        if self.wants_usage:
            frames.append(write_frame({**self._head("chat.completion.chunk"), "choices": [], **say_usage(reply)}))
        return frames

    def _frame(self, delta: Mapping[str, Any], finish: str | None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return write_frame({**self._head("chat.completion.chunk"), "choices": [choice]})

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": f"chatcmpl-{self.run.hex}", "object": kind, "created": int(time.time()), "model": self.model}


def write_frame(value: Mapping[str, Any]) -> bytes:
    """One event of a stream. JSON has no line breaks, so no text can end it."""
    return f"{DATA} {write_json(value)}\n\n".encode()


def write_json(value: Mapping[str, Any]) -> str:
    """The value as JSON that is valid Unicode: an endpoint's may have half a character, which stays escaped."""
    text = json.dumps(value, ensure_ascii=False)
    return text if is_unicode(text) else json.dumps(value)


def _finish(reply: Reply) -> str:
    return "tool_calls" if reply.calls else "stop"


def say_usage(reply: Reply) -> dict[str, Any]:
    """The counts of tokens as a completion has them; nothing where they are not known."""
    if reply.prompt_tokens is None or reply.completion_tokens is None:
        return {}
    counts = {"prompt_tokens": reply.prompt_tokens, "completion_tokens": reply.completion_tokens}
    return {"usage": {**counts, "total_tokens": reply.prompt_tokens + reply.completion_tokens}}
