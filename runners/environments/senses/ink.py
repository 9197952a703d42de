"""The ink of a line of text: where the pixels differ from the ground. It says exactly where words begin and end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy

    from .picture import Pixels

    Marks = numpy.ndarray[Any, numpy.dtype[numpy.bool_]]

CONTRAST = 0.3
"""Share of the greatest difference to the ground from which on a pixel is ink; chosen: the edge of a smoothed stroke."""


FRAME = 0.8
"""Share of a row's pixels from which on they are no letters but the edge of a frame; chosen."""


def find_ink(line: Pixels) -> Marks:
    """Which pixels of the line are ink, height x width; none where the line is of one colour."""
    import numpy

    grey = line.mean(axis=2)
    away = numpy.abs(grey - float(numpy.median(grey)))
    ink: Marks = away > CONTRAST * max(1.0, float(away.max()))
    ink[ink.mean(axis=1) > FRAME] = False
    return ink


def find_spans(ink: Marks, middles: Sequence[tuple[float, float]], reach: float) -> list[tuple[int, int]]:
    """Where each word of the line begins and ends, in columns of pixels from the left.

    ``middles`` are the middles of each word's first and last character, from left to right; ``reach`` is half a character's
    width. A word ends where the widest gap to the next one begins, and ``reach`` after its last middle where there is no gap.
    """
    import numpy

    columns: Marks = numpy.asarray(ink.any(axis=0))
    width = len(columns)
    spans = [[max(0.0, first - reach), min(float(width), last + reach)] for first, last in middles]
    for number in range(len(middles) + 1):
        low = 0 if number == 0 else _clip(middles[number - 1][1], width)
        high = width if number == len(middles) else _clip(middles[number][0], width)
        gap = _widest_gap(columns[low:high])
        if gap is None:
            continue
        if number > 0:
            spans[number - 1][1] = low + gap[0]
        if number < len(middles):
            spans[number][0] = low + gap[1]
    return [(round(left), max(round(left) + 1, round(right))) for left, right in spans]


def _clip(place: float, width: int) -> int:
    return max(0, min(width, round(place)))


def _widest_gap(columns: Marks) -> tuple[int, int] | None:
    """The longest run of columns without ink: its first, and the one after its last; None where there is none."""
    import numpy

    edges = numpy.flatnonzero(numpy.diff(numpy.concatenate(([True], columns, [True])).astype(numpy.int8)))
    runs = [(int(begin), int(end)) for begin, end in zip(edges[::2], edges[1::2], strict=True)]
    return max(runs, key=lambda run: run[1] - run[0], default=None)
