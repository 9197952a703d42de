"""The turns of a conversation, in the forms of OpenAI (``role``, ``content``) and ShareGPT (``from``, ``value``).

Each answer of the assistant is a target, as in OpenAI's fine-tuning, unless its ``weight`` is 0; the turns before it
are its prompt. An answer before the first question is part of the prompt only. A turn's content is text, or a list of
text parts, which are joined. The model's chat template decides whether turns must alternate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ....domain.page.messages import Message
from .fields import Fields, name_kind, read_text
from .reasons import LeftOut, quote

Speaker = Literal["system", "user", "assistant"]

SPEAKERS: dict[str, Speaker] = {
    "system": "system", "developer": "system",
    "user": "user", "human": "user",
    "assistant": "assistant", "gpt": "assistant", "chatgpt": "assistant", "bot": "assistant", "model": "assistant",
}  # fmt: skip
"""The speaker for each role name in published sets, in lower case. OpenAI now calls ``system`` ``developer``."""
TOOLS = (
    "tool",
    "function",
    "observation",
    "ipython",
    "function_call",
    "function_response",
    "tool_call",
    "tool_response",
)
"""Roles of turns that call a tool or return its result."""
TEXT_PARTS = ("text", "input_text", "output_text")
"""Types of a text part, in OpenAI's two interfaces."""


@dataclass(frozen=True)
class Turn:
    """One turn of a speaker. ``is_learnt`` is False where its weight is 0."""

    role: Speaker
    content: str
    is_learnt: bool = True

    @property
    def message(self) -> Message:
        """The turn as a message of a prompt."""
        return {"role": self.role, "content": self.content}


def is_conversation(value: object) -> bool:
    """Whether the value is a list of turns: objects with keys for speaker and content."""
    return (
        isinstance(value, list) and bool(value) and all(isinstance(item, Mapping) and _is_turn(item) for item in value)
    )


def read_turns(value: object, key: str, unread: list[str]) -> list[Turn]:
    """The turns of a list, or of a single turn. Unread keys of a turn are added to ``unread``, as ``key.name``.

    Raises ``LeftOut`` for anything that is not a turn, calls a tool, or is not text.
    """
    several = [value] if isinstance(value, Mapping) else value
    if not isinstance(several, list):
        raise LeftOut(
            "turns", f"{key!r} is {'text' if isinstance(value, str) else name_kind(value)}, not a list of turns"
        )
    return [_read_turn(turn, f"{key}[{index}]", key, unread) for index, turn in enumerate(several)]


def find_answers(turns: Sequence[Turn], *, last_only: bool = False) -> list[tuple[tuple[Message, ...], str]]:
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
        if not turn.content.strip():
            raise LeftOut("no answer", f"turn {number + 1} is an empty answer")
        answers.append((tuple(item.message for item in before), turn.content))
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
    for name in ("tool_calls", "function_call", "tool_call_id"):
        if name in fields and fields.take(name):
            raise LeftOut("tools", f"{place} has {name}; tools are not learnt yet")
    role = _read_role(_either(fields, "role", "from", place), place)
    content = _read_content(_either(fields, "content", "value", place), f"{place}.content")
    weight = fields.take("weight")
    if weight is not None and (isinstance(weight, bool) or weight not in (0, 1)):
        raise LeftOut("label", f"{place} has weight {quote(weight)}; a weight is 0 or 1")
    unread += [f"{key}.{name}" for name in fields.unread]
    return Turn(role, content, weight != 0)


def _either(fields: Fields, one: str, other: str, place: str) -> Any:
    """The value under one of two names."""
    if one in fields and other in fields:
        raise LeftOut("ambiguous", f"{place} has both {one!r} and {other!r}")
    return fields.take(one) if one in fields else fields.take(other)


def _read_role(value: object, place: str) -> Speaker:
    name = value.strip().lower() if isinstance(value, str) else value
    if name in TOOLS:
        raise LeftOut("tools", f"{place} is of role {name}; tools are not learnt yet")
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
        raise LeftOut("not text", f"{place} is a part of type {quote(fields.take('type'))}; only text is learnt yet")
    return fields.text("text")
