"""Requests that are made to harm: they are refused with one answer, and nothing of them gets into a header or a frame."""

from __future__ import annotations

import gzip
import json
import re
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer, completion
from command_line import document
from gateways import RawUpstream, Served, make_key, process_on, serving
from raw_http import first_answer, send_raw, statuses

MakeLog = Callable[[str], Path]

HELLO = {"model": "action", "messages": [{"role": "user", "content": "hello"}]}
ODD = "a\0b \u2028 \u2029 \u202e right to left \ufeff \U0001f600 \x7f \u0085 \r\n\r\ndata: [DONE]\n\nevent: x\nid: 1\n\n: ping"
"""Text that ends lines, frames or strings elsewhere, and is only text here."""


@contextmanager
def served(log_before: MakeLog, answer: str = "ok") -> Iterator[Served]:
    with ChatServer(answer, ["tiny"], streams=True) as endpoint, serving(log_before(endpoint.url)) as gateway:
        yield gateway


def request_of(gateway: Served, target: str, *headers: str, method: str = "GET", body: bytes = b"") -> bytes:
    """A request whose connection ends with it, with the gateway's key."""
    lines = [f"{method} {target} HTTP/1.1", f"Authorization: Bearer {gateway.key}", *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


SMUGGLED = b"GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (["Content-Length: 6", "Transfer-Encoding: chunked"], b"0\r\n\r\n" + SMUGGLED),
        (["Transfer-Encoding: chunked", "Content-Length: 6"], b"0\r\n\r\n" + SMUGGLED),
        (["Content-Length: 0", f"Content-Length: {len(SMUGGLED)}"], SMUGGLED),
        (["Content-Length: +0"], SMUGGLED),
        (["Content-Length: -1"], SMUGGLED),
        (["Content-Length: 0x0"], SMUGGLED),
        (["Content-Length : 0"], SMUGGLED),
        (["Transfer-Encoding: chunked, identity"], b"0\r\n\r\n" + SMUGGLED),
        (["Transfer-Encoding: xchunked"], b"0\r\n\r\n" + SMUGGLED),
        (["Transfer-Encoding: chunked"], b"0x0\r\n\r\n" + SMUGGLED),
        (["Transfer-Encoding: chunked"], b"-1\r\n\r\n" + SMUGGLED),
        (["X-Folded: one", " two: three"], SMUGGLED),
        (["X-Bare: one\nContent-Length: 0"], SMUGGLED),
        (["X-Null: a\0b"], SMUGGLED),
    ],
)
def test_a_request_that_two_servers_read_differently_is_refused_and_hides_no_other(
    log_before: MakeLog, headers: list[str], body: bytes
) -> None:
    with served(log_before) as gateway:
        sent = request_of(gateway, "/v1/chat/completions", "Host: 127.0.0.1", *headers, method="POST", body=body)
        answered = send_raw(gateway.url, sent)
    assert [*{*statuses(answered)}] == [400] and len(statuses(answered)) == 1, answered
    assert b'"data"' not in answered


@pytest.mark.parametrize(
    "target",
    [
        "/v1/runs/../../etc/passwd", "/v1/runs/..%2f..%2fetc%2fpasswd", "/v1/runs/%2e%2e/%2e%2e/etc/passwd",
        "/v1/models/..%2F..%2F..%2Fetc%2Fpasswd", "//etc/passwd", "/v1/models/%00", "/../../../../etc/passwd",
        "/v1/models/..\\..\\etc\\passwd", "/v1/runs/%c0%ae%c0%ae", "/static/../../../etc/passwd", "/v1/models/%ff", "*",
    ],
)  # fmt: skip
def test_no_path_leads_to_a_file(log_before: MakeLog, target: str) -> None:
    with served(log_before) as gateway:
        answered = send_raw(gateway.url, request_of(gateway, target, "Host: 127.0.0.1", "Connection: close"))
    [status] = statuses(answered)
    assert status in (400, 404, 405) and b"root:" not in answered


@pytest.mark.parametrize(
    ("target", "headers", "status"),
    [
        ("/v1/models", ["Host: evil.example"], 403),
        ("/v1/models", ["Host: evil.example:8484"], 403),
        ("/v1/models", [], 400),
        ("/v1/models", ["Host:"], 403),
        ("/v1/models", ["Host: 127.0.0.1", "Host: evil.example"], 400),
        ("/v1/models", ["Host: evil.example", "Host: 127.0.0.1"], 400),
        ("http://evil.example/v1/models", ["Host: 127.0.0.1"], 403),
        ("http://evil.example:8484/v1/models", ["Host: evil.example:8484"], 403),
        ("http://127.0.0.1/v1/models", ["Host: evil.example"], 403),
        ("/v1/models", ["Host: 127.0.0.1", "X-Forwarded-Host: evil.example", "Forwarded: host=evil.example"], 200),
        ("http://[::1]:8484/v1/models", ["Host: [::1]:8484"], 200),
        ("/v1/models", ["Host: localhost:1"], 200),
    ],
)
def test_only_a_request_for_one_of_its_own_names_is_answered(
    log_before: MakeLog, target: str, headers: list[str], status: int
) -> None:
    with served(log_before) as gateway:
        answered = send_raw(gateway.url, request_of(gateway, target, *headers, "Connection: close"))
    [found] = statuses(answered)
    assert found == status or (status == 400 and found == 403)


