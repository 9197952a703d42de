"""Connections are bounded: those that show no key make room for clients who have one."""

from __future__ import annotations

import asyncio
import http.client
import resource
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import pytest
from chat_server import ChatServer
from gateways import Served, make_key, process_on, serving

from grokputer.runners.gateway.replies import Refused
from grokputer.runners.gateway.service import connections
from grokputer.runners.gateway.service.connections import MOST, Connections, most_connections
from grokputer.runners.gateway.site.live import MOST_OF_ONE, Seats

MakeLog = Callable[[str], Path]
BODY: dict[str, Any] = {"model": "action", "messages": [{"role": "user", "content": "hello"}]}


@pytest.mark.parametrize(("files", "most"), [(1024, 412), (256, 28), (100, 16), (65_536, MOST), (-1, MOST)])
def test_the_limit_of_open_files_bounds_connections_and_leaves_some_for_the_log(files: int, most: int) -> None:
    assert most_connections(files) == most


class Wire(asyncio.Transport):
    """A connection without a network."""

    def __init__(self) -> None:
        super().__init__()
        self.is_cut = False

    def abort(self) -> None:
        self.is_cut = True


class Request:
    def __init__(self, protocol: asyncio.Protocol) -> None:
        self.protocol = protocol


class Clients:
    """Connections that clients open, by number."""

    def __init__(self, most: int) -> None:
        self.connections = Connections(most)
        self.readers: list[asyncio.Protocol] = []
        self.wires: list[Wire] = []

    def come(self, number: int = 1) -> None:
        for _ in range(number):
            self.readers.append(asyncio.Protocol())
            self.wires.append(Wire())
            self.connections.accept(self.readers[-1]).connection_made(self.wires[-1])

    def show_key(self, number: int) -> None:
        self.connections.trust(cast("Any", Request(self.readers[number])))

    @property
    def cut(self) -> list[int]:
        return [number for number, wire in enumerate(self.wires) if wire.is_cut]


def test_the_oldest_connection_without_a_key_makes_room_for_a_new_one() -> None:
    clients = Clients(4)
    clients.come(4)
    clients.show_key(0)
    assert clients.cut == []
    clients.come(2)
    assert (clients.cut, len(clients.connections)) == ([1, 2], 4)
    clients.show_key(5)
    clients.come(20)
    assert {0, 5}.isdisjoint(clients.cut) and len(clients.connections) == 4


def test_a_connection_that_ended_leaves_its_place() -> None:
    clients = Clients(2)
    accepted = [clients.connections.accept(asyncio.Protocol()) for _ in range(2)]
    accepted[0].connection_made(Wire())
    accepted[0].connection_lost(None)
    clients.come()
    assert (clients.cut, len(clients.connections)) == ([], 2)


def test_a_connection_that_must_make_room_before_it_has_begun_is_cut_as_it_begins() -> None:
    clients, wire = Clients(2), Wire()
    early = clients.connections.accept(asyncio.Protocol())
    clients.come(2)
    early.connection_made(wire)
    assert wire.is_cut and clients.cut == []


def test_clients_with_keys_cannot_take_the_last_places_so_that_a_new_one_is_heard() -> None:
    clients = Clients(8)
    clients.come(8)
    for number in range(7):
        clients.show_key(number)
    clients.show_key(0)  # it has its place
    with pytest.raises(Refused, match="7 connections are open") as refused:
        clients.show_key(7)
    assert refused.value.status == 503 and refused.value.headers["retry-after"] == "1"
    clients.come()
    assert clients.cut == [7]


@contextmanager
def strangers(gateway: Served, number: int) -> Iterator[list[socket.socket]]:
    """So many connections that say nothing; each is closed at the end."""
    place = urlsplit(gateway.url)
    with ExitStack() as opened:
        yield [
            opened.enter_context(socket.create_connection((place.hostname, place.port), timeout=30))
            for _ in range(number)
        ]


def test_connections_without_a_key_do_not_keep_out_those_with_one(
    log_before: MakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "most_connections", lambda files: 8)
    with ChatServer("ok", ["tiny"]) as endpoint, serving(log_before(endpoint.url)) as gateway:
        place = urlsplit(gateway.url)
        with closing(http.client.HTTPConnection(place.hostname or "", place.port)) as kept:

            def list_models() -> int:
                kept.request("GET", "/v1/models", headers={"authorization": f"Bearer {gateway.key}"})
                with kept.getresponse() as response:
                    response.read()
                    return response.status

            assert list_models() == 200
            first = kept.sock
            with strangers(gateway, 40) as silent:
                assert silent[0].recv(1) == b""  # cut
                assert gateway.ask("/chat/completions", BODY)[0] == 200
                assert list_models() == 200 and kept.sock is first
                silent[-1].sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert silent[-1].recv(100).startswith(b"HTTP/1.1 200")


@contextmanager
def few_files(number: int) -> Iterator[None]:
    """A process that starts in the block may have so many open files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (number, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.slow
def test_a_process_with_few_open_files_answers_while_strangers_hold_more_connections(
    log_before: MakeLog,
) -> None:
    with ChatServer("ok", ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        key = make_key(path)
        with ExitStack() as running:
            with few_files(300):
                _, url = running.enter_context(process_on(path))
            gateway = Served(url, key, path)
            with strangers(gateway, 500):
                assert [gateway.ask("/chat/completions", BODY)[0] for _ in range(5)] == [200] * 5


def test_live_pages_of_one_person_leave_places_for_others() -> None:
    seats = Seats(most=4, most_of_one=2)
    with ExitStack() as held:
        for person in ("ada", "ada", "bob"):
            held.enter_context(seats.hold(person))
        with pytest.raises(Refused, match="2 pages of ada are live"):
            held.enter_context(seats.hold("ada"))
        held.enter_context(seats.hold("eve"))
        with pytest.raises(Refused, match="4 pages are live"):
            held.enter_context(seats.hold("bob"))
    with seats.hold("ada"), seats.hold("ada"):
        pass


def test_a_person_with_two_keys_has_as_many_live_pages_as_one_with_one(log_before: MakeLog) -> None:
    with ChatServer("ok", ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        keys = [make_key(path, "rate", holder="ada"), make_key(path, "rate", holder="ada")]
        other = make_key(path, "rate", holder="bob")
        with serving(path) as gateway, ExitStack() as opened:
            place = urlsplit(gateway.url)

            def follow(key: str) -> int:
                live = opened.enter_context(closing(http.client.HTTPConnection(place.hostname or "", place.port)))
                live.request("GET", "/live", headers={"authorization": f"Bearer {key}"})
                return live.getresponse().status

            assert [follow(keys[number % 2]) for number in range(MOST_OF_ONE)] == [200] * MOST_OF_ONE
            assert [follow(key) for key in (*keys, other)] == [503, 503, 200]
