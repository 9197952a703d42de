"""Headers that a request has once: two of one name are refused, because two programs could each read another one."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from chat_server import ChatServer
from command_line import document
from gateways import Served, make_log_before, serving
from raw_http import send_raw, statuses

BODY = json.dumps({"model": "action", "messages": [{"role": "user", "content": "hello"}]}).encode()
LENGTH = f"Content-Length: {len(BODY)}"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    path = tmp_path_factory.mktemp("single") / "events.db"
    with ChatServer("ok", ["tiny"]) as endpoint, serving(make_log_before(path, endpoint.url)) as gateway:
        yield gateway


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [
        ("Idempotency-Key", "k1", "k2"),
        ("Idempotency-Key", "k1", "k1"),
        ("idempotency-key", "k1", ""),
        ("x-session-id", "s1", "s2"),
        ("Host", "127.0.0.1", "localhost"),
        ("Host", "127.0.0.1", "127.0.0.1"),
        ("Content-Length", str(len(BODY)), str(len(BODY))),
        ("Content-Length", str(len(BODY)), "0"),
        ("Authorization", "KEY", "Bearer gp_other"),
        ("Authorization", "Bearer gp_other", "KEY"),
        ("Authorization", "KEY", "KEY"),
        ("Content-Type", "application/json", "text/plain"),
        ("Content-Encoding", "identity", "gzip"),
        ("Origin", "http://127.0.0.1", "http://evil.example"),
        ("Sec-Fetch-Site", "same-origin", "cross-site"),
        ("traceparent", "00-1-1-01", "00-2-2-01"),
    ],
)
def test_two_headers_of_one_name_are_refused_by_name_and_record_nothing(
    gateway: Served, name: str, first: str, second: str
) -> None:
    given = {"Host": "127.0.0.1", "Content-Length": str(len(BODY)), "Authorization": f"Bearer {gateway.key}"}
    others = [f"{known}: {value}" for known, value in given.items() if known != name]
    twice = [f"{name}: {value.replace('KEY', given['Authorization'])}" for value in (first, second)]
    lines = ["POST /v1/chat/completions HTTP/1.1", *others, *twice, "Connection: close", "", ""]
    before = len(document("runs", db=gateway.path))
    answered = send_raw(gateway.url, "\r\n".join(lines).encode() + BODY)
    assert statuses(answered) == [400]
    assert name.lower().encode() in answered.partition(b"\r\n\r\n")[2].lower(), answered
    assert len(document("runs", db=gateway.path)) == before


def test_other_headers_may_come_twice(gateway: Served) -> None:
    lines = ["POST /v1/chat/completions HTTP/1.1", "Host: localhost", f"Authorization: Bearer {gateway.key}", LENGTH]
    lines += ["Accept: a/b", "Accept: c/d", "tracestate: a=1", "tracestate: b=2", "Connection: close", "", ""]
    assert statuses(send_raw(gateway.url, "\r\n".join(lines).encode() + BODY)) == [200]
