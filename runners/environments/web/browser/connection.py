"""The DevTools protocol over a browser's pipes, with sessions and events.

A thread reads all that the browser says, so that events are handled when they happen and not when somebody asks: a download
that is too large is stopped while the model still thinks. Commands are sent from any thread.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from .....domain.errors import EnvironmentUnavailable, GrokputerError
from ...chromium import Chromium

CALL_S = 10.0
"""Time limit of one command; chosen: pages answer within milliseconds, and a busy one within a second or two."""

START_S = 30.0
"""Time limit of the browser's start; chosen: a busy machine takes some seconds."""

LONGEST_MESSAGE = 64 << 20
"""Bytes of one message of the browser; chosen: a page of a hundred thousand elements has a fifth of that."""

Handler = Callable[[str, dict[str, Any]], None]
"""Takes an event's name and its parameters. It is called in the reading thread: it may ``send`` and never ``call``."""


class NoAnswer(GrokputerError):
    """A command that was not answered in time."""


class CommandFailed(GrokputerError):
    """A command that the browser could not carry out; the message is the browser's own."""


class Connection:
    """A running browser that takes commands."""

    def __init__(self, flags: Sequence[str], *, is_headed: bool = False) -> None:
        """Start the browser. Raises ``EnvironmentUnavailable``."""
        self.process = Chromium(flags, is_headed=is_headed)
        self.changed = threading.Condition()
        """Held while an event is handled; notified after it."""
        self.listeners: list[Handler] = []
        """They get the events of the browser itself."""
        self.handlers: dict[str, Handler] = {}
        """They get the events of one session each."""
        self._answers: dict[int, dict[str, Any] | None] = {}
        self._last_id = 0
        self._writing = threading.Lock()
        self._ended = ""
        self._is_up = False
        self._reader = threading.Thread(target=self._read, name="grokputer-browser", daemon=True)
        self._reader.start()
        try:
            self.version = str(self.call("Browser.getVersion", timeout_s=START_S)["product"])
        except NoAnswer:
            self._ended = f"it did not answer within {START_S:g} s"
            error = self._lost()
            self.close()
            raise error from None
        except EnvironmentUnavailable:
            self.close()
            raise
        self._is_up = True

    @property
    def is_lost(self) -> bool:
        """Whether the browser has ended."""
        return bool(self._ended)

    def send(self, method: str, session: str = "", *, is_awaited: bool = False, **parameters: Any) -> int:
        """Send a command and return its number. Raises ``EnvironmentUnavailable`` when the browser is lost."""
        with self._writing:
            self._last_id += 1
            id = self._last_id
            command = {"id": id, "method": method, "params": parameters}
            if session:
                command["sessionId"] = session
            if is_awaited:
                self._answers[id] = None
            try:
                self.process.commands.write(json.dumps(command).encode() + b"\0")
                self.process.commands.flush()
            except (OSError, ValueError):  # ValueError: closed
                self._ended = self._ended or "it has ended"
                raise self._lost() from None
        return id

    def call(self, method: str, session: str = "", *, timeout_s: float = CALL_S, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result.

        Raises ``NoAnswer``, ``CommandFailed``, ``EnvironmentUnavailable`` when the browser is lost.
        """
        [answer] = self.calls([(method, session, parameters)], timeout_s=timeout_s)
        if isinstance(answer, CommandFailed):
            raise answer
        return answer

    def calls(
        self, commands: Sequence[tuple[str, str, dict[str, Any]]], *, timeout_s: float = CALL_S
    ) -> list[dict[str, Any] | CommandFailed]:
        """Send the commands at once, and return their results or why they failed. Raises as ``call``."""
        ids = [self.send(method, session, is_awaited=True, **parameters) for method, session, parameters in commands]
        try:
            if not self.wait(lambda: all(self._answers[id] is not None for id in ids), timeout_s):
                raise NoAnswer(f"{commands[0][0]} was not answered within {timeout_s:g} s")
            return [_result(self._answers[id] or {}) for id in ids]
        finally:
            for id in ids:
                self._answers.pop(id, None)

    def is_answered(self, id: int) -> bool:
        """Whether the awaited command was answered."""
        return self._answers.get(id) is not None

    def take_answer(self, id: int) -> dict[str, Any] | None:
        """The result of the awaited command; None where it was not answered. Raises ``CommandFailed``."""
        message = self._answers.pop(id, None)
        result = None if message is None else _result(message)
        if isinstance(result, CommandFailed):
            raise result
        return result

    def drop(self, id: int) -> None:
        """Await the command's answer no longer."""
        self._answers.pop(id, None)

    def wait(self, is_so: Callable[[], bool], seconds: float) -> bool:
        """Whether it became so within the time. Raises ``EnvironmentUnavailable`` when the browser is lost."""
        deadline = time.monotonic() + seconds
        with self.changed:
            while not is_so():
                if self._ended:
                    raise self._lost()
                if (left := deadline - time.monotonic()) <= 0:
                    return False
                self.changed.wait(left)
        return True

    def close(self, wait_s: float = 5.0) -> None:
        """End the browser, by force where it has not ended within the time, and remove its profile. Idempotent."""
        self._ended = self._ended or "it was closed"
        with contextlib.suppress(OSError):
            self.process.commands.close()  # Chromium ends when its command pipe closes
        self._reader.join(wait_s)
        if self._reader.is_alive():
            self.process.kill()
            self._reader.join()
        self.process.close(wait_s)

    def _lost(self) -> EnvironmentUnavailable:
        return self.process.lost(self._ended, is_up=self._is_up)

    def _read(self) -> None:
        """Take all that the browser says, until it ends."""
        why = "it has ended"
        try:
            why = self._take_all()
        except (OSError, ValueError):  # the pipe was closed
            pass
        finally:
            with self.changed:
                self._ended = self._ended or why
                self.changed.notify_all()

    def _take_all(self) -> str:
        """Take messages until there are no more; why that is."""
        received, begin = bytearray(), 0
        descriptor = self.process.answers.fileno()
        while chunk := os.read(descriptor, 1 << 18):
            received += chunk
            while (end := received.find(b"\0", begin)) >= 0:
                self._take(_read_message(received[:end]))
                del received[: end + 1]
                begin = 0
            begin = len(received)
            if begin > LONGEST_MESSAGE:
                return f"a page has more than {LONGEST_MESSAGE >> 20} MB to show"
        return "it has ended"

    def _take(self, message: dict[str, Any]) -> None:
        with (
            self.changed,
            contextlib.suppress(EnvironmentUnavailable),
        ):  # a handler may send to a browser that has just ended
            if "id" in message:
                if message["id"] in self._answers:
                    self._answers[message["id"]] = message
            elif session := message.get("sessionId"):
                if (handler := self.handlers.get(session)) is not None:
                    handler(message["method"], message["params"])
            else:
                for listener in list(self.listeners):
                    listener(message["method"], message["params"])
            self.changed.notify_all()


def _read_message(written: bytes | bytearray) -> dict[str, Any]:
    """The message; an answer that is nested too deep to be read becomes the error of its command."""
    try:
        return dict(json.loads(written))
    except RecursionError:
        id = re.match(rb'\{"id":(\d+)', written)
        return {"id": int(id[1]) if id else 0, "error": {"message": "what it answers is nested too deep"}}


def _result(message: dict[str, Any]) -> dict[str, Any] | CommandFailed:
    if "error" in message:
        return CommandFailed(str(message["error"].get("message", "")))
    return dict(message["result"])
