"""Tools in OpenAI's form: the functions offered to a model, its calls, and messages with calls and their results.

The check is strict: what passes has exactly this form, so it is stored, rendered and learnt without a guess. A key whose
value is None counts as absent.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NoReturn, NotRequired, TypedDict, cast

from ..errors import BadTools
from ..text import check_text

if TYPE_CHECKING:
    from .messages import Message

SPEAKERS = ("system", "user", "assistant", "tool")
"""The roles of messages."""
NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")
"""A function's name. Source: OpenAI and Anthropic allow letters, digits, ``_`` and ``-``, up to 64 and 128; models of
function calls also have dots."""
DEEPEST = 100
"""Most levels of lists and objects in arguments and definitions; chosen: as in sessions of other programs."""
LONGEST = 2_000_000
"""Characters of the arguments of one call, or of all definitions of one step, at most; chosen: more than a model reads."""
LONGEST_ID = 256
"""Characters of a call's id, at most; chosen: the ids of servers have a tenth."""
MOST = 256
"""Calls in one answer, at most; chosen: twice the number of functions that OpenAI takes."""
SHOWN = 60
"""Characters of a refused value that the error shows."""

A_MESSAGE = (
    f"one with a role ({', '.join(SPEAKERS)}) and a text as content, of an assistant also tool_calls, of a tool also "
    "tool_call_id and name, and no more"
)
A_CALL = "an object with id, type 'function', and function: its name, and arguments as the JSON text of an object"
A_TOOL = "an object with type 'function', and function: its name and, where wanted, description and parameters"
A_NAME = "a name of up to 128 letters, digits, '_', '.' or '-'"


class CalledFunction(TypedDict):
    """The function of a call."""

    name: str
    arguments: str
    """The JSON text of an object."""


class ToolCall(TypedDict):
    """One call of a function in an answer."""

    id: str
    type: Literal["function"]
    function: CalledFunction


class FunctionForm(TypedDict):
    """The definition of a function; further keys are kept as they are."""

    name: str
    description: NotRequired[str]
    parameters: NotRequired[dict[str, Any]]
    """A JSON Schema of the arguments."""
    strict: NotRequired[bool]


class Tool(TypedDict):
    """One function that is offered to a model."""

    type: Literal["function"]
    function: FunctionForm


def check_tools(value: object, field: str = "tools") -> tuple[Tool, ...]:
    """The definitions, JSON-plain. Raises ``BadTools`` or ``BadText`` for the first one that is wrong."""
    tools = [_check_tool(tool, field) for tool in _items(field, value, "definitions of functions")]
    names = [tool["function"]["name"] for tool in tools]
    if repeated := [name for name, times in Counter(names).items() if times > 1]:
        _refuse(field, repeated[0], "each function once")
    if (length := len(json.dumps(tools, ensure_ascii=False))) > LONGEST:
        raise BadTools(f"{field} have {length} characters; allowed are {LONGEST}")
    return tuple(tools)


def check_calls(value: object, field: str = "tool_calls") -> tuple[ToolCall, ...]:
    """The calls of one answer. Raises ``BadTools`` or ``BadText`` for the first one that is wrong."""
    items = _items(field, value, "calls")
    if len(items) > MOST:
        raise BadTools(f"{field} are {len(items)} calls; allowed are {MOST}")
    calls = tuple(_check_call(call, field) for call in items)
    ids = [call["id"] for call in calls]
    for id in ids:
        if ids.count(id) > 1:
            _refuse(f"{field}: an id", id, "an id of its own for each call")
    return calls


def read_calls(value: object, field: str = "calls") -> tuple[ToolCall, ...]:
    """The calls as people write them: ``{"name": ..., "arguments": {...}}`` each, or in the whole form.

    A call without an id gets one. Raises as ``check_calls`` does.
    """
    return check_calls([_fill_in(call, number) for number, call in enumerate(_items(field, value, "calls"), 1)], field)


def read_stored(key: str | None, content: Callable[[str], str | None]) -> list[Any] | None:
    """The definitions or calls that a step names by a content key; empty without a key, None where they were erased."""
    text = "[]" if key is None else content(key)
    return None if text is None else cast("list[Any]", json.loads(text))


