"""Which hosts a run may reach, also where a name changes its address."""

from __future__ import annotations

import socket
from collections.abc import Sequence

import pytest

from grokputer.runners.environments.web.network.hosts import AllowList, BadAddress, Place, Refused, read_place, read_url
from grokputer.runners.environments.web.network.proxy import _read_request
from grokputer.runners.environments.web.words import join_task, split_task

ADDRESSES = {
    "shop.example": ["93.184.215.14"],
    "cdn.shop.example": ["93.184.215.15", "10.0.0.1"],
    "evil.shop.example": ["127.0.0.1"],
    "wiki.intern": ["10.1.2.3"],
    "mapped.shop.example": ["::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "fe80::1%eth0", "169.254.169.254"],
}


def look(host: str, port: int) -> Sequence[str]:
    if host not in ADDRESSES:
        raise socket.gaierror(-2, "Name or service not known")
    return ADDRESSES[host]


@pytest.mark.parametrize(
    ("url", "place", "is_allowed"),
    [
        ("https://shop.example/", "shop.example:443", True),
        ("https://shop.example/", "cdn.shop.example:8443", True),
        ("https://shop.example/", "badshop.example:443", False),
        ("https://shop.example/", "shop.example.evil.test:443", False),
        ("https://shop.example/", "example:443", False),
        ("http://127.0.0.1:8000/", "127.0.0.1:8000", True),
        ("http://127.0.0.1:8000/", "127.0.0.1:22", False),
        ("http://127.0.0.1:8000/", "localhost:8000", False),
        ("http://wiki.intern/", "wiki.intern:80", True),
        ("http://wiki.intern/", "wiki.intern:8080", False),
    ],
)
def test_a_host_and_its_subdomains_are_allowed_and_no_other(url: str, place: str, is_allowed: bool) -> None:
    assert AllowList.of(url, look=look).allows(read_place(place)) is is_allowed


def test_a_name_may_not_lead_into_a_private_network() -> None:
    allowed = AllowList.of("https://shop.example/", look=look)
    assert allowed.find(Place("shop.example", 443)) == [("93.184.215.14", 443)]
    assert allowed.find(Place("cdn.shop.example", 443)) == [("93.184.215.15", 443)]
    for host in ("evil.shop.example", "mapped.shop.example"):
        with pytest.raises(Refused, match="has an address in a private network"):
            allowed.find(Place(host, 443))
    with pytest.raises(Refused, match="cannot be found: Name or service not known"):
        allowed.find(Place("new.shop.example", 443))


def test_a_host_with_public_and_private_addresses_is_not_a_private_one() -> None:
    allowed = AllowList.of("https://cdn.shop.example/", look=look)
    assert allowed.find(Place("cdn.shop.example", 443)) == [("93.184.215.15", 443)]


def test_a_private_host_of_the_url_keeps_the_address_that_it_had(monkeypatch: pytest.MonkeyPatch) -> None:
    allowed = AllowList.of("http://wiki.intern/", look=look)
    assert allowed.find(Place("wiki.intern", 80)) == [("10.1.2.3", 80)]
    monkeypatch.setitem(ADDRESSES, "wiki.intern", ["127.0.0.1"])
    with pytest.raises(Refused, match="private network"):
        allowed.find(Place("wiki.intern", 80))


@pytest.mark.parametrize(
    "url",
    [
        *(
            "file:///etc/passwd",
            "data:text/html,x",
            "chrome://settings",
            "ftp://a.test/",
            "http://",
            "http:///x",
            "a.test",
        ),
        *(
            "http://user:secret@a.test/",
            "http://a b/",
            "http://a.test:99999/",
            "http://1.2.3/",
            "http://0x7f.1/",
            "http://a\n.test/",
        ),
    ],
)
def test_what_is_no_page_of_the_web_is_refused_in_one_line(url: str) -> None:
    with pytest.raises(BadAddress) as refused:
        read_url(url)
    assert "\n" not in str(refused.value) and "secret" not in str(refused.value)


def test_hosts_are_compared_in_one_form() -> None:
    assert read_url("HTTPS://Shop.Example./x").host == "shop.example"
    assert read_url("http://bücher.example/").host == "xn--bcher-kva.example"
    assert str(read_url("http://[::1]:80/")) == "[::1]:80"
    assert read_place("[::1]:8080") == Place("::1", 8080)


def test_a_request_over_http_is_passed_on_alone_and_without_what_concerns_the_proxy() -> None:
    head = (
        b"POST http://a.test:81/x?y=1 HTTP/1.1\r\nHost: a.test:81\r\nProxy-Connection: keep-alive\r\n"
        b"Upgrade: h2c\r\nContent-Length: 3\r\n\r\n"
    )
    request = _read_request(head)
    assert request.place == Place("a.test", 81)
    assert (
        request.opening == b"POST /x?y=1 HTTP/1.1\r\nConnection: close\r\nHost: a.test:81\r\nContent-Length: 3\r\n\r\n"
    )
    assert request.take(b"ab") == b"ab"
    with pytest.raises(OSError, match="a second request"):
        request.take(b"cGET http://b.test/ HTTP/1.1")
    tunnel = _read_request(b"CONNECT a.test:443 HTTP/1.1\r\n\r\n")
    assert (tunnel.place, tunnel.opening) == (Place("a.test", 443), None)
    with pytest.raises(Refused):
        _read_request(b"GET /etc/passwd HTTP/1.1\r\n\r\n")


def test_a_task_in_words_names_its_page_and_its_hosts() -> None:
    task = join_task("https://a.test/x", " Buy  tea + milk ", ["cdn.test", "B.test:81"])
    assert task == "https://a.test/x +cdn.test +b.test:81 Buy  tea + milk"
    assert split_task(task) == ("https://a.test/x", ("cdn.test", "b.test:81"), "Buy  tea + milk")
