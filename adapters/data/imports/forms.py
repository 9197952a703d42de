"""One row as examples: its question, its answer, and the answer's label.

A row has exactly one question and one answer, each under one of these keys:

- question: ``instruction`` (with ``input`` or ``context``), ``prompt`` (text or turns), ``messages``,
  ``conversations``;
- answer: ``output`` (Alpaca), ``response`` (Dolly), ``completion`` (TRL, and this program's dataset files), ``chosen``
  with ``rejected`` (preferences); otherwise the assistant's turns of ``messages`` and ``conversations`` (ShareGPT).

A row with two questions or two answers is ambiguous and left out. Two cases are unambiguous, and occur in sets on the
Hub: a ``prompt`` that repeats the words of a user's turn, and ``messages`` that repeat ``chosen``. ``system`` comes
first; ``history``, pairs of question and answer, comes before the question, and its answers are prompt only. A
``label`` (or ``kto_tag``) of true or false is KTO's: it rates the last answer good or bad, which is then no target.
``tools`` are the functions that are offered in each prompt of the row, as a list or its JSON text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ....domain.errors import GrokputerError
from ....domain.page.messages import Message
from ....domain.page.tools import Tool, ToolCall, check_tools, read_calls
from ..examples import LABELS, Example
from ..selection import name_answer
from .fields import Fields, name_kind, read_text
from .reasons import LeftOut, quote, quote_all
from .turns import Pair, Turn, find_answers, is_conversation, read_turns

CONVERSATIONS = ("messages", "conversations", "conversation")
QUESTIONS = (*CONVERSATIONS, "prompt", "instruction")
ANSWERS = {"output": "alpaca", "response": "dolly", "completion": "prompt-completion", "chosen": "preference"}
"""The keys of an answer, and the form of a row with that key."""
OURS = ("source", "role", "run_id", "step", "instance")
"""Keys of this program's dataset files that name an example's origin; an imported example has the set as its origin."""
_FORMS = (
    "instruction + output; instruction + response; prompt + completion; prompt + chosen + rejected; messages; "
    "conversations"
)
_EMPTY = ("", "[]", "{}")
_NO_ANSWER = Pair((), "")


@dataclass
class RowRead:
    """The examples of a row, its form, and the keys with a value that were not read."""

    form: str
    examples: list[Example]
    unread: list[str] = field(default_factory=list)


def read_row(value: object) -> RowRead:
    """The examples of a row; for a conversation one per answer. Raises ``LeftOut`` with the reason."""
    if is_conversation(value):
        value = {"messages": value}
    if not isinstance(value, Mapping):
        raise LeftOut("unknown form", f"is not an object but {'text' if isinstance(value, str) else name_kind(value)}")
    fields = Fields(value)
    tools = _read_tools(fields)
    unread: list[str] = []
    asked, answer = _find_question(fields), _find_answer(fields)
    label = _read_label(fields)
    if answer == "chosen":
        pairs, rejected = _read_preference(fields, asked, unread)
    else:
        pairs = _read_answers(fields, asked, answer, unread, label is not None)
        rejected = _read_rejected(fields, unread, pairs)
    if rejected is not _NO_ANSWER and label not in (None, "target"):
        raise LeftOut("ambiguous", "has both a rejected answer and a label")
    if asked == "messages" and answer == "completion":
        for name in OURS:
            fields.take(name)
    *others, last = (
        Example(pair.messages, pair.text, "public", tools=tools, tool_calls=pair.tool_calls) for pair in pairs
    )
    judged = replace(last, rejected=rejected.text, rejected_calls=rejected.tool_calls, label=label or "target")
    form = _name(asked, answer, fields, label)
    return RowRead(form, [judged] if label else [*others, judged], [*fields.unread, *unread])


def _read_tools(fields: Fields) -> tuple[Tool, ...]:
    """The functions that are offered, from a list or its JSON text."""
    offered = fields.take("functions")
    if offered and (not isinstance(offered, str) or offered.strip() not in _EMPTY):
        raise LeftOut("tools", "has functions; tools are learnt in the form of tools")
    offered = fields.take("tools")
    if not offered or (isinstance(offered, str) and offered.strip() in _EMPTY):
        return ()
    try:
        return check_tools(json.loads(offered) if isinstance(offered, str) else offered)
    except (ValueError, GrokputerError, RecursionError) as error:
        raise LeftOut("tools", f"has tools that are not in OpenAI's form: {quote(error)}") from None


def _name(asked: str, answer: str | None, fields: Fields, label: str | None) -> str:
    if answer is None:
        return "messages" if asked == "messages" else "sharegpt"
    if asked == "messages" and answer == "completion":
        return "examples"
    return "kto" if answer == "completion" and label else ANSWERS[answer]


def _find_question(fields: Fields) -> str:
    there = [key for key in QUESTIONS if key in fields]
    if "prompt" in there and any(key in there for key in CONVERSATIONS) and _is_repeated(fields, there):
        there.remove("prompt")
    if len(there) == 2 and "prompt" in there and "chosen" in fields and "messages" in there:
        there = [key for key in there if key != "messages" or fields.take("messages") != fields.take("chosen")]
    if not there and any(fields.knows(key) for key in QUESTIONS):
        raise LeftOut("no question", "its question is empty")
    if not there and "chosen" in fields and "rejected" in fields:
        return ""  # TRL's implicit prompt: what both answers begin with
    if not there:
        raise LeftOut(
            "unknown form", f"has {quote_all(fields.names)}; it needs the keys of one of these forms: {_FORMS}"
        )
    if len(there) > 1:
        raise LeftOut("ambiguous", f"has {len(there)} questions: {', '.join(there)}; keep one of them")
    return there[0]


def _is_repeated(fields: Fields, there: Sequence[str]) -> bool:
    """Whether the prompt is the words of a user's turn of the conversation."""
    if "chosen" in fields:
        return False
    prompt = fields.take("prompt")
    turns = [turn for key in there if key in CONVERSATIONS for turn in read_turns(fields.take(key), key, [])]
    return any(turn.role == "user" and turn.content == prompt for turn in turns)


