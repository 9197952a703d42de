"""Calls in the other forms of OpenAI's API, as calls of functions, in which the log has them.

A custom tool takes one text, which is the argument ``input`` here. Before there were tools, an answer had one
``function_call``, without an id.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

INPUT = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}
"""The arguments of a custom tool."""


def as_call(call: object) -> object:
    """A call of a custom tool as that of a function; anything else as it is."""
    custom = call.get("custom") if isinstance(call, Mapping) and call.get("type") == "custom" else None
    if not isinstance(call, Mapping) or not isinstance(custom, Mapping):
        return call
    arguments = json.dumps({"input": custom.get("input")}, ensure_ascii=False)
    return {"id": call.get("id"), "type": "function", "function": {"name": custom.get("name"), "arguments": arguments}}


def as_tool(tool: object) -> object:
    """The definition of a custom tool as that of a function, with all that it says; anything else as it is."""
    custom = tool.get("custom") if isinstance(tool, Mapping) and tool.get("type") == "custom" else None
    return {"type": "function", "function": {**custom, "parameters": INPUT}} if isinstance(custom, Mapping) else tool


def calls_of(message: Mapping[str, Any], number: int = 0) -> Any:
    """The calls of an answer, those of its ``function_call`` too; ``number`` tells such calls of several answers apart."""
    calls, alone = message.get("tool_calls"), message.get("function_call")
    if not calls and isinstance(alone, Mapping):
        return [{"id": f"function_call_{number}", "type": "function", "function": alone}]
    return [as_call(call) for call in calls] if isinstance(calls, list) else calls


def as_messages(given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The conversation with tools in place of its other forms. A result of a function that no message called is told as a
    message of the system, which names the function."""
    found: list[dict[str, Any]] = []
    called: Mapping[str, Any] = {}
    for number, message in enumerate(given):
        role = message.get("role")
        if role == "function":
            name, content = message.get("name"), message.get("content") or ""
            is_answer = called and name in (None, called["function"].get("name"))
            result = {"role": "tool", "content": content, "tool_call_id": called["id"]} if is_answer else None
            found.append(result or {"role": "system", "content": f"[function {name}]\n{content}"})
            called = {}
            continue
        alone = (
            role == "assistant" and not message.get("tool_calls") and isinstance(message.get("function_call"), Mapping)
        )
        calls: Any = calls_of(message, number) if role == "assistant" else None
        called = calls[0] if alone else {}
        found.append({**message, "tool_calls": calls} if calls else message)
    return found