def test_a_body_that_is_too_long_is_refused_whole_in_pieces_and_packed(log_before: MakeLog) -> None:
    long = json.dumps({"model": "action", "messages": [{"role": "user", "content": "x" * (33 << 20)}]}).encode()
    packed = gzip.compress(long)

    def pieces() -> Iterator[bytes]:
        for start in range(0, len(long), 1 << 20):
            piece = long[start : start + (1 << 20)]
            yield f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
        yield b"0\r\n\r\n"

    with served(log_before) as gateway:

        def ask(*headers: str, body: Any) -> list[int]:
            at = request_of(
                gateway, "/v1/chat/completions", "Host: localhost", "Connection: close", *headers, method="POST"
            )
            return statuses(send_raw(gateway.url, at, body))

        assert ask(f"Content-Length: {len(long)}", body=long) == [413]
        assert ask("Transfer-Encoding: chunked", body=pieces()) == [413]
        assert ask("Content-Encoding: gzip", f"Content-Length: {len(packed)}", body=packed) == [415]
        header = send_raw(gateway.url, request_of(gateway, "/v1/models", "Host: localhost", f"X-Long: {'x' * 100_000}"))
        assert statuses(header) == [400]
        assert gateway.ask("/models")[0] == 200
    assert not document("runs", db=gateway.path)


@pytest.mark.skipif(sys.platform != "linux", reason="reads the process's memory as Linux shows it")
def test_a_packed_body_that_unpacks_to_a_gigabyte_does_not_fill_the_memory(log_before: MakeLog) -> None:
    packer = zlib.compressobj(wbits=31)
    packed = b"".join(packer.compress(bytes(1 << 24)) for _ in range(64)) + packer.flush()
    assert len(packed) < 2 << 20
    with ChatServer("ok", ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        key = make_key(path)
        with process_on(path) as (process, url):
            gateway = Served(url, key, path)
            before = most_memory_mib(process.pid)
            headers = (
                "Host: localhost",
                "Connection: close",
                "Content-Encoding: gzip",
                f"Content-Length: {len(packed)}",
            )
            sent = request_of(gateway, "/v1/chat/completions", *headers, method="POST", body=packed)
            assert statuses(send_raw(url, sent)) == [415]
            assert most_memory_mib(process.pid) - before < 100
            assert gateway.ask("/models")[0] == 200


def most_memory_mib(process: int) -> int:
    """The most memory that the process has had."""
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) >> 10


@pytest.mark.parametrize(
    "body",
    [
        b'{"model": "action", "messages": [{"role": "user", "content": "\xc0\xaf"}]}',
        b'{"model": "action", "messages": [{"role": "user", "content": "\xed\xa0\x80"}]}',
        b'{"model": "action", "messages": [{"role": "user", "content": "\\ud800"}]}',
        b'{"model": "action", "messages": [{"role": "user", "content": "x"}], "top_p": NaN}',
        b'{"model": "action", "messages": [{"role": "user", "content": "x"}], "top_p": -Infinity}',
        b'{"model": "\\ud800", "messages": [{"role": "user", "content": "x"}]}',
        b"[" * 100_000,
        b"\xff\xfe{\x00}\x00",
    ],
)
def test_a_body_that_is_no_text_or_no_json_is_refused(log_before: MakeLog, body: bytes) -> None:
    with served(log_before) as gateway:
        status, _, said = gateway.ask("/chat/completions", body)
        feedback, *_ = gateway.ask("/feedback", body)
        assert not document("runs", db=gateway.path)
    assert status in (400, 404) and feedback == 400 and said["error"]["message"]


def test_odd_text_is_asked_answered_and_recorded_as_it_is(log_before: MakeLog) -> None:
    with served(log_before, ODD) as gateway:
        asked = {"model": "action", "messages": [{"role": "user", "content": ODD}]}
        status, headers, said = gateway.ask("/chat/completions", asked)
        run = headers["x-grokputer-run"]
        rated = gateway.ask(
            "/feedback", {"run": run, "stars": 2, "comment": ODD, "issues": [ODD.strip()], "correction": ODD}
        )
        *_, shown = gateway.ask(f"/runs/{run}")
    assert (status, rated[0]) == (200, 201)
    assert said["choices"][0]["message"]["content"] == shown["answer"] == shown["messages"][0]["content"] == ODD


def test_an_answer_cannot_write_a_frame_of_a_stream(log_before: MakeLog) -> None:
    with served(log_before, ODD) as gateway:
        body = json.dumps({**HELLO, "stream": True}).encode()
        sizes = f"Content-Length: {len(body)}"
        at = ("Host: localhost", "Connection: close", "Idempotency-Key: k1", sizes)
        sent = request_of(gateway, "/v1/chat/completions", *at, method="POST", body=body)
        for _ in range(2):  # the second time the gateway writes the frames itself
            answered = unchunked(send_raw(gateway.url, sent))
            frames = [frame for frame in answered.split(b"\n\n") if frame]
            assert all(frame.startswith(b"data: ") and b"\n" not in frame for frame in frames), frames
            assert frames[-1] == b"data: [DONE]"
            chunks = [json.loads(frame[6:]) for frame in frames[:-1]]
            assert "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks) == ODD


