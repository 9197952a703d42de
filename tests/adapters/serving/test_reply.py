"""A reply of an endpoint read as an answer: text and counts as they are meant, or the reason why it is none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from chat_server import completion

from grokputer.adapters.serving.reply import MOST_TOKENS, BadReply, read_models, read_reply
from grokputer.runners.environments.miniwob.environment import finite, whole_characters

PART = {"type": "text", "text": "Par"}
IMAGE = {"type": "image_url", "image_url": {"url": "http://x/"}}


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("Paris", "Paris"),
        ("", ""),
        ("Pa\0ris \U0001f600", "Pa\0ris \U0001f600"),
        ([PART, {"type": "text", "text": "is"}], "Paris"),
        ([PART, "is"], "Paris"),
        ([{"text": "Paris"}], "Paris"),
    ],
)
def test_the_text_of_an_answer_is_its_content_or_its_parts_together(content: Any, text: str) -> None:
    assert read_reply(completion(content)).text == text


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        ({"prompt_tokens": 5, "completion_tokens": 0}, (5, 0)),
        ({"prompt_tokens": 5}, (5, None)),
        ({"prompt_tokens": None, "completion_tokens": None}, (None, None)),
        ({"prompt_tokens": 5.0, "completion_tokens": "7"}, (None, None)),
        ({"prompt_tokens": -1, "completion_tokens": True}, (None, None)),
        ({"prompt_tokens": MOST_TOKENS, "completion_tokens": MOST_TOKENS + 1}, (MOST_TOKENS, None)),
        ({"prompt_tokens": {}, "completion_tokens": [3]}, (None, None)),
        ({}, (None, None)),
        (None, (None, None)),
        ([5, 1], (None, None)),
        ("many", (None, None)),
    ],
)
def test_a_count_that_is_no_whole_number_from_0_is_unknown(usage: Any, counts: tuple[int | None, int | None]) -> None:
    reply = read_reply(completion("Paris", usage=usage))
    assert (reply.prompt_tokens, reply.completion_tokens) == counts


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "is empty"),
        (b"<html>502</html>", "is not JSON"),
        (completion("Paris", usage={"prompt_tokens": float("nan")}), "is not JSON"),
        (b"\xff\xfe\x00", "is not JSON"),
        (b"[" * 200_000, "is not JSON"),
        (b"9" * 10_000, "is not JSON"),
        (b"null", "is not a JSON object"),
        (b"[1]", "is not a JSON object"),
        (b'"Paris"', "is not a JSON object"),
        (b"{}", "has no choices"),
        (b'{"error": {"message": "\\u001b[2J key sk-1"}}', "reports an error"),
        (completion("Paris", choices=None), "has no choices"),
        (completion("Paris", choices=[]), "has no choices"),
        (completion("Paris", choices={"0": "Paris"}), "has no choices"),
        (completion("Paris", choices=[None]), "has no message in its first choice"),
        (completion("Paris", choices=[{"text": "Paris"}]), "has no message in its first choice"),
        (completion("Paris", choices=[{"message": "Paris"}]), "has no message in its first choice"),
        (completion("Paris", choices=[{"message": {"content": None, "refusal": "No."}}]), "is a refusal to answer"),
        (completion(None), "has no text in its message"),
        (completion([]), "has no text in its message"),
        (completion(5), "has no text in its message"),
        (completion({"text": "Paris"}), "has no text in its message"),
        (completion([PART, IMAGE]), "has a part that is not text"),
        (completion([PART, {"type": "text", "text": None}]), "has a part that is not text"),
        (completion([PART, None]), "has a part that is not text"),
        (completion("Paris \ud83d"), "has text that is not Unicode: a lone surrogate"),
        (completion([PART, {"type": "text", "text": "\ude00"}]), "has text that is not Unicode: a lone surrogate"),
    ],
)
def test_a_reply_that_is_no_answer_is_refused_with_the_reason_in_our_own_words(body: bytes, reason: str) -> None:
    with pytest.raises(BadReply) as refused:
        read_reply(body)
    assert str(refused.value) == reason


def test_a_list_of_models_of_any_shape_gives_the_names_in_it() -> None:
    assert read_models(b'{"data": [{"id": "a"}, {"id": null}, {}, null, "b"]}') == {"a"}
    shapes: list[object] = [None, {}, "a", [["a"]]]
    for listed in shapes:
        assert read_models(json.dumps({"data": listed}).encode()) == set()


def test_half_a_character_on_a_page_is_replaced_and_a_whole_one_kept() -> None:
    assert whole_characters("a\ud83db \ud83d\ude00 é") == "a\ufffdb \U0001f600 é"


@pytest.mark.parametrize("reward", [None, float("nan"), float("inf"), "1", [1]])
def test_a_reward_that_is_not_a_number_is_0(reward: object) -> None:
    assert finite(reward) == 0.0
    assert finite(-1) == -1.0
