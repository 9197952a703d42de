"""Answers that come in parts: from a local model, from an endpoint, and from a model that does not stream."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from chat_server import ChatServer, events
from tiny_base import click_examples

from grokputer.adapters.serving.base_model import Base
from grokputer.adapters.serving.local import LocalModel
from grokputer.adapters.serving.remote import RemoteModel
from grokputer.adapters.serving.streamed_reply import StreamedReply
from grokputer.domain.errors import ModelError, UnknownAdapter
from grokputer.domain.page.messages import Completion, Message, Request
from grokputer.domain.ports import Model

REQUEST = Request([{"role": "user", "content": "hello there"}], max_tokens=12)


@pytest.fixture(scope="module")
def local(tiny_base: Path) -> Iterator[LocalModel]:
    model = LocalModel(Base(str(tiny_base)))
    yield model
    model.close()


class Whole(Model):
    """A model that only completes."""

    def complete(self, messages: object, **options: object) -> Completion:
        return Completion("all of it", None, None, 1)


def test_the_parts_of_a_local_answer_are_the_answer_that_is_not_streamed(local: LocalModel) -> None:
    for request in (REQUEST, Request(click_examples(1)[0].messages, max_tokens=12, temperature=1.5, seed=3)):
        parts: list[str] = []
        streamed = local.stream(request, parts.append)
        [whole] = local.complete_many([request])
        assert isinstance(whole, Completion)
        assert "".join(parts) == streamed.text == whole.text
        assert (streamed.prompt_tokens, streamed.completion_tokens) == (whole.prompt_tokens, whole.completion_tokens)


def test_a_reader_that_stops_ends_a_local_answer_and_the_next_one_is_whole(local: LocalModel) -> None:
    def stop(part: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        local.stream(Request(REQUEST.messages, max_tokens=400), stop)
    assert local.stream(REQUEST, lambda part: None).text == local.complete(REQUEST.messages, max_tokens=12).text


def test_a_fault_of_the_model_is_raised_while_it_streams(local: LocalModel) -> None:
    with pytest.raises(UnknownAdapter):
        local.stream(Request(REQUEST.messages, adapter="lora-v9"), lambda part: None)
    with pytest.raises(ModelError, match=r"lower run\.memory"):
        local.stream(Request(REQUEST.messages, max_tokens=10_000), lambda part: None)


def test_an_endpoint_streams_the_answer_with_its_counts() -> None:
    parts: list[str] = []
    with ChatServer("Paris, of course", streams=True) as server:
        answer = RemoteModel(server.url, "tiny").stream(REQUEST, parts.append)
    assert parts == ["Par", "is,", " of", " co", "urs", "e"]
    assert (answer.text, answer.prompt_tokens, answer.completion_tokens) == ("Paris, of course", 5, 2)


def test_an_endpoint_that_does_not_stream_gives_the_whole_answer_at_once() -> None:
    parts: list[str] = []
    with ChatServer("Paris") as server:
        assert RemoteModel(server.url, "tiny").stream(REQUEST, parts.append).text == "Paris"
    assert parts == ["Paris"]


def test_a_model_without_streaming_gives_the_whole_answer_at_once() -> None:
    parts: list[str] = []
    assert Whole().stream(REQUEST, parts.append).text == "all of it"
    assert parts == ["all of it"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'data: {"choices": [{"delta": {"content": "Par"}}]}\n\n', "broke off before its end"),
        (b"data: [DONE]\n\n", "has no choices"),
        (b'data: {"choices": [{"finish_reason": "stop"}]}\n\n', "has no text in its message"),
        (b'data: {"choices": [7]}\n\n', "no list of objects"),
        (b'data: {"choices": 5}\n\n', "no list of objects"),
        (b'data: {"error": {"message": "secret"}}\n\n', "reports an error"),
        (b"data: Paris\n\n", "is not JSON"),
        (b'data: {"choices": [{"delta": {"content": "\\ud800"}}]}\n\n', "a lone surrogate"),
    ],
)
def test_a_stream_that_is_no_answer_is_refused_with_its_reason(body: bytes, reason: str) -> None:
    reply = StreamedReply()
    with pytest.raises(ValueError, match=reason):
        read(reply, body)


def test_events_without_a_choice_or_with_a_count_of_another_form_add_no_text() -> None:
    reply = StreamedReply()
    odd = b': comment\n\nevent: x\n\ndata: {"choices": []}\n\ndata: {"choices": null}\n\n'
    odd += b'data: {"choices": [{"delta": {"content": null}}], "usage": 4}\n\n'
    assert read(reply, odd + events("Paris")) == "Paris"


def read(reply: StreamedReply, body: bytes) -> str:
    said = "".join(map(reply.read_event, body.decode().split("\n\n")))
    assert reply.end().text == said
    return said


def test_an_error_of_the_reader_is_not_taken_for_one_of_the_endpoint() -> None:
    def fail(part: str) -> None:
        raise BrokenPipeError

    messages: list[Message] = [{"role": "user", "content": "hello there"}]
    with ChatServer("Paris", streams=True) as server, pytest.raises(BrokenPipeError):
        RemoteModel(server.url, "tiny").stream(Request(messages), fail)
