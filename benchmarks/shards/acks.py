"""What gateways say that they stored, and how long each run took to be stored, counted and decided on."""

from __future__ import annotations

import os
import struct
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

FORM = struct.Struct("<16sHdf")


class Ack(NamedTuple):
    """A run that was stored, as its gateway knows it."""

    run: str
    """Its id, hex."""
    shard: int
    at: float
    """When it was safe on the disk, in seconds of the clock of all processes."""
    took_s: float
    """Since it was due."""


class AckFile:
    """Appends acknowledgements; each is with the system before the next run begins, so killing the process loses none."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def add(self, run: UUID, shard: int, at: float, took_s: float) -> None:
        """One more."""
        os.write(self._file, FORM.pack(run.bytes, shard, at, took_s))


def read_acks(paths: Iterable[Path]) -> list[Ack]:
    """All acknowledgements of the files, in the order of their time."""
    found = [
        Ack(run.hex(), shard, at, took)
        for path in paths
        for data in [path.read_bytes()]
        for run, shard, at, took in FORM.iter_unpack(data[: len(data) // FORM.size * FORM.size])
    ]
    return sorted(found, key=lambda ack: ack.at)


@dataclass(frozen=True)
class Spread:
    """Median, 99th of a hundred, and most, in the unit of the values; zeros without any."""

    median: float = 0.0
    p99: float = 0.0
    most: float = 0.0

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """The spread of the values."""
        known = sorted(values)
        if not known:
            return cls()
        return cls(known[len(known) // 2], known[int(len(known) * 0.99)], known[-1])


def times_file(lines: Iterable[str]) -> dict[int, float]:
    """From a position to the first time at which a process was done with it: lines of both, as the processes write them."""
    found = dict[int, float]()
    for line in lines:
        position, _, at = line.strip().partition(" ")
        if at:
            found.setdefault(int(position), float(at))
    return found


class Marks:
    """Times at which positions were passed."""

    def __init__(self, times: Mapping[int, float]) -> None:
        self._positions = sorted(times)
        self._earliest, soonest = list[float](), float("inf")
        for position in reversed(self._positions):
            soonest = min(soonest, times[position])
            self._earliest.append(soonest)
        self._earliest.reverse()

    def passed(self, position: int) -> float | None:
        """When the position, or a later one, was passed first; None where none was."""
        index = bisect_left(self._positions, position)
        return self._earliest[index] if index < len(self._positions) else None


def lags(acks: Sequence[Ack], positions: Mapping[str, int], passed: Sequence[Marks]) -> list[float]:
    """Seconds from each acknowledgement until its run's position in its shard was passed; ``passed`` is by shard."""
    found = list[float]()
    for ack in acks:
        position = positions.get(ack.run)
        at = passed[ack.shard].passed(position) if position is not None else None
        if at is not None:
            found.append(max(0.0, at - ack.at))
    return found
