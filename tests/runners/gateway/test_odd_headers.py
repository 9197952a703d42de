"""Headers and query fields with bytes that are not UTF-8, or URLs that are none: they are refused or ignored, and no bug."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from chat_server import ChatServer
from gateways import Served, make_log_before, serving
from raw_http import send_raw, statuses

BODY = json.dumps({"model": "action", "messages": [{"role": "user", "content": "hello"}]}).encode()
FORM = b"token=a.%ff\xff&key=\xff%ff"
ODD = (
    b"\xff",
    b"Bearer \xff",
    b"Basic \xff",
    b"grokputer_session=a.1.b.\xff",
    b"grokputer_said=%ff\xff",
    b"http://[",
    b"[::1",
)
NAMES = (
    *("Authorization", "Cookie", "Origin", "Accept", "Idempotency-Key", "x-session-id", "traceparent", "tracestate"),
    *("OpenAI-Organization", "Content-Type", "Content-Encoding", "Expect", "Host", "Referer", "Sec-Fetch-Site"),
    *("X-Forwarded-Proto", "X-Grokputer-Drawn", "User-Agent", "Content-Length", "Transfer-Encoding", "Retry-After"),
)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    path = tmp_path_factory.mktemp("odd") / "events.db"
    with ChatServer("ok", ["tiny"]) as endpoint, serving(make_log_before(path, endpoint.url)) as gateway:
        yield gateway


def ask(gateway: Served, target: bytes, given: dict[str, bytes], body: bytes | None = None) -> tuple[int, bytes]:
    """The status and the whole answer to a request with these headers in place of the usual ones."""
    usual = {"Host": b"127.0.0.1", "Authorization": f"Bearer {gateway.key}".encode(), "Connection": b"close"}
    headers = usual | ({} if body is None else {"Content-Length": b"%d" % len(body)}) | given
    lines = [b"%s %s HTTP/1.1" % (b"GET" if body is None else b"POST", target)]
    lines += [name.encode() + b": " + value for name, value in headers.items() if value]
    answered = send_raw(gateway.url, b"\r\n".join([*lines, b"", b""]) + (body or b""))
    [status] = statuses(answered)
    return status, answered


@pytest.mark.parametrize("value", [b"Bearer \xff", b"Bearer \xed\xa0\x80", b"\xff", b"Basic \xff"])
@pytest.mark.parametrize("target", [b"/v1/models", b"/metrics"])
def test_a_key_that_is_not_utf_8_is_a_wrong_key(gateway: Served, target: bytes, value: bytes) -> None:
    assert ask(gateway, target, {"Authorization": value})[0] == 401


@pytest.mark.parametrize("name", NAMES)
def test_no_header_with_odd_bytes_makes_the_gateway_fail(gateway: Served, name: str) -> None:
    form = {"Content-Type": b"application/x-www-form-urlencoded", "Authorization": b""}
    for value in ODD:
        found = [
            ask(gateway, b"/v1/chat/completions", {name: value}, BODY),
            ask(gateway, b"/v1/models", {name: value}),
            ask(gateway, b"/metrics", {name: value}),
            ask(gateway, b"/runs", {name: value}),
            ask(gateway, b"/runs", {"Authorization": b"", name: value}),
            ask(gateway, b"/sign-in", form | {name: value}, FORM),
            ask(gateway, b"/sign-out", form | {name: value}, FORM),
        ]
        assert not [answered for status, answered in found if status >= 500 or b"has a bug" in answered], (name, value)


@pytest.mark.parametrize(
    "target",
    ["/runs", "/failures", "/alerts", "/settings", "/history", "/metrics", "/sign-in", "/v1/models", "/v1/runs"],
)
def test_no_query_with_odd_bytes_makes_the_gateway_fail(gateway: Served, target: str) -> None:
    for query in (
        b"?a=%ff",
        b"?%ff=1",
        b"?to=http://[",
        b"?format=%ed%a0%80",
        b"?limit=%ff",
        b"?role=\xff",
        b"/%ff",
        b"/%ed%a0%80",
    ):
        status, answered = ask(gateway, target.encode() + query, {})
        assert status < 500 and b"has a bug" not in answered, (query, answered)


def test_a_form_from_a_place_that_is_no_url_is_refused(gateway: Served) -> None:
    form = {"Content-Type": b"application/x-www-form-urlencoded", "Authorization": b"", "Origin": b"http://["}
    assert ask(gateway, b"/sign-in", form, b"key=a")[0] == 403
