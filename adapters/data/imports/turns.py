"""The turns of a conversation, in the forms of OpenAI (``role``, ``content``) and ShareGPT (``from``, ``value``).

Calls of functions and their results are read in OpenAI's form alone: ``tool_calls`` of an assistant, and turns of role
``tool`` with ``tool_call_id``.

Each answer of the assistant is a target, as in OpenAI's fine-tuning, unless its ``weight`` is 0; the turns before it
are its prompt. An answer before the first question is part of the prompt only. A turn's content is text, or a list of
text parts, which are joined. The model's chat template decides whether turns must alternate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from ....domain.errors import GrokputerError
from ....domain.page.messages import Message
from ....domain.page.tools import ToolCall, check_messages, read_calls
from .fields import Fields, name_kind, read_text
from .reasons import LeftOut, quote

Speaker = Literal["system", "user", "assistant", "tool"]

SPEAKERS: dict[str, Speaker] = {
    "system": "system", "developer": "system", "tool": "tool",
    "user": "user", "human": "user",
    "assistant": "assistant", "gpt": "assistant", "chatgpt": "assistant", "bot": "assistant", "model": "assistant",
}  # fmt: skip
"""The speaker for each role name in published sets, in lower case. OpenAI now calls ``system`` ``developer``."""
TOOLS = (
    "function",
    "observation",
    "ipython",
    "function_call",
    "function_response",
    "tool_call",
    "tool_response",
)
"""Roles of turns that call a tool or return its result, in other forms than OpenAI's present one."""
TEXT_PARTS = ("text", "input_text", "output_text")
"""Types of a text part, in OpenAI's two interfaces."""


@dataclass(frozen=True)
class Turn:
    """One turn of a speaker. ``is_learnt`` is False where its weight is 0."""

    role: Speaker
    content: str
    is_learnt: bool = True
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    name: str = ""

    @property
    def message(self) -> Message:
        """The turn as a message of a prompt."""
        further = {"tool_calls": list(self.tool_calls), "tool_call_id": self.tool_call_id, "name": self.name}
        named = {key: value for key, value in further.items() if value}
        return cast("Message", {"role": self.role, "content": self.content, **named})

    @property
    def is_blank(self) -> bool:
        """Whether it neither says nor calls anything."""
        return not self.content.strip() and not self.tool_calls


@dataclass(frozen=True)
class Pair:
    """A prompt and its answer."""

    messages: tuple[Message, ...]
    text: str
    tool_calls: tuple[ToolCall, ...] = ()


def is_conversation(value: object) -> bool:
    """Whether the value is a list of turns: objects with keys for speaker and content."""
    return (
        isinstance(value, list) and bool(value) and all(isinstance(item, Mapping) and _is_turn(item) for item in value)
    )


def read_turns(value: object, key: str, unread: list[str]) -> list[Turn]:
    """The turns of a list, or of a single turn. Unread keys of a turn are added to ``unread``, as ``key.name``.

    Raises ``LeftOut`` for anything that is not a turn or not text, and for tools in another form than OpenAI's.
    """
    several = [value] if isinstance(value, Mapping) else value
    if not isinstance(several, list):
        raise LeftOut(
            "turns", f"{key!r} is {'text' if isinstance(value, str) else name_kind(value)}, not a list of turns"
        )
    turns = [_read_turn(turn, f"{key}[{index}]", key, unread) for index, turn in enumerate(several)]
    if any(turn.tool_calls or turn.role == "tool" for turn in turns):
        try:
            check_messages([turn.message for turn in turns], key)
        except GrokputerError as error:
            raise LeftOut("tools", str(error)) from None
    return turns


