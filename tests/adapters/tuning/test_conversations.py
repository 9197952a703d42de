"""The file that a fine-tuning API gets: OpenAI's conversations, of which the last answer alone is trained on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from grokputer.adapters.data.examples import Example
from grokputer.adapters.tuning.conversations import encode_conversations
from grokputer.domain.errors import InvalidExamples
from grokputer.domain.page.media import write_mark
from grokputer.domain.page.tools import write_call

KEY = "sha256:" + "c8" * 32
TOOL: Any = {"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}
CALL = write_call("add", {"a": 1})


def rows(*examples: Example, media: dict[str, str] | None = None) -> list[dict[str, Any]]:
    content, count = encode_conversations(examples, media or {})
    read = [json.loads(line) for line in content.splitlines()]
    assert len(read) == count
    return read


def test_an_example_is_its_messages_and_then_its_answer() -> None:
    [row] = rows(Example(({"role": "user", "content": "2 + 2?"},), "4 ä", "human"))
    assert row == {"messages": [{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "4 ä"}]}


def test_functions_and_calls_are_in_the_form_in_which_they_are_offered() -> None:
    earlier: Any = [
        {"role": "user", "content": "add"},
        {"role": "assistant", "content": "", "tool_calls": [CALL]},
        {"role": "tool", "content": "2", "tool_call_id": CALL["id"]},
    ]
    [row] = rows(Example(tuple(earlier), "", "human", tools=(TOOL,), tool_calls=(CALL,)))
    assert row["tools"] == [TOOL]
    assert row["messages"][-1] == {"role": "assistant", "content": "", "tool_calls": [CALL]}
    assert row["messages"][1] == {**earlier[1], "weight": 0}, "an earlier answer is not trained on"
    assert row["messages"][2] == earlier[2]


def test_a_picture_is_a_part_of_its_message() -> None:
    url = "data:image/png;base64,iVBORw0KGgo="
    asked = f"what is it?\n{write_mark('image_url', KEY)}"
    [row] = rows(Example(({"role": "user", "content": asked},), "a cat", "human"), media={KEY: url})
    assert {"type": "image_url", "image_url": {"url": url}} in row["messages"][0]["content"]


def test_rated_answers_are_left_out_and_without_a_right_one_there_is_no_file() -> None:
    good = Example(({"role": "user", "content": "hi"},), "hello", "rated", label="good")
    right = Example(({"role": "user", "content": "hi"},), "hey", "human")
    assert [row["messages"][-1]["content"] for row in rows(good, right)] == ["hey"]
    with pytest.raises(InvalidExamples, match="no right answers to tune on"):
        encode_conversations([good], {})
