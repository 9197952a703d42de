"""Tools as text, for a model whose chat template knows none: the form of Hermes, which Qwen and others use too.

The definitions stand in the system message. A call is ``<tool_call>``, the JSON object of ``name`` and ``arguments``, and
``</tool_call>``, each on its line; a result stands between ``<tool_response>`` and ``</tool_response>`` in a turn of the
user. Source: https://github.com/NousResearch/Hermes-Function-Calling.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from ..errors import GrokputerError
from .messages import Message
from .tools import Tool, ToolCall, arguments_of, read_calls

BEGIN, END = "<tool_call>", "</tool_call>"
TITLE = "# Tools"
"""The first line of the definitions."""
_MARK = re.compile(r"<(?=/?tool(?:s|_call|_response)>)")
"""The beginning of a mark of this form. Within definitions, arguments and results it is no mark."""
_BEFORE = (
    f"{TITLE}\n\nYou may call one or more functions to assist with the user query.\n\n"
    "You are provided with function signatures within <tools></tools> XML tags:\n<tools>"
)
_AFTER = (
    "</tools>\n\nFor each function call, return a json object with function name and arguments within "
    f"{BEGIN}{END} XML tags:\n{BEGIN}\n"
    '{"name": <function-name>, "arguments": <args-json-object>}\n'
    f"{END}"
)


def write_answer(text: str, calls: Sequence[ToolCall], seam: str = "") -> str:
    """The answer with its calls. A seam is written into each mark that an argument contains."""
    return "\n".join([*([text] if text else []), *(f"{BEGIN}\n{_write_call(call, seam)}\n{END}" for call in calls)])


def write_turns(messages: Sequence[Message], tools: Sequence[Tool], seam: str = "") -> list[Message]:
    """The conversation in turns of text alone. A seam is written into each mark within data, so that it is none."""
    turns = [_write_turn(message, seam) for message in messages]
    merged: list[Message] = []
    for message, turn in zip(messages, turns, strict=True):
        if message["role"] == "tool" and merged and merged[-1]["role"] == "user":
            turn = {"role": "user", "content": f"{merged.pop()['content']}\n{turn['content']}"}
        merged.append(turn)
    if not tools:
        return merged
    listed = [_without_marks(json.dumps(tool, ensure_ascii=False), seam) for tool in tools]
    system = [turn["content"] for turn in merged if turn["role"] == "system"]
    definitions = "\n".join([_BEFORE, *listed, _AFTER])
    others = [turn for turn in merged if turn["role"] != "system"]
    return [{"role": "system", "content": "\n\n".join([*system, definitions])}, *others]


def read_answer(written: str) -> tuple[str, tuple[ToolCall, ...]]:
    """The text and the calls that the model wrote; all of it as text where a call cannot be read."""
    texts, found, at = list[str](), list[object](), 0
    while (start := written.find(BEGIN, at)) >= 0:
        texts.append(written[at:start])
        try:
            call, end = _DECODER.raw_decode(written, _skip(written, start + len(BEGIN)))
        except (ValueError, RecursionError):
            return written, ()
        at = _skip(written, end)
        if not written.startswith(END, at):
            return written, ()
        found.append(call)
        at += len(END)
    if not found:
        return written, ()
    try:
        return "".join([*texts, written[at:]]).strip(), read_calls(found)
    except GrokputerError:
        return written, ()


_DECODER = json.JSONDecoder()


def _skip(text: str, at: int) -> int:
    """The place of the next character that is no white space."""
    while text[at : at + 1].isspace():
        at += 1
    return at


def _write_turn(message: Message, seam: str) -> Message:
    if message["role"] == "tool":
        result = _without_marks(message["content"], seam)
        return {"role": "user", "content": f"<tool_response>\n{result}\n</tool_response>"}
    if message["role"] == "assistant":
        return {
            "role": "assistant",
            "content": write_answer(message["content"], message.get("tool_calls", ()), seam),
        }
    return {"role": message["role"], "content": _without_marks(message["content"], seam)}


def _write_call(call: ToolCall, seam: str) -> str:
    written = json.dumps({"name": call["function"]["name"], "arguments": arguments_of(call)}, ensure_ascii=False)
    return _without_marks(written, seam)


def _without_marks(text: str, seam: str) -> str:
    return _MARK.sub(f"<{seam}", text)
