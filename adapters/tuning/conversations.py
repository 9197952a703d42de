"""A dataset in the form that fine-tuning APIs take: one conversation a line, as OpenAI's documentation describes it.

The messages are those that the endpoint is asked with, so tuning and serving have one prompt.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ...domain.errors import InvalidExamples
from ...domain.page.media import marks_in, split_parts
from ..data.examples import Example


def encode_conversations(examples: Iterable[Example], media: Mapping[str, str]) -> tuple[bytes, int]:
    """The file of all targets, and how many there are. ``media`` is what the marks in them stand for, as ``data:`` URLs.

    Answers that were rated good or bad are no targets, and are left out. Raises ``InvalidExamples`` where there is none.
    """
    rows = [_row(example, media) for example in examples if example.label == "target"]
    if not rows:
        raise InvalidExamples("it has no right answers to tune on, only rated ones")
    return "".join(f"{json.dumps(row, separators=(',', ':'))}\n" for row in rows).encode(), len(rows)


def _row(example: Example, media: Mapping[str, str]) -> dict[str, Any]:
    answer: dict[str, Any] = {"role": "assistant", "content": example.completion}
    if example.tool_calls:
        answer["tool_calls"] = list(example.tool_calls)
    row: dict[str, Any] = {"messages": [*(_message(message, media) for message in example.messages), answer]}
    return {**row, "tools": list(example.tools)} if example.tools else row


def _message(message: Mapping[str, Any], media: Mapping[str, str]) -> dict[str, Any]:
    """The message, with a list of parts where it shows a picture. An earlier answer is read, and not trained on."""
    said = dict(message)
    if said["role"] == "assistant":
        said["weight"] = 0
    if any(key in media for _, key in marks_in(said["content"])):
        said["content"] = split_parts(said["content"], media)
    return said
