"""A completion as one JSON object and the same in frames of a stream, each made from the other.

So an answer can be kept whole, whatever its endpoint put into it, and be given again in the form that a retry asks for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ....adapters.serving.reply import loads
from ....adapters.serving.streamed_reply import data_of
from ..completions import write_frame

SET = ("role", "id", "type", "name", "index")
"""The texts of a delta that are given once; others grow."""
MOST_CHOICES = 128
"""Choices of a completion, at most; chosen: as many as OpenAI gives."""


class _Text(list[str]):
    """A text that grows, in its parts."""


class Gathering:
    """The frames of a stream, put together to one completion."""

    def __init__(self) -> None:
        self._head: dict[str, Any] = {}
        self._choices: dict[int, dict[str, Any]] = {}

    def add(self, frame: bytes) -> None:
        """Add a frame that was checked."""
        data = data_of(frame.decode())
        if not data:
            return
        chunk = loads(data.encode("utf-8", "surrogatepass"))
        _join(self._head, {name: value for name, value in chunk.items() if name != "choices"}, grows=False)
        for choice in chunk.get("choices") or ():
            index = choice.get("index", 0)
            if not isinstance(index, int) or not 0 <= index < MOST_CHOICES:
                index = 0
            known = self._choices.setdefault(index, {"index": index, "message": {}})
            delta = choice.get("delta")
            _join(known["message"], delta if isinstance(delta, dict) else {})
            _join(known, {name: value for name, value in choice.items() if name not in ("delta", "index")}, grows=False)

    def completion(self) -> dict[str, Any]:
        """What came so far, in the form of an answer in one piece."""
        choices = [_plain(self._choices[index]) for index in sorted(self._choices)]
        for choice in choices:
            message = choice["message"]
            message.setdefault("content", None)
            for call in message.get("tool_calls") or ():
                if isinstance(call, dict):
                    call.pop("index", None)
        return {**_plain(self._head), "object": "chat.completion", "choices": choices}


def frames_of(completion: Mapping[str, Any], *, wants_usage: bool) -> list[bytes]:
    """The completion in frames, without the last one: what each choice says, then why each ended, then the counts of tokens
    where they are wanted."""
    head = {name: value for name, value in completion.items() if name not in ("choices", "usage")}
    head["object"] = "chat.completion.chunk"
    said, ended = [], []
    for number, choice in enumerate(it for it in completion["choices"] if isinstance(it, dict)):
        more = {name: value for name, value in choice.items() if name not in ("message", "finish_reason")}
        more.setdefault("index", number)
        said.append({**more, "delta": _delta(choice.get("message") or {}), "finish_reason": None})
        ended.append({"index": more["index"], "delta": {}, "finish_reason": choice.get("finish_reason") or "stop"})
    frames = [write_frame({**head, "choices": [choice]}) for choice in (*said, *ended)]
    if wants_usage and completion.get("usage") is not None:
        frames.append(write_frame({**head, "choices": [], "usage": completion["usage"]}))
    return frames


def _delta(message: Mapping[str, Any]) -> dict[str, Any]:
    calls = message.get("tool_calls")
    if not isinstance(calls, list):
        return dict(message)
    numbered = [{"index": index, **call} if isinstance(call, dict) else call for index, call in enumerate(calls)]
    return {**message, "tool_calls": numbered}


def _join(known: dict[str, Any], more: Mapping[str, Any], *, grows: bool = True) -> None:
    """Add to the object what a later part of it says; texts grow by it where ``grows``, lists always."""
    for name, value in more.items():
        before = known.get(name)
        if before is None or value is None:
            known[name] = _plain(value) if before is None else before
        elif isinstance(before, dict) and isinstance(value, dict):
            _join(before, value, grows=grows)
        elif isinstance(before, str | _Text) and isinstance(value, str) and grows and name not in SET:
            known[name] = before if isinstance(before, _Text) else _Text([before])
            known[name].append(value)
        elif isinstance(before, list) and isinstance(value, list):
            _join_lists(before, value)
        else:
            known[name] = value


def _join_lists(before: list[Any], more: Sequence[Any]) -> None:
    """Add the items; one with the index of an item before, such as a call, is the next part of that."""
    for item in more:
        index = item.get("index") if isinstance(item, dict) else None
        same = next((one for one in before if isinstance(one, dict) and one.get("index") == index), None)
        if index is None or same is None:
            before.append(_plain(item))
        else:
            _join(same, item)


def _plain(value: Any) -> Any:
    """A copy of the value whose texts are whole."""
    if isinstance(value, _Text):
        return "".join(value)
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value
