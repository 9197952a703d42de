"""The curves of a page: ratings as the trigger saw them, and what each look at a canary rested on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from ...projections.explain.history import History, Mark
from .chart import Chart, Flag, Line, draw, list_flags

FEWEST = 5
"""Ratings from which their mean is drawn; chosen: that of fewer jumps with each."""

TONES = {
    "AdapterPromoted": "good",
    "AdapterRolledBack": "bad",
    "AdapterRejected": "bad",
    "TrainingFailed": "bad",
    "RatingThresholdBreached": "warn",
    "RolloutPaused": "warn",
    "AlertRaised": "warn",
    "promote": "good",
    "roll back": "bad",
    "inconclusive": "warn",
}
"""How an event or a verdict is coloured."""

METRICS = {
    "success": ("Success", 0.0, 1.0, ((0.0, "0 %"), (0.5, "50 %"), (1.0, "100 %"))),
    "rating": ("Rating", 1.0, 5.0, ((1.0, "1"), (3.0, "3"), (5.0, "5"))),
    "health": ("Health: ended by itself", 0.0, 1.0, ((0.0, "0 %"), (0.5, "50 %"), (1.0, "100 %"))),
}
"""What the bars judge by: title, range and ticks."""


def say_moment(time: datetime) -> str:
    """The time to the minute, in UTC: a page is read anywhere."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def draw_ratings(history: History, anchors: Collection[int]) -> str:
    """Each rating, the mean of the window that the trigger looked at, its threshold, and what followed; empty without any."""
    given = history.ratings_given
    if not given:
        return ""
    shown = [it for it in history.means if it.count >= FEWEST]
    pieces = [[(it.position, it.mean) for it in of_one] for _, of_one in groupby(shown, key=lambda it: it.adapter)]
    thresholds = [(it.position, it.threshold) for it in history.means]
    dots = {arm: [(it.position, it.stars) for it in given if it.arm == arm] for arm in ("stable", "canary")}
    places = [*(it.position for it in given), *(it.position for it in history.marks)]
    window = history.state.policy.rating(history.role).window
    lines = [
        Line("a rating", "quiet", [dots["stable"]], is_dots=True),
        Line("of a canary's run", "c4", [dots["canary"]], is_dots=True),
        Line(f"mean of the live adapter's last {window}", "c1", pieces),
        Line("threshold", "c2", [thresholds], is_dashed=True),
    ]
    flags = [_flag(mark, TONES.get(mark.kind, ""), anchors) for mark in history.marks]
    chart = Chart(
        f"Ratings of role {history.role}", 1, 5, [(star, str(star)) for star in range(1, 6)],
        [line for line in lines if any(line.pieces)], flags, _ends(min(places), max(places)),
        span=(min(places), max(places)),
    )  # fmt: skip
    return draw(chart) + list_flags(flags)


def draw_looks(history: History, anchors: Collection[int]) -> str:
    """What each look at the canary rested on, after every event that changed it; empty where there was none."""
    tones = [TONES.get(verdict.verdict, "") for verdict in history.verdicts]
    flags = [_flag(mark, tone, anchors) for mark, tone in zip(history.looks_recorded, tones, strict=True)]
    points = [(it.position, it.verdict.numbers) for it in history.looks]
    points += [(mark.position, it.numbers) for mark, it in zip(history.looks_recorded, history.verdicts, strict=True)]
    points.sort(key=lambda it: it[0])
    if not points:
        return ""
    span = (points[0][0], max(points[-1][0], points[0][0] + 1))
    if any("evidence" in numbers for _, numbers in points):
        charts = [_evidence(points, flags, span)]
    else:
        charts = [chart for name in METRICS if (chart := _metric(name, points, flags, span)) is not None]
    return "".join(draw(chart) for chart in charts) + list_flags(flags)


Numbers = Sequence[tuple[int, dict[str, Any]]]
"""By position, the numbers of a verdict."""


def _evidence(points: Numbers, flags: Sequence[Flag], span: tuple[int, int]) -> Chart:
    """The e-values on a scale of factors, with what is needed to promote and to roll back."""
    names = {"success no worse": "c1", "rating no worse": "c3", "worse": "c2"}
    weighed = [(position, numbers) for position, numbers in points if "evidence" in numbers]
    lines = [
        Line(f"evidence for {name}", colour, [[(position, numbers["evidence"][name]) for position, numbers in weighed]])
        for name, colour in names.items()
    ]
    terms = weighed[-1][1]["terms"]
    bars: dict[float, list[str]] = {}
    for step in terms["ramp"]:
        bars.setdefault(step["evidence"], []).append(f"for {step['weight_percent']} %")
    bars.setdefault(terms["promote_at"], []).append("to promote")
    bars.setdefault(terms["roll_back_at"], []).append("to roll back")
    for bar, what in bars.items():
        lines.append(Line(f"{bar:g} {', '.join(what)}", "quiet", [[(x, bar) for x in span]], is_dashed=True))
    highest = max([*bars, *(y for line in lines for piece in line.pieces for _, y in piece)])
    ticks = [(10.0**power, f"{10**power:,}") for power in range(20) if 10**power <= 2 * highest]
    note = "What 1 staked on it, at odds that are fair if the opposite holds, has come to at the most so far."
    return Chart(
        "Evidence over the canary's runs", 0.9, 2 * highest, ticks, lines, flags, _ends(*span), True, note, span
    )


def _metric(name: str, points: Numbers, flags: Sequence[Flag], span: tuple[int, int]) -> Chart | None:
    """One figure of both arms and the bar it was held against; None where neither arm has it."""
    title, low, high, ticks = METRICS[name]
    canary = _pick(points, lambda it: (it.get("canary") or {}).get(name))
    stable = _pick(points, lambda it: (it.get("stable") or {}).get(name))
    bar = _pick(points, lambda it: (it.get("bars") or {}).get(name))
    if not canary and not stable:
        return None
    lines = [Line("canary", "c4", [canary]), Line("stable", "c1", [stable]), Line("bar", "c2", [bar], is_dashed=True)]
    return Chart(title, low, high, ticks, [line for line in lines if any(line.pieces)], flags, _ends(*span), span=span)


def _pick(points: Numbers, value: Callable[[dict[str, Any]], float | None]) -> list[tuple[float, float]]:
    return [(position, found) for position, numbers in points if (found := value(numbers)) is not None]


def _flag(mark: Mark, tone: str, anchors: Collection[int]) -> Flag:
    link = f"p{mark.position}" if mark.position in anchors else ""
    return Flag(mark.position, f"{mark.position}, {say_moment(mark.time)}: {mark.text}", tone, link)


def _ends(first: int, last: int) -> tuple[str, str]:
    return f"position {first}", f"position {last}"
