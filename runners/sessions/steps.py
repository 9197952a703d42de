"""The steps of a session: plain answers, thoughts with actions and observations, tool calls, or a conversation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from ...domain.page.messages import Message
from .values import BEGAN, ENDED, LASTED, Values, plain

SAID = ("thought", "response", "answer", "output", "content", "text")
"""Where a step may say what the model answered, in the order of the answer; what it did (``action``) comes after them."""

SHOWED = ("tool_results", "result", "observation")
"""Where a step may say what came of it."""

PAGE = "screenshot_summary"
PROMPT = "prompt"
NUMBERS = ("iteration", "iteration_number", "step", "number", "index")
"""A step's own number, which its place says too."""

STEP_KEYS = (*SAID, "action", "tool_call", "tool_calls", *SHOWED, PAGE, PROMPT, *NUMBERS, *BEGAN, *ENDED, *LASTED)
MESSAGE_KEYS = ("role", "content", "tool_calls", "tool_call_id", "name", *NUMBERS, *BEGAN, *ENDED, *LASTED)
SPEAKERS: dict[str, str] = {
    "system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "user",
}  # fmt: skip
"""The roles of messages, and as which of the three that a prompt has each is kept: the answer of a tool is what the model was
told."""


@dataclass(frozen=True)
class Act:
    """One step: what the model was shown, what it answered, and what came of it; empty where that is not known."""

    answer: str
    result: str = ""
    page: str = ""
    """What the screen showed before the answer."""
    prompt: tuple[Message, ...] | None = None
    """All that the model was told, where the session says so; else the prompt follows from the steps before."""
    began: datetime | None = None
    duration_ms: int = 0


def prompts_of(task: str, acts: Sequence[Act]) -> Iterator[list[Message]]:
    """What each step answered to: the task, all that came before, and the page that the step itself was shown."""
    messages: list[Message] = [{"role": "user", "content": task}]
    for act in acts:
        if act.page:
            _tell(messages, act.page)
        yield list(messages) if act.prompt is None else list(act.prompt)
        messages.append({"role": "assistant", "content": act.answer})
        if act.result:
            _tell(messages, act.result)


def _tell(messages: list[Message], text: str) -> None:
    """Tell the model the text, in the message that is its turn."""
    if messages[-1]["role"] == "user":
        messages[-1] = {"role": "user", "content": f"{messages[-1]['content']}\n{text}"}
    else:
        messages.append({"role": "user", "content": text})


def read_acts(values: Values, task: str, steps: Sequence[Any], calls: Any) -> tuple[Act, ...]:
    """The steps in their order; calls that stand beside them come after them, but for those that are in them.

    Raises ``InvalidSession``.
    """
    reader = _Steps(values)
    beside = values.items("tool_calls", calls, "calls")
    has_role = [isinstance(step, dict) and "role" in step for step in steps]
    if any(has_role):
        if not all(has_role):
            values.refuse(
                "a step of iterations", steps[has_role.index(False)], "a message with a role, like the others"
            )
        return (*reader.messages(task, steps), *(reader.call(call) for call in beside))
    nested = [call for step in steps if isinstance(step, dict) for call in reader.calls(step)]
    return (*(reader.step(step) for step in steps), *(reader.call(call) for call in beside if call not in nested))