def _find_answer(fields: Fields) -> str | None:
    there = [key for key in ANSWERS if key in fields]
    if len(there) > 1:
        raise LeftOut("ambiguous", f"has {len(there)} answers: {', '.join(there)}; keep one of them")
    if there:
        return there[0]
    if any(key in fields for key in CONVERSATIONS):
        return None
    if any(fields.knows(key) for key in ANSWERS):
        raise LeftOut("no answer", "its answer is empty")
    raise LeftOut("unknown form", f"has {quote_all(fields.names)} and no answer; it needs one of {', '.join(ANSWERS)}")


def _read_label(fields: Fields) -> str | None:
    """``good`` or ``bad`` of KTO, a label of this program, or None."""
    there = [key for key in ("label", "kto_tag") if key in fields]
    if len(there) > 1:
        raise LeftOut("ambiguous", "has both 'label' and 'kto_tag'")
    if not there:
        return None
    value = fields.take(there[0])
    word = value.strip().lower() if isinstance(value, str) else value
    if word is True or word == "true":
        return "good"
    if word is False or word == "false":
        return "bad"
    if isinstance(value, str) and value in LABELS:
        return None if value == "target" else value
    raise LeftOut("label", f"{there[0]!r} is {quote(value)}; it is true, false, or one of {', '.join(LABELS)}")


def _read_question(fields: Fields, asked: str, unread: list[str]) -> list[Turn]:
    """The turns up to the question, inclusive; or the turns of a whole conversation."""
    value = fields.take(asked)
    if asked in CONVERSATIONS or (asked == "prompt" and isinstance(value, list | Mapping)):
        turns = read_turns(value, asked, unread)
    else:
        if (
            "input" in fields
            and "context" in fields
            and fields.text("input").strip()
            and fields.text("context").strip()
        ):
            raise LeftOut("ambiguous", "has both 'input' and 'context'")
        parts = [read_text(value, asked), fields.text("input"), fields.text("context")]
        turns = [*_read_history(fields), Turn("user", "\n\n".join(part for part in parts if part.strip()))]
    system = fields.text("system") if "system" in fields else ""
    if not system.strip():
        return turns
    if any(turn.role == "system" and turn.content != system for turn in turns):
        raise LeftOut("ambiguous", "has 'system' and another turn of the system")
    return turns if any(turn.role == "system" for turn in turns) else [Turn("system", system), *turns]


def _read_history(fields: Fields) -> list[Turn]:
    history = fields.take("history")
    if history is None or (isinstance(history, str) and history.strip() in _EMPTY):
        return []
    turns: list[Turn] = []
    for number, pair in enumerate(history if isinstance(history, list) else [history]):
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise LeftOut("turns", f"history[{number}] is not a pair of a question and an answer")
        question, answer = (read_text(part, f"history[{number}]") for part in pair)
        turns += [Turn("user", question), Turn("assistant", answer)]
    return turns


