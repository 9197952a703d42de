"""What a gateway holds for its clients is bounded: slow ones are cut, too many are refused, and every end is recorded."""

from __future__ import annotations

import dataclasses
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from chat_server import ChatServer, completion, events
from command_line import call, document, lines, output
from full_disk import full_disk
from gateways import Served, serving
from in_thread import InThread
from monitoring import until

from grokputer.runners.gateway import admission, owner, replies
from grokputer.runners.gateway.exchange import is_sampled
from grokputer.runners.gateway.metrics import page
from grokputer.runners.gateway.upstreams import endpoint as upstream
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.log import Log
from grokputer.runners.store.sqlite import locks
from grokputer.runners.store.sqlite.locks import WriteLock
from grokputer.runners.use_cases.settings import change_setting

MakeLog = Callable[[str], Path]
HELLO: list[Any] = [{"role": "user", "content": "Say hello"}]
BODY: dict[str, Any] = {"model": "action", "messages": HELLO}
FRAME = b'data: {"choices": [{"index": 0, "delta": {"content": "%s"}}]}\n\n'


class Endless(InThread):
    """An endpoint that streams the same frame until ``may_end`` is set, and then ends the answer."""

    def __init__(self, text: bytes) -> None:
        self.may_end, self.was_left = threading.Event(), threading.Event()
        endless = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.end_headers()
                try:
                    while not endless.may_end.wait(0.001):
                        self.wfile.write(FRAME % text)
                    self.wfile.write(events("!"))
                except OSError:
                    endless.was_left.set()
                self.close_connection = True

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.port}/v1"


@contextmanager
def connected(gateway: Served, body: bytes, *, length: int | None = None) -> Iterator[socket.socket]:
    """A connection that has sent the head of a chat request, and this body."""
    place = urlsplit(gateway.url)
    with closing(socket.socket()) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(30)
        connection.connect((place.hostname or "", place.port or 0))
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {gateway.key}\r\n"
            f"Content-Length: {len(body) if length is None else length}\r\n\r\n"
        )
        connection.sendall(head.encode() + body)
        yield connection


def read_to_the_end(connection: socket.socket) -> bytes:
    """All that comes, also where the connection is then broken off."""
    received = b""
    with suppress(ConnectionError):
        while part := connection.recv(2**20):
            received += part
    return received


