"""A function that is offered, a conversation in which it is called, and a run of a program that records both."""

from __future__ import annotations

from grokputer import ProgramRun, ProgramStep
from grokputer.domain.page.messages import Message
from grokputer.domain.page.tools import Tool, ToolCall

WEATHER: Tool = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "description": "Its name."}, "days": {"type": "integer"}},
            "required": ["city"],
        },
        "strict": True,
    },
}


def called(arguments: str = '{"city": "Rome"}', *, name: str = "weather", id: str = "call_a1") -> ToolCall:
    """A call of the function."""
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def result(content: str = "22 C", *, id: str = "call_a1", name: str = "") -> Message:
    """The result of that call."""
    message: Message = {"role": "tool", "tool_call_id": id, "content": content}
    return {**message, "name": name} if name else message


ASKED: Message = {"role": "user", "content": "How warm is it in Rome?"}
CALLING: Message = {"role": "assistant", "content": "", "tool_calls": [called()]}
TALK: list[Message] = [ASKED, CALLING, result(name="weather")]
"""A question, a call, and its result."""

RUN = ProgramRun(
    "support",
    "How warm is it in Rome?",
    [
        ProgramStep([ASKED], tools=[WEATHER], tool_calls=[called()]),
        ProgramStep(TALK, "It is 22 C, and I look further.", tools=[WEATHER], tool_calls=[called('{"city": "Bari"}')]),
    ],
    adapter=None,
    succeeded=True,
    stars=2,
)
