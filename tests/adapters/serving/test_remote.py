"""A model behind a real HTTP server that speaks the OpenAI protocol."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from grokputer.adapters.serving.remote import RemoteModel
from grokputer.domain.errors import ModelError, UnknownAdapter
from grokputer.domain.page.messages import Message

ASK: list[Message] = [{"role": "user", "content": "say hi"}]
KEY = "sk-very-secret"


class Endpoint(ThreadingHTTPServer):
    """Answers with the queued statuses and bodies, then with the model's name; keeps what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.answers: list[tuple[int, str]] = []
        self.is_slow = threading.Event()
        self.may_go_on = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self) -> None:
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(question)
        self.server.keys.append(self.headers["Authorization"])
        if self.server.is_slow.is_set():
            self.server.may_go_on.wait(10)
        status, body = (
            self.server.answers.pop(0) if self.server.answers else (200, completion(f"I am {question['model']}"))
        )
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Retry-After", "0")
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


def completion(text: str | None) -> str:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    return json.dumps(
        {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice], "usage": usage}
    )


def refusal(message: str) -> str:
    return json.dumps({"error": {"message": message, "type": "invalid"}})


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    monkeypatch.setenv("XAI_API_KEY", KEY)
    server = Endpoint()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.may_go_on.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def model(endpoint: Endpoint) -> Iterator[RemoteModel]:
    model = RemoteModel(endpoint.url, "grok", key_variable="XAI_API_KEY", timeout_s=5, retries=1)
    yield model
    model.close()


def test_an_answer_comes_with_what_it_cost(model: RemoteModel, endpoint: Endpoint) -> None:
    answer = model.complete(ASK, max_tokens=7, temperature=0.5, seed=3)
    assert (answer.text, answer.prompt_tokens, answer.completion_tokens) == ("I am grok", 3, 2)
    assert endpoint.asked == [{"model": "grok", "messages": ASK, "max_tokens": 7, "temperature": 0.5, "seed": 3}]


def test_the_key_comes_from_the_environment(model: RemoteModel, endpoint: Endpoint) -> None:
    model.complete(ASK)
    assert endpoint.keys == [f"Bearer {KEY}"]


def test_an_adapter_is_addressed_as_a_model(model: RemoteModel) -> None:
    assert model.complete(ASK, adapter="lora-v3").text == "I am lora-v3"


def test_an_adapter_the_server_does_not_have_is_unknown(model: RemoteModel, endpoint: Endpoint) -> None:
    endpoint.answers = [(404, refusal("no such model"))]
    with pytest.raises(UnknownAdapter, match="adapter lora-v9 is not served by"):
        model.complete(ASK, adapter="lora-v9")


def test_a_model_the_server_does_not_have_is_an_error(model: RemoteModel, endpoint: Endpoint) -> None:
    endpoint.answers = [(404, refusal("no such model"))]
    with pytest.raises(ModelError, match="model grok is not served by"):
        model.complete(ASK)


def test_a_failing_server_is_asked_again(model: RemoteModel, endpoint: Endpoint) -> None:
    endpoint.answers = [(503, refusal("busy"))]
    assert model.complete(ASK).text == "I am grok"
    assert len(endpoint.asked) == 2


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (308, "redirects to another address"),
        (401, "environment variable XAI_API_KEY"),
        (429, "too many requests"),
        (500, "HTTP 500"),
        (400, "HTTP 400"),
    ],
)
def test_a_refusal_is_one_line_without_the_key(model: RemoteModel, endpoint: Endpoint, status: int, words: str) -> None:
    endpoint.answers = [(status, refusal(f"bad key {KEY}\nsecond line"))] * 2
    with pytest.raises(ModelError, match=words) as refused:
        model.complete(ASK)
    assert KEY not in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("body", ["{", "[]", "{}", completion(None)])
def test_a_body_that_is_no_answer_is_an_error(model: RemoteModel, endpoint: Endpoint, body: str) -> None:
    endpoint.answers = [(200, body)] * 2
    with pytest.raises(ModelError) as refused:
        model.complete(ASK)
    assert "\n" not in str(refused.value)


def test_a_slow_server_is_given_up(endpoint: Endpoint) -> None:
    endpoint.is_slow.set()
    model = RemoteModel(endpoint.url, "grok", timeout_s=0.2, retries=0)
    with pytest.raises(ModelError, match=r"no answer within 0\.2 s"):
        model.complete(ASK)
    model.close()


def test_a_server_that_does_not_run_is_an_error() -> None:
    model = RemoteModel("http://127.0.0.1:9/v1", "grok", retries=0)
    with pytest.raises(ModelError, match="no connection; check the base URL"):
        model.complete(ASK)
    model.close()


def test_an_invalid_base_url_is_refused() -> None:
    with pytest.raises(ModelError, match="it begins with neither http:// nor https://"):
        RemoteModel("api.x.ai/v1", "grok")
