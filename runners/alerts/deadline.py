"""A time limit for a whole delivery: a library's own limits apply to single steps, and name look-ups have none."""

from __future__ import annotations

from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread

from ...domain.aggregates.alert import Failure

SLACK = 2
"""A step's own limit is this many times the whole limit: it never triggers first, but ends abandoned work."""


def within(limit_s: float, send: Callable[[], str | Failure]) -> str | Failure:
    """The result of ``send``, or a failure when it takes longer; then it continues alone and its result is dropped.

    Raises what ``send`` raises.
    """
    results: SimpleQueue[str | Failure | BaseException] = SimpleQueue()

    def run() -> None:
        try:
            results.put(send())
        except BaseException as error:
            results.put(error)

    Thread(target=run, daemon=True).start()
    try:
        answer = results.get(timeout=limit_s)
    except Empty:
        return Failure(f"no answer within {limit_s:g} s")
    if isinstance(answer, BaseException):
        raise answer
    return answer


def one_line(text: object) -> str:
    """An error as one printable line, at most 200 characters."""
    line = "".join(character if character.isprintable() else " " for character in str(text))
    return " ".join(line.split())[:200]
