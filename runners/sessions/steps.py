"""The steps of a session: plain answers, thoughts with actions and observations, tool calls, or a conversation.

Calls and results in OpenAI's form stay in that form, all of a conversation or none; those in another form become text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from ...domain.errors import BadText, BadTools
from ...domain.page.messages import Message
from ...domain.page.tools import Tool, ToolCall, check_calls, check_messages, check_tools
from .made import KEY, USUAL, Made, read_made
from .values import BEGAN, ENDED, LASTED, Values, plain

ANSWER_KEYS = ("thought", "response", "answer", "output", "content", "text")
"""The keys of a step that may hold parts of the model's answer, in order; ``action`` comes after them."""

RESULT_KEYS = ("tool_results", "result", "observation")
"""The keys of a step that may hold its result."""

PAGE = "screenshot_summary"
PROMPT = "prompt"
NUMBERS = ("iteration", "iteration_number", "step", "number", "index")
"""The keys of a step's own number, which its place also gives."""

STEP_KEYS = (
    *ANSWER_KEYS,
    "action",
    "tool_call",
    "tool_calls",
    "tools",
    *RESULT_KEYS,
    PAGE,
    PROMPT,
    KEY,
    *NUMBERS,
    *BEGAN,
    *ENDED,
    *LASTED,
)
MESSAGE_KEYS = ("role", "content", "tool_calls", "tool_call_id", "name", *NUMBERS, *BEGAN, *ENDED, *LASTED)
SPEAKERS: dict[str, str] = {
    "system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "user",
}  # fmt: skip
"""The roles of messages, and the role that each gets in a prompt. The result of a tool is input for the model: of the
user, where it is not in OpenAI's form."""


@dataclass(frozen=True)
class Act:
    """One step: what the model saw, its answer, and the result; empty where unknown."""

    answer: str
    result: str = ""
    page: str = ""
    """The screen before the answer."""
    prompt: tuple[Message, ...] | None = None
    """The whole prompt, where the session has it; else the prompt is built from the steps before."""
    began: datetime | None = None
    duration_ms: int | None = None
    """None where it is unknown."""
    tool_calls: tuple[ToolCall, ...] = ()
    """The calls of the answer that are in OpenAI's form; its text does not repeat them."""
    tools: tuple[Tool, ...] = ()
    """The functions that were offered, where the session says them."""
    made: Made = USUAL
    """How the step was made, where this program exported it."""

    @property
    def message(self) -> Message:
        """The answer as a message of later prompts."""
        message: Message = {"role": "assistant", "content": self.answer}
        return {**message, "tool_calls": list(self.tool_calls)} if self.tool_calls else message


def prompts_of(task: str, acts: Sequence[Act]) -> Iterator[list[Message]]:
    """The prompt of each step: the task, everything before it, and the page of the step itself."""
    messages: list[Message] = [{"role": "user", "content": task}]
    for act in acts:
        if act.page:
            _tell(messages, act.page)
        yield list(messages) if act.prompt is None else list(act.prompt)
        messages.append(act.message)
        if act.result and act.tool_calls:
            [call] = act.tool_calls
            name = call["function"]["name"]
            messages.append({"role": "tool", "content": act.result, "tool_call_id": call["id"], "name": name})
        elif act.result:
            _tell(messages, act.result)


def _tell(messages: list[Message], text: str) -> None:
    """Add the text to the user's current turn, or begin one."""
    if messages[-1]["role"] == "user":
        messages[-1] = {"role": "user", "content": f"{messages[-1]['content']}\n{text}"}
    else:
        messages.append({"role": "user", "content": text})


def read_acts(
    values: Values, task: str, steps: Sequence[Any], calls: Any, tools: tuple[Tool, ...] = ()
) -> tuple[Act, ...]:
    """The steps in order; separate tool calls come after them, except those that a step already contains.

    ``tools`` are the functions that the session offered in each step. Raises ``InvalidSession``.
    """
    reader = _Steps(values, tools)
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


def read_tools(value: Any) -> tuple[Tool, ...]:
    """The definitions of functions; none where they are not in OpenAI's form."""
    try:
        return check_tools(value)
    except (BadText, BadTools):
        return ()