class _Steps:
    def __init__(self, values: Values) -> None:
        self.values = values

    def step(self, step: Any) -> Act:
        """A step that is text, or an object with what was shown, said, done and seen."""
        values = self.values
        if isinstance(step, str) and step.strip():
            return Act(step.strip())
        if not isinstance(step, dict):
            values.refuse("a step of iterations", step, "text, or an object with what was answered and its tool_calls")
        values.note_unknown(step, STEP_KEYS, "iterations[].")
        said = [plain(step.get(key)) for key in SAID]
        action = step.get("action")
        acts = [self.call(call) for call in self.calls(step)]
        done = self.call(action) if isinstance(action, dict) and "name" in action else Act(plain(action))
        answers = dict.fromkeys(it for it in (*said, done.answer, *(act.answer for act in acts)) if it.strip())
        results = dict.fromkeys(it for it in (done.result, *(act.result for act in acts)) if it)
        results |= dict.fromkeys(it for key in SHOWED for it in [plain(step.get(key))] if it)
        page, prompt = plain(step.get(PAGE)), self._prompt(step.get(PROMPT))
        if not answers and not results and not page and prompt is None:
            values.refuse(
                "a step of iterations", step, f"one with tool_calls, or text under {', '.join(SAID)} or action"
            )
        return Act(
            "\n".join(answers), "\n".join(results), page, prompt,
            values.time(step, BEGAN, "iterations[]."), values.duration_ms(step, "iterations[]."),
        )  # fmt: skip

    def messages(self, task: str, steps: Sequence[Mapping[str, Any]]) -> list[Act]:
        """The conversation as it is: each answer of the assistant is a step, and its prompt is all that was said before."""
        told: list[Message] = []
        acts: list[Act] = []
        for step in steps:
            self.values.note_unknown(step, MESSAGE_KEYS, "iterations[].")
            message = self._message(step)
            if message["role"] == "assistant":
                if not any(it["role"] == "user" for it in told):
                    told.append({"role": "user", "content": task})
                began = self.values.time(step, BEGAN, "iterations[].")
                lasted = self.values.duration_ms(step, "iterations[].")
                acts.append(Act(message["content"], prompt=tuple(told), began=began, duration_ms=lasted))
            told.append(message)
        if not acts:
            self.values.refuse("iterations", list(steps), "messages, at least one of them of the role assistant")
        return acts

    def _message(self, step: Mapping[str, Any]) -> Message:
        role = SPEAKERS.get(step["role"]) if isinstance(step["role"], str) else None
        if role is None:
            self.values.refuse("iterations[].role", step["role"], f"one of {', '.join(SPEAKERS)}")
        calls = [self.call(call).answer for call in self.calls(step)]
        content = "\n".join(filter(None, [self._content(step.get("content")), *calls]))
        if not content:
            self.values.refuse("a message of iterations", step, "one with content in words")
        return cast(Message, {"role": role, "content": content})

    def _content(self, value: Any) -> str | None:
        if isinstance(value, list):
            parts = [it.get("text") if isinstance(it, dict) and it.get("type") == "text" else None for it in value]
            if not all(isinstance(part, str) for part in parts):
                self.values.refuse("iterations[].content", value, "text, or a list of parts that are text")
            value = "\n".join(str(part) for part in parts)
        return self.values.text("iterations[].content", value)

    def _prompt(self, value: Any) -> tuple[Message, ...] | None:
        """The messages that the model was given; plain text is one message of the user."""
        if value is None:
            return None
        if isinstance(value, str):
            return ({"role": "user", "content": value},)
        rows = self.values.items(f"iterations[].{PROMPT}", value, "messages")
        roles = ("system", "user", "assistant")
        for row in rows:
            is_message = isinstance(row, dict) and row.keys() == {"role", "content"} and isinstance(row["content"], str)
            if not is_message or row["role"] not in roles:
                self.values.refuse(
                    f"a message of {PROMPT}", row, f"an object with role ({', '.join(roles)}) and content"
                )
        if not rows:
            self.values.refuse(f"iterations[].{PROMPT}", value, "a list with at least one message")
        return tuple(rows)

    def calls(self, step: Mapping[str, Any]) -> list[Any]:
        """The step's calls of tools."""
        alone = [step["tool_call"]] if step.get("tool_call") is not None else []
        return self.values.items("tool_calls", step.get("tool_calls"), "calls") + alone

    def call(self, call: Any) -> Act:
        """A call of a tool as one line: ``name {"argument": value}``. OpenAI's form is known too."""
        inner = call.get("function", call) if isinstance(call, dict) else None
        if not isinstance(inner, dict) or not isinstance(inner.get("name"), str):
            self.values.refuse("a tool call", call, "an object with name, arguments and result")
        arguments = inner.get("arguments", inner.get("args", {}))
        result = call.get("result", call.get("output"))
        return Act(" ".join(filter(None, [inner["name"], plain(arguments)])), plain(result))