def ended_run(path: Path) -> dict[str, Any]:
    """The one run of the log, as soon as it has ended."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if (failed := lines(path, "--event", "TaskFailed")) and not [
            run for run in document("runs", db=path) if run["status"] == "running"
        ]:
            [run] = document("runs", db=path)
            return {**run, "detail": Log.open(path).say(failed[0]["data"]["detail"])}
        time.sleep(0.05)
    raise AssertionError("the run did not end")


def test_a_client_that_does_not_read_its_stream_is_cut_and_its_run_ends_for_neither_arm(
    log_before: MakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replies, "WRITE_S", 0.4)
    with Endless(b"x" * 60_000) as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway, connected(gateway, json.dumps({**BODY, "stream": True}).encode()):
            run = ended_run(path)
            assert endpoint.was_left.wait(30)
    assert (run["reason"], run["detail"]) == ("environment", "the client did not read its answer")


def test_a_client_that_does_not_read_a_long_answer_is_cut_after_its_run_has_ended(
    log_before: MakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replies, "WRITE_S", 0.4)
    was_cut, look = threading.Event(), replies.Patience._look

    def look_and_tell(patience: replies.Patience) -> None:
        look(patience)
        if patience.has_cut:
            was_cut.set()

    monkeypatch.setattr(replies.Patience, "_look", look_and_tell)
    with ChatServer("x" * 8_000_000, ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway, connected(gateway, json.dumps(BODY).encode()) as connection:
            assert was_cut.wait(30)
            assert len(read_to_the_end(connection)) < 8_000_000
        [run] = document("runs", db=path)
    assert run["status"] == "answered"


def test_a_client_that_leaves_a_stream_ends_its_run_and_the_endpoint_is_asked_no_more(log_before: MakeLog) -> None:
    with Endless(b"x") as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway:
            with connected(gateway, json.dumps({**BODY, "stream": True}).encode()) as connection:
                assert connection.recv(1000).startswith(b"HTTP/1.1 200")
            run = ended_run(path)
            assert endpoint.was_left.wait(30)
    assert (run["reason"], run["detail"]) == ("environment", "the client left before the end")
    assert run["steps"] == 1  # the part that came


def test_a_body_that_does_not_come_in_time_is_refused(log_before: MakeLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replies, "BODY_S", 0.2)
    with ChatServer("ok", ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway, connected(gateway, b'{"model"', length=1000) as connection:
            said = connection.recv(1000)
    assert said.startswith(b"HTTP/1.1 408") and not document("runs", db=path)


@pytest.mark.parametrize("limit", ["MOST_REQUESTS", "MOST_BYTES"])
def test_more_requests_than_there_is_room_for_are_refused_and_leave_no_run(
    log_before: MakeLog, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    may_answer = threading.Event()

    def answer(question: str) -> str:
        may_answer.wait(30)
        return "ok"

    few = {"MOST_REQUESTS": admission.Room(requests=1), "MOST_BYTES": admission.Room(bytes=100)}[limit]
    monkeypatch.setattr(admission, "Room", lambda: few)
    with ChatServer(answer, ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway:
            first: list[int] = []
            asking = threading.Thread(target=lambda: first.append(gateway.ask("/chat/completions", BODY)[0]))
            asking.start()
            while not endpoint.asked:
                time.sleep(0.01)
            status, headers, said = gateway.ask("/chat/completions", BODY)
            may_answer.set()
            asking.join()
            again, *_ = gateway.ask("/chat/completions", BODY)
    assert (status, headers["retry-after"], said["error"]["code"]) == (429, "1", "rate_limit_exceeded")
    assert (first, again, len(document("runs", db=path))) == ([200], 200, 2)


def test_a_log_that_another_process_holds_refuses_requests_and_serves_again_afterwards(
    log_before: MakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "WAIT_S", 0.3)
    with ChatServer("ok", ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway:
            with closing(WriteLock(path)) as lock, lock:
                status, headers, said = gateway.ask("/chat/completions", BODY)
            again, *_ = gateway.ask("/chat/completions", BODY)
    assert (status, headers["retry-after"]) == (503, "1") and "being written by" in said["error"]["message"]
    assert again == 200 and len(endpoint.asked) == len(document("runs", db=path)) == 1


def test_a_log_that_is_held_for_a_moment_delays_requests_and_loses_none(log_before: MakeLog) -> None:
    with ChatServer("ok", ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway:
            found: list[int] = []
            asking = [
                threading.Thread(target=lambda: found.append(gateway.ask("/chat/completions", BODY)[0]))
                for _ in range(8)
            ]
            with closing(WriteLock(path)) as lock, lock:
                for thread in asking:
                    thread.start()
                asking[0].join(0.3)  # time in which a request without a lock would be answered
                assert not found and not endpoint.asked
            for thread in asking:
                thread.join()
    assert found == [200] * 8 and len(document("runs", db=path)) == 8


def at_root(gateway: Served) -> Served:
    """The gateway, for addresses outside of its API."""
    return dataclasses.replace(gateway, url=gateway.url.removesuffix("/v1"))


def test_while_another_process_holds_the_log_nothing_new_waits_and_reading_goes_on(
    log_before: MakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, "STUCK_S", 0.5)
    monkeypatch.setattr(page, "WAIT_S", 0.2)
    with ChatServer("ok", ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway:
            _, headers, _ = gateway.ask("/chat/completions", BODY)
            run = headers["x-grokputer-run"]
            with closing(WriteLock(path)) as lock, lock:
                while at_root(gateway).ask("/health/ready")[0] == 200:
                    time.sleep(0.05)
                status, headers, said = gateway.ask("/chat/completions", BODY)
                read = [gateway.ask(address)[0] for address in ("/models", f"/runs/{run}")]
                metrics = at_root(gateway).ask_text("/metrics?group=log")
            while at_root(gateway).ask("/health/ready")[0] != 200:
                time.sleep(0.05)
            again, *_ = gateway.ask("/chat/completions", BODY)
    assert (status, headers["retry-after"], read, again) == (503, "1", [200, 200], 200)
    assert "another process may hold its lock" in said["error"]["message"]
    assert metrics[0] == 200 and "grokputer_runs" in metrics[2]
    assert len(endpoint.asked) == len(document("runs", db=path)) == 2


def test_what_waits_for_a_log_that_another_process_holds_is_refused_together(
    log_before: MakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "WAIT_S", 0.6)
    with ChatServer("ok", ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway:
            found: list[int] = []
            asking = [
                threading.Thread(target=lambda: found.append(gateway.ask("/chat/completions", BODY)[0]))
                for _ in range(2 * owner.MOST_TOGETHER)
            ]
            with closing(WriteLock(path)) as lock, lock:
                for thread in asking:
                    thread.start()
                for thread in asking:
                    thread.join()
            again, *_ = gateway.ask("/chat/completions", BODY)
    assert (set(found), again) == ({503}, 200)
    assert len(endpoint.asked) == len(document("runs", db=path)) == 1


def test_a_stream_that_does_not_end_is_cut_at_the_length_of_an_answer(
    log_before: MakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream, "LONGEST", 200_000)
    with Endless(b"x" * 1000) as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway:
            status, _, said = gateway.ask_text("/chat/completions", {**BODY, "stream": True})
            assert endpoint.was_left.wait(10)
    assert (status, len(said) < 300_000) == (200, True)
    assert '"error"' in said[-300:] and said.endswith("data: [DONE]\n\n")
    [run] = document("runs", db=path)
    assert (run["status"], run["reason"]) == ("failed", "environment")


def test_a_stream_whose_end_cannot_be_recorded_ends_with_an_error_in_place_of_its_end(log_before: MakeLog) -> None:
    with Endless(b"x") as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway, connected(gateway, json.dumps({**BODY, "stream": True}).encode()) as connection:
            received = connection.recv(1000)
            with full_disk(path):
                endpoint.may_end.set()
                while b"[DONE]" not in received[-100:]:
                    part = connection.recv(100_000)
                    assert part
                    received += part
            until(lambda: document("runs", db=path)[0]["reason"] == "environment", "the run was ended")
    assert b'"code": "not_recorded"' in received and b"could not be recorded" in received


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "text/event-stream"])
def test_an_endpoint_that_lies_about_the_length_or_kind_of_its_answer_is_an_error(
    log_before: MakeLog, kind: str
) -> None:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"zz\r\n" + completion("ok") + b"\r\n0\r\n\r\n")  # zz is no length
            self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Lying(InThread):
        def __init__(self) -> None:
            self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
            self.url = f"http://127.0.0.1:{self.port}/v1"

    with Lying() as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway:
            whole = gateway.ask("/chat/completions", BODY)
            with connected(gateway, json.dumps({**BODY, "stream": True}).encode()) as connection:
                streamed = connection.recv(10_000)
    assert whole[0] == 502 and whole[2]["error"]["code"] == "upstream_failed"
    assert b"upstream_failed" in streamed or streamed.startswith(b"HTTP/1.1 200")
    assert [run["reason"] for run in document("runs", db=path)] == ["environment", "environment"]


def test_texts_that_a_setting_turns_off_are_not_kept_and_all_facts_are(log_before: MakeLog) -> None:
    with ChatServer("Lyon, quietly", ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        ledger = Ledger.open(path)
        change_setting(ledger, "gateway.texts_percent", 0, actor="ada")
        ledger.close()
        with serving(path) as gateway:
            key = {"Idempotency-Key": "k1"}
            status, headers, said = gateway.ask("/chat/completions", BODY, headers=key)
            run = headers["x-grokputer-run"]
            repeated = gateway.ask("/chat/completions", BODY, headers=key)
            *_, shown = gateway.ask(f"/runs/{run}")
            rated, *_ = gateway.ask("/feedback", {"run": run, "stars": 2})
            refused = gateway.ask("/feedback", {"run": run, "correction": "Paris"})
    assert (status, said["choices"][0]["message"]["content"]) == (200, "Lyon, quietly")
    assert repeated[0] == 409 and "its answer was not kept (gateway.texts_percent)" in repeated[2]["error"]["message"]
    assert (shown["answer"], shown["messages"], shown["keeps_texts"], shown["tokens"]) == (None, None, False, [5, 1])
    assert (rated, refused[0]) == (201, 409)
    assert "no texts of run" in refused[2]["error"]["message"]
    assert b"quietly" not in path.read_bytes() and b"Say hello" not in path.read_bytes()
    output("verify", db=path)
    assert call("show", run, db=path).exit_code == 0
    assert call("correct", run, "--answer", "Paris", db=path).exit_code == 1


def test_the_share_of_runs_whose_texts_are_kept_depends_on_their_ids_alone() -> None:
    ids = [uuid4() for _ in range(2000)]
    kept = [id for id in ids if is_sampled(id, 25)]
    assert 400 < len(kept) < 600  # 500 are expected, with a standard deviation of 19
    assert all(is_sampled(id, 60) for id in kept)
    assert all(is_sampled(id, 100) and not is_sampled(id, 0) for id in ids)
