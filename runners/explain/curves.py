"""The curves of a page: the ratings that the trigger used, and the numbers of each verdict on a canary."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from ...projections.explain.history import History, Mark
from .chart import Chart, Flag, Line, draw, list_flags

FEWEST = 5
"""Fewest ratings whose mean is drawn; chosen: a mean of fewer changes too much with each rating."""

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
"""The colour of an event or a verdict."""

METRICS = {
    "success": ("Success", 0.0, 1.0, ((0.0, "0 %"), (0.5, "50 %"), (1.0, "100 %"))),
    "rating": ("Rating", 1.0, 5.0, ((1.0, "1"), (3.0, "3"), (5.0, "5"))),
    "health": ("Health: ended by itself", 0.0, 1.0, ((0.0, "0 %"), (0.5, "50 %"), (1.0, "100 %"))),
}
"""The metrics of the bars: title, range and ticks."""


def say_moment(time: datetime) -> str:
    """The time to the minute, in UTC, because a page may be read anywhere."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def draw_ratings(history: History, anchors: Collection[int]) -> str:
    """Each rating, the mean of the trigger's window, its threshold, and later events; empty without ratings."""
    ratings = history.ratings_given
    if not ratings:
        return ""
    shown = [mean for mean in history.means if mean.count >= FEWEST]
    pieces = [
        [(mean.position, mean.mean) for mean in means] for _, means in groupby(shown, key=lambda mean: mean.adapter)
    ]
    thresholds = [(mean.position, mean.threshold) for mean in history.means]
    dots = {
        arm: [(rating.position, rating.stars) for rating in ratings if rating.arm == arm]
        for arm in ("stable", "canary")
    }
    places = [*(rating.position for rating in ratings), *(rating.position for rating in history.marks)]
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
    """The numbers of each verdict on the canary, after every event that changed them; empty where there are none."""
    tones = [TONES.get(verdict.verdict, "") for verdict in history.verdicts]
    flags = [_flag(mark, tone, anchors) for mark, tone in zip(history.looks_recorded, tones, strict=True)]
    points = [(look.position, look.verdict.numbers) for look in history.looks]
    points += [
        (mark.position, look.numbers) for mark, look in zip(history.looks_recorded, history.verdicts, strict=True)
    ]
    points.sort(key=lambda point: point[0])
    if not points:
        return ""
    span = (points[0][0], max(points[-1][0], points[0][0] + 1))
    if any("evidence" in numbers for _, numbers in points):
        charts = [_evidence(points, flags, span)]
    else:
        charts = [chart for name in METRICS if (chart := _metric(name, points, flags, span)) is not None]
    return "".join(draw(chart) for chart in charts) + list_flags(flags)


def draw_loss(points: Sequence[tuple[int, float]], steps: int) -> str:
    """The loss of a training after each of its steps that was recorded; empty before the first."""
    if not points:
        return ""
    highest = max(max(loss for _, loss in points), 0.1)
    ticks = [(highest * part, f"{highest * part:.2g}") for part in (0.0, 0.5, 1.0)]
    lines = [Line("loss", "c1", [points])]
    span = (0.0, float(max(steps, points[-1][0])))
    return draw(
        Chart("Loss over the steps", 0.0, highest, ticks, lines, ends=("step 0", f"step {span[1]:.0f}"), span=span)
    )


Numbers = Sequence[tuple[int, dict[str, Any]]]
"""The numbers of verdicts, with their positions."""


def _evidence(points: Numbers, flags: Sequence[Flag], span: tuple[int, int]) -> Chart:
    """The e-values on a logarithmic scale, with the bars for promotion and rollback."""
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
    for bar, labels in bars.items():
        lines.append(Line(f"{bar:g} {', '.join(labels)}", "quiet", [[(x, bar) for x in span]], is_dashed=True))
    highest = max([*bars, *(y for line in lines for piece in line.pieces for _, y in piece)])
    ticks = [(10.0**power, f"{10**power:,}") for power in range(20) if 10**power <= 2 * highest]
    note = "The largest wealth so far of a bet of 1 on it, at odds that are fair if the opposite is true."
    return Chart(
        "Evidence over the canary's runs", 0.9, 2 * highest, ticks, lines, flags, _ends(*span), True, note, span
    )


def _metric(name: str, points: Numbers, flags: Sequence[Flag], span: tuple[int, int]) -> Chart | None:
    """One metric of both arms, and its bar; None where neither arm has it."""
    title, low, high, ticks = METRICS[name]
    canary = _pick(points, lambda numbers: (numbers.get("canary") or {}).get(name))
    stable = _pick(points, lambda numbers: (numbers.get("stable") or {}).get(name))
    bar = _pick(points, lambda numbers: (numbers.get("bars") or {}).get(name))
    if not canary and not stable:
        return None
    lines = [Line("canary", "c4", [canary]), Line("stable", "c1", [stable]), Line("bar", "c2", [bar], is_dashed=True)]
    return Chart(title, low, high, ticks, [line for line in lines if any(line.pieces)], flags, _ends(*span), span=span)


def _pick(points: Numbers, value: Callable[[dict[str, Any]], float | None]) -> list[tuple[float, float]]:
    return [(position, number) for position, numbers in points if (number := value(numbers)) is not None]


def _flag(mark: Mark, tone: str, anchors: Collection[int]) -> Flag:
    link = f"p{mark.position}" if mark.position in anchors else ""
    return Flag(mark.position, f"{mark.position}, {say_moment(mark.time)}: {mark.text}", tone, link)


def _ends(first: int, last: int) -> tuple[str, str]:
    return f"position {first}", f"position {last}"