def write_call(name: str, arguments: Mapping[str, Any], number: int = 1) -> ToolCall:
    """The call of a function; ``number`` is its place in the answer, from 1."""
    text = json.dumps(arguments, ensure_ascii=False)
    return {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": text}}


def check_messages(value: object, field: str = "messages") -> tuple[Message, ...]:
    """The conversation; a missing content of an answer with calls is empty text.

    Each result answers a call of the answer before it, once. Raises ``BadTools`` or ``BadText``.
    """
    if not isinstance(value, Sequence) or isinstance(value, str | bytes | bytearray) or not value:
        _refuse(field, value, f"a list of messages, each {A_MESSAGE}")
    messages: list[Message] = []
    open_calls: dict[str, str] = {}
    for item in value:
        message = _check_message(item, field)
        if message["role"] == "tool":
            _close_call(open_calls, message, field)
        else:
            open_calls = {call["id"]: call["function"]["name"] for call in message.get("tool_calls", ())}
        messages.append(message)
    return tuple(messages)


def require_offered(calls: Sequence[ToolCall], tools: Sequence[Tool]) -> None:
    """Raise ``BadTools`` for a call of a function that was not offered, or that lacks a required argument."""
    offered = {tool["function"]["name"]: tool["function"] for tool in tools}
    for call in calls:
        name = call["function"]["name"]
        if name not in offered:
            raise BadTools(f"{name} is not a function that was offered; there are {', '.join(offered) or 'none'}")
        required = offered[name].get("parameters", {}).get("required")
        given = arguments_of(call)
        for argument in required if isinstance(required, list) else ():
            if argument not in given:
                raise BadTools(f"the call of {name} lacks the argument {_show(argument)}, which {name} requires")


def arguments_of(call: ToolCall) -> dict[str, Any]:
    """The arguments of a call that was checked."""
    return cast("dict[str, Any]", json.loads(call["function"]["arguments"]))


def show_call(call: ToolCall) -> str:
    """The call as people read it: ``name(arguments)``; its text is a stranger's, and not escaped."""
    arguments = " ".join(call["function"]["arguments"].split("\n"))
    return f"{call['function']['name']}({'' if arguments == '{}' else arguments})"


def show_answer(text: str, calls: Sequence[ToolCall]) -> str:
    """The answer as people read it: its text, and each call on a line of its own."""
    return "\n".join([*([text] if text or not calls else []), *map(show_call, calls)])


def name_calls(calls: Sequence[ToolCall]) -> str:
    """The calls as a key: equal calls have equal keys, whatever their ids and the order of arguments."""
    return json.dumps([[call["function"]["name"], arguments_of(call)] for call in calls], sort_keys=True)


def _fill_in(call: object, number: int) -> object:
    """The whole form of a call; anything else as it is."""
    if not isinstance(call, Mapping):
        return call
    function = call.get("function", {key: call[key] for key in ("name", "arguments") if key in call})
    known = ("id", "type", "function") if "function" in call else ("id", "type", "name", "arguments")
    if not isinstance(function, Mapping) or any(key not in known for key in call):
        return call
    arguments = function.get("arguments", {})
    if isinstance(arguments, Mapping):
        _check_plain(arguments, "arguments")
        arguments = json.dumps(arguments, ensure_ascii=False)
    filled = {"id": call.get("id") or f"call_{number}", "type": call.get("type", "function")}
    return {**filled, "function": {**function, "arguments": arguments}}


def _check_tool(value: object, field: str) -> Tool:
    tool = _present(value)
    function = _present(tool.get("function"))
    is_form = tool.keys() == {"type", "function"} and tool["type"] == "function" and "name" in function
    is_described = isinstance(function.get("description", ""), str)
    if not is_form or not is_described or not isinstance(function.get("parameters", {}), Mapping):
        _refuse(f"{field}: a definition", value, A_TOOL)
    name = _name(function["name"], f"{field}: a function's name")
    _check_plain(function, f"{field}: {name}")
    return {"type": "function", "function": json.loads(json.dumps(function, ensure_ascii=False))}


def _check_call(value: object, field: str) -> ToolCall:
    call = _present(value)
    function = _present(call.get("function"))
    is_form = call.keys() == {"id", "type", "function"} and function.keys() == {"name", "arguments"}
    if not is_form or call["type"] != "function":
        _refuse(f"{field}: a call", value, A_CALL)
    name = _name(function["name"], f"{field}: a function's name")
    arguments = _text(function["arguments"], f"{field}: the arguments of {name}")
    _check_arguments(arguments, f"{field}: the arguments of {name}")
    return {
        "id": _id(call["id"], f"{field}: an id"),
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }


def _check_arguments(text: str, field: str) -> None:
    if len(text) > LONGEST:
        raise BadTools(f"{field} have {len(text)} characters; allowed are {LONGEST}")
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_no_number)
    except RecursionError:
        raise BadTools(f"{field} are nested deeper than {DEEPEST} levels") from None
    except ValueError as error:
        raise BadTools(f"{field} are {_show(text)}, which is not JSON: {error}") from None
    if not isinstance(value, dict):
        _refuse(field, text, "the JSON text of an object")
    _check_plain(value, field)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return values


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON number")


