"""Counting the questions that a program asks a log's database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from grokputer.runners.store.log import Log


class _Counted:
    """A connection that counts its statements."""

    def __init__(self, rows: Any, count: list[int]) -> None:
        self._rows, self._count = rows, count

    def execute(self, *statement: Any) -> Any:
        self._count[0] += 1
        return self._rows.execute(*statement)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rows, name)


def count_queries(log: Log, monkeypatch: pytest.MonkeyPatch, work: Callable[[], object]) -> int:
    """The number of statements by which the work reads the log."""
    count, reading = [0], log.database.reading

    @contextmanager
    def counted() -> Iterator[Any]:
        with reading() as rows:
            yield _Counted(rows, count)

    with monkeypatch.context() as patched:
        patched.setattr(log.database, "reading", counted)
        work()
    return count[0]