def find_answers(turns: Sequence[Turn], *, last_only: bool = False) -> list[Pair]:
    """Each target answer with the turns before it; ``last_only`` where a row labels or replaces the last one.

    Raises ``LeftOut`` where the last question has no answer, or every weight is 0.
    """
    if not any(turn.role == "user" and turn.content.strip() for turn in turns):
        raise LeftOut("no question", "no turn of a user has text")
    if turns[-1].role != "assistant":
        raise LeftOut("no answer", f"its last turn is of role {turns[-1].role}")
    answers = []
    for number, turn in enumerate(turns):
        before = turns[:number]
        if turn.role != "assistant" or not turn.is_learnt or not any(item.role == "user" for item in before):
            continue
        if before[-1].role == "assistant":
            raise LeftOut("turns", f"turn {number + 1} is a second answer to one question")
        if turn.is_blank:
            raise LeftOut("no answer", f"turn {number + 1} is an empty answer")
        answers.append(Pair(tuple(item.message for item in before), turn.content, turn.tool_calls))
    if last_only:
        answers = answers[-1:] if turns[-1].is_learnt else []
    if not answers:
        raise LeftOut("weight 0", "every answer has weight 0")
    return answers


def _is_turn(value: Mapping[Any, Any]) -> bool:
    keys = {str(key).strip().lower() for key in value}
    return bool(keys & {"role", "from"}) and bool(keys & {"content", "value", "tool_calls"})


def _read_turn(value: object, place: str, key: str, unread: list[str]) -> Turn:
    if not isinstance(value, Mapping):
        raise LeftOut("turns", f"{place} is {'text' if isinstance(value, str) else name_kind(value)}, not a turn")
    fields = Fields(value)
    if fields.take("function_call"):
        raise LeftOut("tools", f"{place} has function_call; tools are learnt in the form of tool_calls")
    role = _read_role(_either(fields, "role", "from", place), place)
    calls = _read_calls(fields.take("tool_calls") or [], role, place)
    called = {key: fields.text(key) for key in ("tool_call_id", "name")} if role == "tool" else {}
    if role != "tool" and fields.take("tool_call_id"):
        raise LeftOut("tools", f"{place} has tool_call_id, which a turn of role tool has")
    content = _read_content(_either(fields, "content", "value", place), f"{place}.content")
    weight = fields.take("weight")
    if weight is not None and (isinstance(weight, bool) or weight not in (0, 1)):
        raise LeftOut("label", f"{place} has weight {quote(weight)}; a weight is 0 or 1")
    unread += [f"{key}.{name}" for name in fields.unread]
    return Turn(role, content, weight != 0, calls, **called)


def _read_calls(value: object, role: Speaker, place: str) -> tuple[ToolCall, ...]:
    """The calls of the turn; arguments may be objects, as many sets have them."""
    try:
        calls = read_calls(value, f"{place}.tool_calls")
    except GrokputerError as error:
        raise LeftOut("tools", str(error)) from None
    if calls and role != "assistant":
        raise LeftOut("tools", f"{place} has tool_calls, which a turn of role assistant has")
    return calls


def _either(fields: Fields, one: str, other: str, place: str) -> Any:
    """The value under one of two names."""
    if one in fields and other in fields:
        raise LeftOut("ambiguous", f"{place} has both {one!r} and {other!r}")
    return fields.take(one) if one in fields else fields.take(other)


def _read_role(value: object, place: str) -> Speaker:
    name = value.strip().lower() if isinstance(value, str) else value
    if name in TOOLS:
        raise LeftOut("tools", f"{place} is of role {name}; tools are learnt in the form of tool_calls and role tool")
    if not isinstance(name, str) or name not in SPEAKERS:
        raise LeftOut("turns", f"{place} is of role {quote(value)}; roles are {', '.join(SPEAKERS)}")
    return SPEAKERS[name]


def _read_content(value: object, place: str) -> str:
    if not isinstance(value, list):
        return read_text(value, place)
    return "".join(_read_part(part, f"{place}[{number}]") for number, part in enumerate(value))


def _read_part(value: object, place: str) -> str:
    if isinstance(value, str):
        return read_text(value, place)
    if not isinstance(value, Mapping):
        raise LeftOut("not text", f"{place} is {name_kind(value)}, not a part of text")
    fields = Fields(value)
    if fields.take("type") not in TEXT_PARTS or "text" not in fields:
        raise LeftOut(
            "not text",
            f"{place} is a part of type {quote(fields.take('type'))}; it takes text and pictures",
        )
    return fields.text("text")
