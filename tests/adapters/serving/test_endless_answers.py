"""Endpoints whose answers do not end: they send without end, a byte at a time, or little that unpacks to much."""

from __future__ import annotations

import gzip
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from itertools import repeat

import pytest
from in_thread import InThread
from speech_server import RECORDING

from grokputer.adapters.endpoint import client
from grokputer.adapters.fleet.endpoint import Down, VllmEndpoint
from grokputer.adapters.serving.remote import RemoteModel
from grokputer.adapters.tuning.api import Silent, TuningApi
from grokputer.domain.errors import ModelError
from grokputer.domain.page.messages import Message, Request
from grokputer.runners.environments.senses import remote_listener
from grokputer.runners.environments.senses.remote_listener import RemoteListener

ASK: list[Message] = [{"role": "user", "content": "say hi"}]
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\n"
JSON, EVENTS = HEAD % b"application/json", HEAD % b"text/event-stream"
EVENT = b'data: {"choices": [{"delta": {"content": "a"}}]}\n\n'


class RawServer(InThread):
    """Answers each request with these bytes, with ``pause_s`` between the pieces; ``asked`` counts the requests."""

    def __init__(self, pieces: Callable[[], Iterator[bytes]], pause_s: float = 0) -> None:
        self.asked = 0
        self.is_closing = threading.Event()
        server = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                self.request.recv(65536)
                server.asked += 1
                try:
                    for piece in pieces():
                        self.request.sendall(piece)
                        if server.is_closing.wait(pause_s):
                            return
                except OSError:
                    pass  # the client has left

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.port}/v1"

    def __exit__(self, *raised: object) -> None:
        self.is_closing.set()
        super().__exit__(*raised)


def without_end(*parts: bytes) -> Callable[[], Iterator[bytes]]:
    """The parts, the last one again and again."""
    *first, last = parts

    def pieces() -> Iterator[bytes]:
        yield from first
        yield from repeat(last)

    return pieces


def ask(url: str, model: RemoteModel) -> None:
    model.complete(ASK)


def ask_for_parts(url: str, model: RemoteModel) -> None:
    model.stream(Request(ASK), lambda part: None)


def list_models(url: str, model: RemoteModel) -> None:
    model.names()


def look_at_tuning(url: str, model: RemoteModel) -> None:
    TuningApi(model).look("job-1")


def look_at_vllm(url: str, model: RemoteModel) -> None:
    VllmEndpoint(url, "grok").look()


def hear(url: str, model: RemoteModel) -> None:
    pytest.importorskip("av")
    RemoteListener(url).transcribe(RECORDING)


@pytest.mark.parametrize(
    ("use", "pieces"),
    [
        (ask, without_end(JSON + b"\r\n", b" " * 65536)),
        (ask, without_end(JSON.replace(b"200 OK", b"400 No") + b"\r\n", b" " * 65536)),
        (ask, without_end(b"HTTP/1.1 102 Processing\r\n\r\n" * 1000)),
        (ask_for_parts, without_end(JSON + b"\r\n", b" " * 65536)),
        (ask_for_parts, without_end(EVENTS + b"\r\n", EVENT * 1000)),
        (list_models, without_end(JSON + b"\r\n", b" " * 65536)),
        (look_at_tuning, without_end(JSON + b"\r\n", b" " * 65536)),
        (look_at_vllm, without_end(JSON + b"\r\n", b" " * 65536)),
        (hear, without_end(JSON + b"\r\n", b" " * 65536)),
    ],
)
def test_an_answer_without_end_is_given_up_once_it_is_too_long(
    use: Callable[[str, RemoteModel], None], pieces: Callable[[], Iterator[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "LONGEST", 2**20)
    with RawServer(pieces) as server, pytest.raises((ModelError, Silent, Down), match="longer than 1 MiB") as refused:
        use(server.url, RemoteModel(server.url, "grok", timeout_s=5))
    assert "\n" not in str(refused.value) and server.asked == 1


@pytest.mark.parametrize("use", [ask, ask_for_parts, list_models, look_at_tuning, look_at_vllm, hear])
@pytest.mark.parametrize(
    "pieces",
    [
        without_end(JSON + b"\r\n", b" "),
        without_end(JSON, b"x"),
        without_end(JSON + b"transfer-encoding: chunked\r\n\r\n1;", b"x"),
        without_end(b"HTTP/1.1 102 Processing\r\n\r\n"),
        without_end(EVENTS + b"\r\n", EVENT),
    ],
)
def test_an_answer_that_comes_byte_by_byte_is_given_up_some_limits_of_silence_later(
    use: Callable[[str, RemoteModel], None], pieces: Callable[[], Iterator[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grokputer.adapters.fleet.endpoint.LOOK_TIMEOUT_S", 2.0)
    monkeypatch.setattr(remote_listener, "TIMEOUT_S", 2.0)
    monkeypatch.setattr(client, "PATIENCE", 0.25)
    began = time.monotonic()
    with (
        RawServer(pieces, 0.02) as server,
        pytest.raises((ModelError, Silent, Down), match=r"within 0\.5 s") as refused,
    ):
        use(server.url, RemoteModel(server.url, "grok", timeout_s=2))
    assert "\n" not in str(refused.value) and server.asked == 1
    assert 0.4 < time.monotonic() - began < 10


def test_a_stream_whose_reader_is_slow_is_not_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PATIENCE", 0.25)
    whole = EVENTS + b"connection: close\r\n\r\n" + EVENT * 3 + b"data: [DONE]\n\n"
    with RawServer(lambda: iter([whole[:200], whole[200:]]), 0.1) as server:
        model = RemoteModel(server.url, "grok", timeout_s=4)
        answer = model.stream(Request(ASK), lambda part: time.sleep(0.5))
    assert answer.text == "aaa"


def test_each_answer_of_a_kept_connection_has_its_own_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    from chat_server import ChatServer

    monkeypatch.setattr(client, "LONGEST", 2**19)
    with ChatServer("x" * 300_000) as server:
        model = RemoteModel(server.url, "tiny")
        assert [len(model.complete(ASK).text) for _ in range(3)] == [300_000] * 3


def test_a_packed_answer_is_refused_since_little_can_unpack_to_more_than_memory_holds() -> None:
    body = gzip.compress(b" " * 2**20)
    packed = JSON + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(body) + body
    with RawServer(lambda: iter([packed])) as server, pytest.raises(ModelError, match="its answer is packed"):
        RemoteModel(server.url, "grok").complete(ASK)
    assert server.asked == 1


def test_the_limits_hold_behind_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "LONGEST", 2**20)
    with RawServer(without_end(JSON + b"\r\n", b" " * 65536)) as server:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{server.port}")
        with pytest.raises(ModelError, match="longer than 1 MiB"):
            RemoteModel("http://endpoint.example/v1", "grok").complete(ASK)
