"""The accessibility bus: many calls at once, each wave as long as one answer, and none longer than its limit."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from jeepney import DBusAddress, HeaderFields, MessageType, new_method_call
from jeepney.io.blocking import DBusConnection, open_dbus_connection

from .....domain.errors import EnvironmentUnavailable

PROPERTIES = "org.freedesktop.DBus.Properties"
PREFIX = "org.a11y.atspi."
REGISTRY = "org.a11y.atspi.Registry"
ROOT = "/org/a11y/atspi/accessible/root"

CALL_S = 2.0
"""How long the programs may take to answer one wave; chosen: thirty times what they take on a busy machine."""

SILENT_S = 0.2
"""The same for a program that did not answer before; chosen."""

START_S = 20.0
"""How long the bus may take to appear; chosen."""


class Call(NamedTuple):
    """One call of a program."""

    bus: str
    path: str
    interface: str
    method: str
    signature: str | None = None
    body: tuple[Any, ...] = ()


class TreeBus:
    """A connection to the accessibility bus of one desktop. Raises ``EnvironmentUnavailable`` where it cannot be had."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.silent: set[str] = set()
        """The programs that did not answer the last time that they were asked."""
        until, wait = time.monotonic() + START_S, 0.005
        while True:
            try:
                self._connection = _connect(environment["DBUS_SESSION_BUS_ADDRESS"])
                return
            except (OSError, ValueError, KeyError) as error:
                if time.monotonic() > until:
                    raise EnvironmentUnavailable(f"the accessibility bus cannot be reached: {error}") from None
            time.sleep(wait)
            wait = min(0.1, wait * 1.5)

    def ask(self, calls: Sequence[Call]) -> list[Any]:
        """The body of each answer in the order of the calls, None where there is none.

        Programs that do not answer in time become ``silent``.
        """
        answers: list[Any] = [None] * len(calls)
        waiting: dict[int, int] = {}
        try:
            for number, call in enumerate(calls):
                message = new_method_call(
                    DBusAddress(call.path, call.bus, call.interface), call.method, call.signature, call.body
                )
                serial = next(self._connection.outgoing_serial)
                waiting[serial] = number
                self._connection.send(message, serial=serial)
            self._collect(calls, waiting, answers)
        except OSError:
            raise EnvironmentUnavailable("the accessibility bus was lost; start the task again") from None
        return answers

    def get(self, bus: str, path: str, interface: str, name: str) -> Call:
        """The call that asks for a property."""
        return Call(bus, path, PROPERTIES, "Get", "ss", (PREFIX + interface, name))

    def close(self) -> None:
        """End the connection. Idempotent."""
        with suppress(OSError):
            self._connection.close()

    def _collect(self, calls: Sequence[Call], waiting: dict[int, int], answers: list[Any]) -> None:
        is_silent = {calls[number].bus for number in waiting.values()} <= self.silent
        until = time.monotonic() + (SILENT_S if is_silent else CALL_S)
        asked = {calls[number].bus for number in waiting.values()}
        while waiting:
            if {calls[number].bus for number in waiting.values()} <= self.silent:
                until = min(until, time.monotonic() + SILENT_S)
            try:
                reply = self._connection.receive(timeout=max(0.001, until - time.monotonic()))
            except TimeoutError:
                break
            serial = reply.header.fields.get(HeaderFields.reply_serial)
            number = waiting.pop(serial, None)  # a late answer to an earlier wave is nobody's
            if number is not None and reply.header.message_type is MessageType.method_return:
                answers[number] = reply.body
        late = {calls[number].bus for number in waiting.values()}
        self.silent = (self.silent - asked) | late


def _connect(address: str) -> DBusConnection:
    """The connection to the bus that the session names; programs are told that somebody reads their windows."""
    session = open_dbus_connection(address)
    try:
        bus = DBusAddress("/org/a11y/bus", "org.a11y.Bus", "org.a11y.Bus")
        answer = session.send_and_get_reply(new_method_call(bus, "GetAddress"), timeout=START_S)
        if answer.header.message_type is MessageType.error:
            raise ValueError(answer.body[0] if answer.body else "no address")
        status = DBusAddress("/org/a11y/bus", "org.a11y.Bus", PROPERTIES)
        for name in ("IsEnabled", "ScreenReaderEnabled"):
            body = ("org.a11y.Status", name, ("b", True))
            session.send_and_get_reply(new_method_call(status, "Set", "ssv", body), timeout=START_S)
        return open_dbus_connection(answer.body[0])
    finally:
        session.close()