def _read_answers(fields: Fields, asked: str, answer: str | None, unread: list[str], is_judged: bool) -> list[Pair]:
    turns = _read_question(fields, asked, unread)
    if answer is None:
        return find_answers(turns, last_only=is_judged)
    before, given = _read_answer(fields.take(answer), answer, unread)
    if before:
        raise LeftOut("turns", f"{answer!r} has more turns than the answer")
    given = _with_calls(given, fields, "tool_calls")
    return [replace(_check_answer(given), messages=_check_prompt(turns))]


def _with_calls(answer: Pair, fields: Fields, key: str) -> Pair:
    """The answer with the calls under the key of this program's dataset files."""
    try:
        calls: tuple[ToolCall, ...] = read_calls(fields.take(key) or [], key)
    except GrokputerError as error:
        raise LeftOut("tools", str(error)) from None
    if calls and answer.tool_calls:
        raise LeftOut("ambiguous", f"has {key!r} and calls in a turn")
    return replace(answer, tool_calls=calls) if calls else answer


def _read_preference(fields: Fields, asked: str, unread: list[str]) -> tuple[list[Pair], Pair]:
    """The chosen answer with its prompt, and the rejected one."""
    if "rejected" not in fields:
        raise LeftOut("no answer", "has 'chosen' without 'rejected'")
    begun, chosen = _read_answer(fields.take("chosen"), "chosen", unread)
    also, rejected = _read_answer(fields.take("rejected"), "rejected", unread)
    if begun != also:
        raise LeftOut("ambiguous", "'chosen' and 'rejected' begin with different turns")
    turns = _read_question(fields, asked, unread) if asked else []
    if begun and turns:
        # Whole conversations beside a prompt: the prompt is their beginning, or the words of one of their turns.
        spoken = [turn for turn in turns if turn.role != "system"]
        if turns != begun and (len(spoken) != 1 or spoken[0] not in begun):
            raise LeftOut("ambiguous", "'chosen' begins with other turns than the prompt")
        system = [turn for turn in turns if turn.role == "system" and turn not in begun]
        begun = [*system, *begun]
    prompt = _check_prompt(begun or turns)
    _check_answer(rejected)
    return [replace(_check_answer(chosen), messages=prompt)], _check_differs(chosen, rejected)


def _read_answer(value: object, key: str, unread: list[str]) -> tuple[list[Turn], Pair]:
    """The answer, and the turns before it where it is a conversation."""
    if not isinstance(value, list | Mapping) or not value:
        return [], Pair((), read_text(value, key))
    if isinstance(value, list) and not is_conversation(value):
        raise LeftOut("not text", f"{key!r} is a list, neither text nor turns")
    if isinstance(value, Mapping) and not is_conversation([value]):
        raise LeftOut("not text", f"{key!r} is an object, neither text nor a turn")
    *before, last = read_turns(value, key, unread)
    if last.role != "assistant":
        raise LeftOut("turns", f"{key!r} ends with a turn of role {last.role}")
    if not last.is_learnt:
        raise LeftOut("weight 0", f"{key!r} has weight 0")
    return before, Pair((), last.content, last.tool_calls)


def _read_rejected(fields: Fields, unread: list[str], pairs: Sequence[Pair]) -> Pair:
    there = [key for key in ("rejected", "rejected_response") if key in fields]
    if len(there) > 1:
        raise LeftOut("ambiguous", "has both 'rejected' and 'rejected_response'")
    if not there and "rejected_calls" not in fields:
        return _NO_ANSWER
    key = there[0] if there else "rejected"
    before, given = _read_answer(fields.take(key), key, unread)
    if before:
        raise LeftOut("turns", f"{key!r} has more turns than the answer")
    return _check_differs(pairs[-1], _with_calls(given, fields, "rejected_calls"))


def _check_prompt(turns: Sequence[Turn]) -> tuple[Message, ...]:
    if not any(turn.content.strip() for turn in turns):
        raise LeftOut("no question", "its question is empty")
    return tuple(turn.message for turn in turns)


def _check_answer(answer: Pair) -> Pair:
    if not answer.text.strip() and not answer.tool_calls:
        raise LeftOut("no answer", "its answer is empty")
    return answer


def _check_differs(chosen: Pair, rejected: Pair) -> Pair:
    if name_answer(chosen.text, chosen.tool_calls) == name_answer(rejected.text, rejected.tool_calls):
        raise LeftOut("ambiguous", "the answer and the rejected one are the same")
    return rejected
