"""Results that are dear to make from a log and that several people ask for at the same moment."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from ...store.log import Log

V = TypeVar("V")


@dataclass
class _Result(Generic[V]):
    lock: Lock = field(default_factory=Lock)
    made: list[V] = field(default_factory=list)
    """Empty before the result is made."""


class Kept(Generic[V]):
    """Results by key, at most ``most``, the newest used. Each is made once, also where several threads ask for it at a time."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._results: OrderedDict[Hashable, _Result[V]] = OrderedDict()
        self._choosing = Lock()

    def get(self, key: Hashable, make: Callable[[], V]) -> V:
        """The result of the key, which is made now where it is not kept. What ``make`` raises is not kept."""
        with self._choosing:
            result = self._results.setdefault(key, _Result())
            self._results.move_to_end(key)
            while len(self._results) > self._most:
                self._results.popitem(last=False)
        with result.lock:
            if not result.made:
                result.made.append(make())
            return result.made[0]


def moment_of(log: Log) -> tuple[Hashable, ...]:
    """The name of the present moment of the log, another one where another log is put in its place."""
    newest = log.newest(1)
    return log.label, *((newest[0].position, newest[0].event.reference) if newest else (0, ""))