def unchunked(answered: bytes) -> bytes:
    """The body of a response that came in pieces."""
    _, _, rest = answered.partition(b"\r\n\r\n")
    body = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        body, rest = body + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    return body


@pytest.mark.parametrize(
    "header",
    [
        "x-session-id: a\rSet-Cookie: b=c", "x-session-id: a%0d%0aSet-Cookie: b=c", "Idempotency-Key: a\rb: c",
        "x-session-id: \xe9\x85", "x-session-id: a\x7fb", "traceparent: 00-\xff-01", "Idempotency-Key: \xff",
    ],
)  # fmt: skip
def test_no_header_of_a_request_writes_a_header_of_the_response(log_before: MakeLog, header: str) -> None:
    with served(log_before) as gateway:
        body = json.dumps(HELLO).encode()
        at = ("Host: localhost", "Connection: close", f"Content-Length: {len(body)}", header)
        answered = send_raw(gateway.url, request_of(gateway, "/v1/chat/completions", *at, method="POST", body=body))
    [status] = statuses(answered)
    head = answered.partition(b"\r\n\r\n")[0].lower()
    assert status in (200, 400) and b"set-cookie" not in head and b"\r\nb: c" not in head


def test_names_in_a_request_cannot_write_a_header(log_before: MakeLog) -> None:
    with served(log_before) as gateway:
        for model in ("a\r\nSet-Cookie: b=c", "action\r\n", "\u0130", "x" * 100_000):
            status, headers, _ = gateway.ask("/chat/completions", {**HELLO, "model": model})
            assert status == 404 and "Set-Cookie" not in headers
        given = {"run": "0" * 32 + "\r\nSet-Cookie: b=c", "stars": 1, "id": "f\r\n"}
        assert gateway.ask("/feedback", given)[0] in (400, 404)
        root = replace(gateway, url=gateway.url.removesuffix("/v1"))
        scores = {"traceId": "0" * 32, "name": "x\r\n", "value": 1, "id": "s\r\nSet-Cookie: b=c"}
        assert root.ask("/api/public/scores", scores)[0] == 400


@pytest.mark.parametrize("given", ["1", "Fri, 31 Dec 2027 23:59:59 GMT", "\xff\xfe", "x" * 5000])
def test_a_header_of_an_endpoint_cannot_break_the_response(log_before: MakeLog, given: str) -> None:
    busy = RawUpstream(completion("x"), status=429, kind="application/json", headers={"Retry-After": given})
    with busy as endpoint, serving(log_before(endpoint.url)) as gateway:
        status, headers, _ = gateway.ask("/chat/completions", HELLO)
    assert status == 429 and headers["retry-after"] in ("1", "Fri, 31 Dec 2027 23:59:59 GMT")


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (["Authorization : Bearer {key}"], 400),
        (["Authorization: Bearer {key}\x01"], 400),
        (["X-Long: {key}" + "y" * 9000], 400),
        (["Content-Length: 1", "Content-Length: 2", "X-Key: {key}"], 400),
        (["Transfer-Encoding: chunked, {key}"], 400),
        (["Expect: {key}"], 417),
    ],
)
def test_what_is_no_valid_request_is_said_in_the_api_s_shape_and_no_secret_is_written_down(
    log_before: MakeLog, caplog: pytest.LogCaptureFixture, head: list[str], status: int
) -> None:
    with served(log_before) as gateway:
        lines = ["POST /v1/chat/completions HTTP/1.1", "Host: 127.0.0.1", *(it.format(key=gateway.key) for it in head)]
        answered = send_raw(gateway.url, "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1"))
    said = json.loads(answered.split(b"\r\n\r\n")[-1])
    assert statuses(answered) == [status] and said["error"]["message"]
    assert b"aiohttp" not in answered and b"erver: grokputer" in answered
    assert gateway.key.encode() not in answered and gateway.key not in caplog.text


def test_a_damaged_body_writes_nothing_of_it_down(log_before: MakeLog, caplog: pytest.LogCaptureFixture) -> None:
    with served(log_before) as gateway:
        head = request_of(
            gateway, "/v1/chat/completions", "Host: 127.0.0.1", "Transfer-Encoding: chunked", method="POST"
        )
        answered = send_raw(gateway.url, head + b"5\nprivate words\n0\n\n")
    assert statuses(answered)[:1] == [400]
    assert "private" not in caplog.text and gateway.key not in caplog.text


def test_a_body_that_is_declared_too_long_is_refused_before_it_is_sent(log_before: MakeLog) -> None:
    with served(log_before) as gateway:
        length = f"Content-Length: {33 * 2**20}"
        head = request_of(
            gateway, "/v1/chat/completions", "Host: 127.0.0.1", length, "Expect: 100-continue", method="POST"
        )
        assert statuses(first_answer(gateway.url, head)) == [413]