def _check_message(value: object, field: str) -> Message:
    """The message by itself."""
    message = _present(value)
    role, content = message.get("role"), message.get("content")
    further = ("tool_calls",) if role == "assistant" else ("tool_call_id", "name") if role == "tool" else ()
    has_calls = role == "assistant" and "tool_calls" in message
    is_form = role in SPEAKERS and not message.keys() - {"role", "content", *further}
    is_whole = role != "tool" or "tool_call_id" in message
    if not is_form or not is_whole or not isinstance(content, str | None if has_calls else str):
        _refuse(f"{field}: a message", value, A_MESSAGE)
    checked: dict[str, Any] = {"role": str.__str__(role), "content": _text(content or "", field)}
    if has_calls:
        checked["tool_calls"] = list(check_calls(message["tool_calls"], f"{field}: tool_calls"))
        if not checked["tool_calls"]:
            _refuse(f"{field}: tool_calls", [], "a list with a call, or none at all")
    if role == "tool":
        checked["tool_call_id"] = _id(message["tool_call_id"], f"{field}: tool_call_id")
        if "name" in message:
            checked["name"] = _name(message["name"], f"{field}: name")
    return cast("Message", checked)


def _close_call(open_calls: dict[str, str], result: Message, field: str) -> None:
    """Take the call that the result answers. Raises ``BadTools`` without one."""
    id = result["tool_call_id"]
    name = open_calls.pop(id, None)
    if name is None:
        raise BadTools(f"{field}: tool_call_id {_show(id)} answers no call of the answer before it, or one twice")
    if result.get("name", name) != name:
        raise BadTools(f"{field}: the result of {_show(id)} has the name {result['name']}, and the call is of {name}")


def _check_plain(value: object, field: str) -> None:
    """Raise ``BadTools`` or ``BadText`` for what JSON does not preserve, and for what is nested too deep."""
    waiting: list[tuple[object, int]] = [(value, 1)]
    while waiting:
        item, depth = waiting.pop()
        if depth > DEEPEST:
            raise BadTools(f"{field} are nested deeper than {DEEPEST} levels")
        if isinstance(item, str):
            check_text(item, field)
        elif isinstance(item, Mapping):
            waiting += [(key if isinstance(key, str) else object(), depth + 1) for key in item]
            waiting += [(inner, depth + 1) for inner in item.values()]
        elif isinstance(item, list | tuple):
            waiting += [(inner, depth + 1) for inner in item]
        elif isinstance(item, float) and not math.isfinite(item):
            raise BadTools(f"{field} hold {item}, which is no JSON number")
        elif isinstance(item, int) and item.bit_length() > 4096:
            raise BadTools(f"{field} hold a number that is too long")
        elif not isinstance(item, bool | int | float | None):
            raise BadTools(f"{field} hold a value of type {type(item).__name__}, which JSON does not have")


def _present(value: object) -> dict[Any, Any]:
    """The object without its keys of None; empty for anything else."""
    return {key: inner for key, inner in value.items() if inner is not None} if isinstance(value, Mapping) else {}


def _items(field: str, value: object, of: str) -> Sequence[Any]:
    if not isinstance(value, Sequence) or isinstance(value, str | bytes | bytearray):
        _refuse(field, value, f"a list of {of}")
    return value


def _text(value: object, field: str) -> str:
    if not isinstance(value, str):
        _refuse(field, value, "a text")
    return check_text(str.__str__(value), field)


def _name(value: object, field: str) -> str:
    name = _text(value, field)
    if not NAME.fullmatch(name):
        _refuse(field, name, A_NAME)
    return name


def _id(value: object, field: str) -> str:
    id = _text(value, field)
    if not 0 < len(id) <= LONGEST_ID:
        _refuse(field, id, f"a text of 1 to {LONGEST_ID} characters")
    return id


def _refuse(field: str, value: object, allowed: str) -> NoReturn:
    raise BadTools(f"{field} is {_show(value)}; allowed is {allowed}")


def _show(value: object) -> str:
    """The value as Python writes it, cut where it is long."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):
        return f"a {type(value).__name__} that is too large to show"
    return f"{text[:SHOWN]}…" if len(text) > SHOWN else text
