"""The learning curve, as a picture and in the terminal. Both libraries are optional and loaded at first use."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...domain.errors import GrokputerError
from .report import Point, Report, known, mean

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9")
"""One colour for each kind of feedback. Source: Okabe and Ito, distinct for colour-blind people too."""

RESET = "\033[0m"

INK, FAINT = "#222222", "#8A8A8A"


def draw_curve(report: Report, path: Path) -> None:
    """Write the picture, PNG: success on unseen and old tasks over rated episodes. Raises ``GrokputerError``."""
    _require("matplotlib")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    figure = Figure(figsize=(9, 5.2), layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12))
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    _frame(axes)
    ends = []
    for feedback, colour in zip(report.feedbacks, _cycle(COLOURS, report.feedbacks), strict=True):
        points = report.of(feedback)
        _line(axes, points, "old", colour)
        _line(axes, points, "unseen", colour)
        if shares := known(points[-1].unseen):
            ends.append((100 * mean(shares), mean(points[-1].rated), feedback, colour))
    _name_ends(axes, ends)
    _explain(axes, report)
    figure.savefig(path, dpi=160)


def _frame(axes: Axes) -> None:
    axes.set_ylim(0, 102)
    axes.set_yticks(range(0, 101, 20), [f"{share} %" for share in range(0, 101, 20)])
    axes.grid(axis="y", color="#E6E6E6", linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(FAINT)
    axes.tick_params(colors=INK, length=0, labelsize=10)
    axes.set_xlabel("rated episodes of feedback", color=INK, fontsize=11)
    axes.set_title("Tasks succeeded", loc="left", color=INK, fontsize=13, fontweight="bold", pad=12)


def _line(axes: Axes, points: Sequence[Point], group: str, colour: str) -> None:
    """The mean over the seeds, with their range as a band; hollow points where nothing was promoted."""
    present = [(point, shares) for point in points if (shares := known(getattr(point, group)))]
    if not present:
        return
    x = [mean(point.rated) for point, _ in present]
    y = [100 * mean(shares) for _, shares in present]
    is_old = group == "old"
    style: dict[str, Any] = {"linestyle": (0, (4, 3)), "linewidth": 1.4} if is_old else {"linewidth": 2.4}
    axes.plot(x, y, color=colour, alpha=0.75 if is_old else 1, **style)
    low, high = ([100 * pick(shares) for _, shares in present] for pick in (min, max))
    axes.fill_between(x, low, high, color=colour, alpha=0.08 if is_old else 0.15, linewidth=0)
    if not is_old:
        fills = [colour if not any(p.outcomes) or "promoted" in p.outcomes else "white" for p, _ in present]
        axes.scatter(x, y, s=36, c=fills, edgecolors=colour, linewidths=1.6, zorder=3)


def _name_ends(axes: Axes, ends: Sequence[tuple[float, float, str, str]]) -> None:
    """Each curve's name and last value beside it, moved apart where they would overlap."""
    height, taken = 5.0, -100.0
    for y, x, feedback, colour in sorted(ends):
        at = max(y, taken + height)
        taken = at
        text = f"{feedback}  {y:.0f} %"
        axes.annotate(
            text, (x, at), xytext=(12, 0), textcoords="offset points", color=colour, fontsize=11, va="center",
            fontweight="bold", annotation_clip=False,
        )  # fmt: skip


def _explain(axes: Axes, report: Report) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    seeds = max((len(point.seeds) for point in report.points), default=0)
    shown: list[Any] = [
        Line2D([], [], color=INK, linewidth=2.4, label="unseen tasks"),
        Line2D([], [], color=INK, linewidth=1.4, linestyle=(0, (4, 3)), label="old tasks"),
    ]
    if seeds > 1:
        shown.append(Patch(color=INK, alpha=0.15, linewidth=0, label=f"lowest to highest of {seeds} seeds"))
    if any(any(point.outcomes) and "promoted" not in point.outcomes for point in report.points):
        shown.append(
            Line2D([], [], color=INK, marker="o", markerfacecolor="white", linestyle="", label="nothing promoted")
        )
    axes.legend(
        handles=shown, loc="upper left", bbox_to_anchor=(0, -0.13), ncols=len(shown), frameon=False, fontsize=9.5,
        labelcolor=INK, borderaxespad=0, handlelength=2.2, columnspacing=1.8,
    )  # fmt: skip


def plot_curve(report: Report, width: int, has_colours: bool) -> str:
    """The curve as text, at most ``width`` columns wide; a kind of feedback is its first letter, lower case for old tasks.

    Raises ``GrokputerError``.
    """
    figure = _require("plotext").figure
    figure.clear()
    figure.theme("default" if has_colours else "colorless")
    figure.plot_size(min(width, 100), 24)
    figure.legend(active=False)
    for feedback in report.feedbacks:
        for group, mark in (("old", feedback[0].lower()), ("unseen", feedback[0].upper())):
            points = [
                (point.rated, shares) for point in report.of(feedback) if (shares := known(getattr(point, group)))
            ]
            if points:
                x, y = [mean(rated) for rated, _ in points], [100 * mean(shares) for _, shares in points]
                signal = figure.signal(x, y, marker=mark)
                signal.lines(len(points) > 1)
                figure.draw(signal)
    figure.ruler("y").lim(0, 100)
    ends = sorted({round(mean(point.rated)) for point in report.of(report.feedbacks[0])})
    figure.ruler("x").ticks(ends)
    figure.label("rated episodes of feedback", "x")
    figure.title("tasks succeeded, %")
    text = str(figure.build()).rstrip()
    names = ", ".join(f"{name[0].upper()} {name}" for name in report.feedbacks)
    return f"{text if has_colours else text.replace(RESET, '')}\n{names}; lower case: old tasks"


def _cycle(values: Sequence[str], over: Sequence[str]) -> list[str]:
    return [values[i % len(values)] for i in range(len(over))]


def _require(library: str) -> Any:
    try:
        return import_module(library)
    except ImportError:
        raise GrokputerError(
            f"{library} is not installed, and the curve needs it; pip install 'grokputer[bench]'"
        ) from None