class _Steps:
    def __init__(self, values: Values, tools: tuple[Tool, ...] = ()) -> None:
        self.values = values
        self.tools = tools

    def step(self, step: Any) -> Act:
        """A step that is text, or an object with what the model saw, answered and did, and the result."""
        values = self.values
        if isinstance(step, str) and step.strip():
            return Act(step.strip(), tools=self.tools)
        if not isinstance(step, dict):
            values.refuse("a step of iterations", step, "text, or an object with what was answered and its tool_calls")
        tools, calls = read_tools(step.get("tools")), _calls_in_form(step)
        values.note_unknown(step, [key for key in STEP_KEYS if key != "tools" or tools], "iterations[].")
        parts = [plain(step.get(key)) for key in ANSWER_KEYS]
        action = step.get("action")
        acts = [] if calls else [self.call(call) for call in self.calls(step)]
        acted = self.call(action) if isinstance(action, dict) and "name" in action else Act(plain(action))
        answers = dict.fromkeys(text for text in (*parts, acted.answer, *(act.answer for act in acts)) if text.strip())
        results = dict.fromkeys(text for text in (acted.result, *(act.result for act in acts)) if text)
        results |= dict.fromkeys(text for key in RESULT_KEYS for text in [plain(step.get(key))] if text)
        page, prompt = plain(step.get(PAGE)), self._prompt(step.get(PROMPT))
        if not answers and not calls and not results and not page and prompt is None:
            values.refuse(
                "a step of iterations", step, f"one with tool_calls, or text under {', '.join(ANSWER_KEYS)} or action"
            )
        return Act(
            "\n".join(answers), "\n".join(results), page, prompt,
            values.time(step, BEGAN, "iterations[]."), values.duration_ms(step, "iterations[]."),
            tool_calls=calls, tools=tools or self.tools, made=read_made(values, step),
        )  # fmt: skip

    def messages(self, task: str, steps: Sequence[Mapping[str, Any]]) -> list[Act]:
        """The steps of a conversation: each answer of the assistant is a step, and its prompt is everything before it."""
        prompt_messages: list[Message] = []
        acts: list[Act] = []
        in_form = self._in_form(steps)
        for number, step in enumerate(steps):
            self.values.note_unknown(step, MESSAGE_KEYS, "iterations[].")
            message = self._message(step) if in_form is None else in_form[number]
            if message["role"] == "assistant":
                if not any(turn["role"] == "user" for turn in prompt_messages):
                    prompt_messages.append({"role": "user", "content": task})
                began = self.values.time(step, BEGAN, "iterations[].")
                lasted = self.values.duration_ms(step, "iterations[].")
                calls = tuple(message.get("tool_calls", ()))
                acts.append(Act(message["content"], "", "", tuple(prompt_messages), began, lasted, calls, self.tools))
            prompt_messages.append(message)
        if not acts:
            self.values.refuse("iterations", list(steps), "messages, at least one of them of the role assistant")
        return acts

    def _in_form(self, steps: Sequence[Mapping[str, Any]]) -> tuple[Message, ...] | None:
        """The conversation with its calls and results; None where it has none, or not all in OpenAI's form."""
        if not any(step["role"] == "tool" or step.get("tool_calls") for step in steps):
            return None
        messages = []
        for step in steps:
            keys = ("tool_calls",) if step["role"] == "assistant" else ("tool_call_id", "name")
            further = {key: step[key] for key in keys if step.get(key) and step["role"] in ("assistant", "tool")}
            content = step.get("content")
            text = content if isinstance(content, str) else self._content(content) or ""
            role = "system" if step["role"] == "developer" else step["role"]
            messages.append({"role": role, "content": text, **further})
        try:
            return check_messages(messages)
        except (BadText, BadTools):
            return None

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
            parts = [
                part.get("text") if isinstance(part, dict) and part.get("type") == "text" else None for part in value
            ]
            if not all(isinstance(part, str) for part in parts):
                self.values.refuse("iterations[].content", value, "text, or a list of parts that are text")
            value = "\n".join(str(part) for part in parts)
        return self.values.text("iterations[].content", value)

    def _prompt(self, value: Any) -> tuple[Message, ...] | None:
        """The prompt's messages; plain text is one message of the user."""
        if value is None:
            return None
        if isinstance(value, str):
            return ({"role": "user", "content": value},)
        rows = self.values.items(f"iterations[].{PROMPT}", value, "messages")
        try:
            return check_messages(rows, f"iterations[].{PROMPT}")
        except (BadText, BadTools) as error:
            self.values.refuse_because(error)

    def calls(self, step: Mapping[str, Any]) -> list[Any]:
        """The step's tool calls."""
        alone = [step["tool_call"]] if step.get("tool_call") is not None else []
        return self.values.items("tool_calls", step.get("tool_calls"), "calls") + alone

    def call(self, call: Any) -> Act:
        """A tool call as one line: ``name {"argument": value}``. OpenAI's form is accepted too."""
        inner = call.get("function", call) if isinstance(call, dict) else None
        if not isinstance(inner, dict) or not isinstance(inner.get("name"), str):
            self.values.refuse("a tool call", call, "an object with name, arguments and result")
        arguments = inner.get("arguments", inner.get("args", {}))
        result = call.get("result", call.get("output"))
        return Act(" ".join(filter(None, [inner["name"], plain(arguments)])), plain(result))


def _calls_in_form(step: Mapping[str, Any]) -> tuple[ToolCall, ...]:
    """The step's calls, where they are in OpenAI's form and it is clear which of them a result is of; else none."""
    try:
        calls = check_calls(step.get("tool_calls") or [])
    except (BadText, BadTools):
        return ()
    has_result = any(step.get(key) for key in RESULT_KEYS)
    is_clear = len(calls) == 1 or not has_result
    return calls if is_clear and step.get("tool_call") is None else ()
