"""The data that agent and model exchange: pages, messages, requests and completions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, NotRequired, TypedDict

from .action import VERBS
from .tools import Tool, ToolCall


class Message(TypedDict):
    """One turn of a conversation, in the form of chat templates and OpenAI-compatible endpoints; see ``tools.py``."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    """Its text, with marks where it has pictures and sounds (``media.py``); empty in an answer that only calls functions."""
    tool_calls: NotRequired[list[ToolCall]]
    """The calls of an answer; never empty."""
    tool_call_id: NotRequired[str]
    """The call that a ``tool`` answers."""
    name: NotRequired[str]
    """The function that a ``tool`` answers for."""


@dataclass(frozen=True)
class Completion:
    """A model's answer and its cost."""

    text: str
    """Unicode, without lone surrogates."""
    prompt_tokens: int | None
    """None where the model does not report it."""
    completion_tokens: int | None
    duration_ms: int
    tool_calls: tuple[ToolCall, ...] = ()
    """The calls beside the text, or in its place, where functions were offered."""


@dataclass(frozen=True)
class Request:
    """One request to a model, with the arguments of ``Model.complete``."""

    messages: Sequence[Message]
    adapter: str | None = None
    max_tokens: int = 64
    temperature: float = 0.0
    seed: int = 0
    tools: Sequence[Tool] = ()
    """The functions that are offered."""
    media: Mapping[str, str] = field(default_factory=dict)
    """What the marks in the messages stand for: pictures and sounds as ``data:`` URLs, by their keys; see ``media.py``."""


class Box(NamedTuple):
    """A rectangle on a picture, in pixels from its left upper corner."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Page:
    """What the agent sees at one moment: the task in words, one line per element, and the state of the episode.

    ``lines[i]`` ends with its number ``[i + 1]``; an action names its element by repeating the line. ``reward`` is the
    task's own raw reward, 1.0 for success; it is valid once ``is_done``. ``error`` says in words why the last action
    could not be carried out; empty when it could. ``is_question`` marks a task in words without a page: its words are
    the whole prompt. ``verbs`` are the verbs that the page takes: one of the sets of ``action.py``.

    Where there is a screen, ``picture`` is what it shows, as PNG, and ``boxes[i]`` is where the element of ``lines[i]`` lies on
    the picture; None for an element without a place. ``inputs`` are the pictures and sounds that came with the task,
    as ``data:`` URLs by their content keys; an episode adds them.
    """

    task: str
    lines: tuple[str, ...]
    is_done: bool = False
    reward: float = 0.0
    error: str = ""
    is_question: bool = False
    verbs: tuple[str, ...] = VERBS
    picture: bytes | None = field(default=None, repr=False)
    boxes: tuple[Box | None, ...] = ()
    inputs: Mapping[str, str] = field(default_factory=dict, repr=False)
