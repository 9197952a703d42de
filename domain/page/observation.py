"""What the agent saw before one answer, read back from the prompt: the page without instructions and past actions, and the
task."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .prompt import ACT, ENDINGS, PLAN

MOST_LINES = 200
"""Lines of an observation that are read; chosen: four times the longest base page."""

LONGEST_LINE = 500
"""Characters of a line that are read; chosen: more than twice the longest line of a shell's page."""

_PAGE_LINE = re.compile(r"(?!did: |error: |task: |now: |reached: ).*\[\d+\]")
_INPUTS = ("user", "tool")


@dataclass(frozen=True)
class Observation:
    """The newest input of a prompt."""

    lines: tuple[str, ...]
    """The page's lines, or the lines of a text: a question, a message, the result of a function."""
    is_page: bool
    """Whether the lines are those of a page, as ``prompt.observe`` writes them."""


def read_task(messages: Iterable[Mapping[str, Any]]) -> str | None:
    """The words of the task in a prompt with a page, as the page gave them; None where the prompt has no such page."""
    inputs = [message.get("content") for message in messages if message.get("role") == "user"]
    text = inputs[-1] if inputs and isinstance(inputs[-1], str) else ""
    ending = next((ending for ending in (ACT, PLAN) if text.endswith(f"\n{ending}")), None)
    if ending is None:
        return None
    parts = text.removesuffix(f"\n{ending}").split("\ntask: ")  # a task may have such lines itself
    tasks = ("\ntask: ".join(parts[start:]) for start in range(len(parts) - 1, 0, -1))
    return next((task for task in tasks if text.startswith(f"task: {task}\n")), None)


def read_observation(messages: Iterable[Mapping[str, Any]]) -> Observation:
    """The observation in the newest message of the user or of a function; without lines where there is none."""
    inputs = [message.get("content") for message in messages if message.get("role") in _INPUTS]
    text = inputs[-1] if inputs and isinstance(inputs[-1], str) else ""
    is_page = text.startswith("task: ") and text.endswith(tuple(f"\n{ending}" for ending in ENDINGS))
    lines = text.split("\n")
    wanted = [line for line in lines if _PAGE_LINE.fullmatch(line)] if is_page else [line for line in lines if line]
    return Observation(tuple(line[:LONGEST_LINE] for line in wanted[:MOST_LINES]), is_page)
