"""A limit on how long sending may take as a whole: a library's own limits are for each step, and a name look-up has none."""

from __future__ import annotations

from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread

from ...domain.aggregates.alert import Failure

SLACK = 2
"""A step's own limit is this many times the whole's: it never comes first, and ends what nobody waits for any more."""


def within(limit_s: float, send: Callable[[], str | Failure]) -> str | Failure:
    """What ``send`` returns, or a failure when it takes longer; then it ends on its own, and what it says is not heard.

    Raises what ``send`` raises.
    """
    said: SimpleQueue[str | Failure | BaseException] = SimpleQueue()

    def run() -> None:
        try:
            said.put(send())
        except BaseException as error:
            said.put(error)

    Thread(target=run, daemon=True).start()
    try:
        answer = said.get(timeout=limit_s)
    except Empty:
        return Failure(f"no answer within {limit_s:g} s")
    if isinstance(answer, BaseException):
        raise answer
    return answer


def one_line(text: object) -> str:
    """What an error says, as one printable line that is not too long for the log."""
    line = "".join(character if character.isprintable() else " " for character in str(text))
    return " ".join(line.split())[:200]
