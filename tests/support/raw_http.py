"""Requests byte by byte, as no client library would write them."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit


def send_raw(url: str, *parts: bytes | Iterable[bytes]) -> bytes:
    """Everything that the server at the URL answers to these bytes, until it closes the connection."""
    at = urlsplit(url)
    with socket.create_connection((at.hostname, at.port), timeout=60) as connection:
        answered = b""
        try:
            for part in parts:
                for piece in [part] if isinstance(part, bytes) else part:
                    connection.sendall(piece)
        except OSError:
            pass  # it had seen enough
        try:
            while read := connection.recv(1 << 16):
                answered += read
        except ConnectionError:
            pass
        return answered


def first_answer(url: str, head: bytes) -> bytes:
    """What the server at the URL answers first to a request whose body does not come; the client then leaves."""
    at = urlsplit(url)
    with socket.create_connection((at.hostname, at.port), timeout=60) as connection:
        connection.sendall(head)
        return connection.recv(1 << 16)


def statuses(answered: bytes) -> list[int]:
    """The status of each response in the bytes."""
    return [int(found) for found in re.findall(rb"^HTTP/1\.[01] (\d{3})", answered, re.MULTILINE)]
