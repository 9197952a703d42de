"""Charts as HTML: shapes in a stretched SVG, texts beside it, readable at any width and on paper.

All text is escaped here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ...projections.wording.escaping import escape_html

Points = Sequence[tuple[float, float]]

LEVELS = 6
"""Most rows of numbers above a chart."""
LEAST_APART = 5.0
"""Least distance between two numbers on one row, per cent of the width; chosen: a number's width on a phone."""


@dataclass(frozen=True)
class Line:
    """A named curve of one or more pieces."""

    name: str
    colour: str
    """``c1`` to ``c4``, or ``quiet``."""
    pieces: Sequence[Points]
    is_dashed: bool = False
    is_dots: bool = False


@dataclass(frozen=True)
class Flag:
    """A numbered event, explained below the chart."""

    x: float
    text: str
    tone: str = ""
    """``good``, ``bad``, ``warn`` or empty."""
    link: str = ""
    """The id of an element of the page with more details."""


@dataclass(frozen=True)
class Chart:
    """The content of a chart. ``x`` are positions in the log."""

    title: str
    low: float
    high: float
    ticks: Sequence[tuple[float, str]]
    lines: Sequence[Line]
    flags: Sequence[Flag] = ()
    ends: tuple[str, str] = ("", "")
    """The labels under both ends of the axis."""
    is_log: bool = False
    note: str = ""
    span: tuple[float, float] = field(default=(0.0, 0.0))
    """The axis from left to right; where both are equal, the range of the points."""


def draw(chart: Chart) -> str:
    """The chart as a figure."""
    left, right = chart.span if chart.span[0] < chart.span[1] else _span(chart.lines)

    def across(x: float) -> float:
        return 100 * (x - left) / (right - left)

    def down(y: float) -> float:
        low, high, y = (
            math.log(value) if chart.is_log else value for value in (chart.low, chart.high, max(y, chart.low))
        )
        return 100 * (1 - (min(y, high) - low) / (high - low))

    grid = "".join(f'<path class="grid" d="M0 {down(y):.2f}H100"/>' for y, _ in chart.ticks)
    uprights = "".join(f'<path class="flag {flag.tone}" d="M{across(flag.x):.2f} 0V100"/>' for flag in chart.flags)
    curves = "".join(
        _curve(line, [(across(x), down(y)) for x, y in piece]) for line in chart.lines for piece in line.pieces
    )
    labels = "".join(
        f'<span class="tick" style="top:{down(y):.2f}%">{escape_html(label)}</span>' for y, label in chart.ticks
    )
    key = "".join(
        f'<li><i class="{line.colour}{" dashed" if line.is_dashed else ""}{" dots" if line.is_dots else ""}"></i>'
        f"{escape_html(line.name)}</li>"
        for line in chart.lines
        if line.name
    )
    numbers, rows = _numbers([across(flag.x) for flag in chart.flags], chart.flags)
    note = f'<p class="note">{escape_html(chart.note)}</p>' if chart.note else ""
    return (
        f'<figure><figcaption><h3>{escape_html(chart.title)}</h3><ul class="key">{key}</ul></figcaption>{note}'
        f'<div class="plot" style="--rows:{rows}">{labels}{numbers}'
        f'<svg viewBox="0 0 100 100" preserveAspectRatio="none" role="img" aria-label="{escape_html(chart.title)}">'
        f"{grid}{uprights}{curves}</svg></div>"
        f'<p class="ends"><span>{escape_html(chart.ends[0])}</span><span>{escape_html(chart.ends[1])}</span></p></figure>'
    )


def list_flags(flags: Sequence[Flag]) -> str:
    """The explanations of the numbers."""
    items = []
    for number, flag in enumerate(flags, 1):
        text = (
            f'<a href="#{escape_html(flag.link)}">{escape_html(flag.text)}</a>' if flag.link else escape_html(flag.text)
        )
        items.append(f'<li><b class="{flag.tone}">{number}</b><span>{text}</span></li>')
    return f'<ol class="flags">{"".join(items)}</ol>' if items else ""


def _span(lines: Iterable[Line]) -> tuple[float, float]:
    xs = [x for line in lines for piece in line.pieces for x, _ in piece] or [0.0]
    left, right = min(xs), max(xs)
    return (left, right) if left < right else (left - 1, right + 1)


def _curve(line: Line, points: Points) -> str:
    dashed = " dashed" if line.is_dashed else ""
    if line.is_dots or len(points) == 1:
        # A line of length zero with round ends stays a circle however the picture is stretched.
        dots = "".join(f"M{x:.2f} {y:.2f}h0" for x, y in points)
        return f'<path class="{line.colour} {"dots" if line.is_dots else "dot"}" d="{dots}"/>'
    path = " ".join(f"{x:.2f} {y:.2f}" for x, y in points)
    return f'<path class="{line.colour}{dashed}" d="M{path}"/>' if points else ""


def _numbers(places: Sequence[float], flags: Sequence[Flag]) -> tuple[str, int]:
    """The numbers over the chart, on as few rows as keep them apart, and the number of rows.

    Where no row has space, a number joins the one before it: ``7-9``.
    """
    ends = [-100.0] * LEVELS
    labels: list[_Label] = []
    for number, (x, flag) in enumerate(zip(places, flags, strict=True), 1):
        level = next((row for row, end in enumerate(ends) if x - end >= LEAST_APART), None)
        if level is None:
            label = labels[-1]
            label.last = number
            label.tones.add(flag.tone)
        else:
            label = _Label(x, level, number, number, {flag.tone})
            labels.append(label)
        ends[label.level] = x
    return "".join(str(label) for label in labels), sum(end > -100 for end in ends)


@dataclass
class _Label:
    """A number over the chart, or several consecutive ones."""

    x: float
    level: int
    first: int
    last: int
    tones: set[str]

    def __str__(self) -> str:
        tone = next(iter(self.tones)) if len(self.tones) == 1 else ""
        text = f"{self.first}" if self.first == self.last else f"{self.first}-{self.last}"
        return f'<b class="{tone}" style="left:{self.x:.2f}%;--row:{self.level}">{text}</b>'
