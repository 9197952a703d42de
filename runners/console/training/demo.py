"""The demo on the command line: its parts, its progress, and the table of tasks before and after."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import typer

from ....domain.ab.intervals import wilson
from ....projections.bench import Count
from ...bench.demo import Score, plan_demo, run_demo, scores
from ...bench.desktop import plan_desktop
from ...bench.language import LanguageReport, plan_language, read_report
from ...bench.loop import Display
from ...bench.plan import Plan
from ..history.why import print_explanation
from ..progress import TrainingProgress
from ..rendering import as_text, print_line, print_table, say, show_share
from ..tables import wrap

if TYPE_CHECKING:
    from rich.console import Console

    from ...store.log import Log

FIRST = "lora-v1"
"""The adapter of a log's first cycle."""

T = TypeVar("T")


class Shown(Display):
    """The demo's progress on stderr: bars on a terminal, lines where it is piped."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.progress = TrainingProgress(console)

    def phase(self, title: str) -> None:
        """Print a heading."""
        self.console.print()
        self._print(title, "bold")

    def say(self, line: str) -> None:
        """Print a line under it."""
        self._print(f"  {line}")

    def track(self, items: Iterable[T], total: int, title: str) -> Iterable[T]:
        """The items, under a bar."""
        from rich.progress import track

        return track(items, f"  {title}", total, console=self.console)

    def _print(self, line: str, style: str = "") -> None:
        """Print the line; on a terminal wrapped between words, with further lines indented."""
        parts = wrap(line, self.console.width, "    ") if self.console.is_terminal else [line]
        for part in parts:
            self.console.print(as_text(part, style), soft_wrap=True)


def play(path: Path, seed: int, demo: Demo) -> None:
    """Run the demo on a fresh log at the path and print what it shows."""
    from rich.console import Console

    try:
        log = run_demo(path, demo.plan(seed), Shown(Console(stderr=True)))
    except KeyboardInterrupt:
        say(f"stopped; what was recorded is in {path}, and a new demo moves it aside")
        raise typer.Exit(130) from None
    demo.show(log)
    print_line(f"the log is {path}: see 'grokputer why {FIRST} --db {path}' and 'grokputer status --db {path}'")


def _print_scores(log: Log) -> None:
    """Print each task before and after."""
    task_scores = scores(log)
    print_table(("task", "kind", "before", "after"), [*map(_row, task_scores), *_totals(task_scores)])


def _print_scores_and_why(log: Log) -> None:
    """Print each task before and after, and why the adapter is live."""
    _print_scores(log)
    _print_why(log)


def _print_why(log: Log) -> None:
    """Print how the first adapter came to be live."""
    from ...explain.explanation import explain
    from ...store.states import load_state

    print_line("")
    print_explanation(log, explain(log, load_state(log), FIRST))
    print_line("")


def _row(score: Score) -> tuple[str, str, str, str]:
    return score.task, score.group, "{}/{}".format(*score.before), "{}/{}".format(*score.after)


def _totals(scores: Sequence[Score]) -> Iterable[tuple[str, str, str | None, str | None]]:
    for group in dict.fromkeys(score.group for score in scores):
        of_group = [score for score in scores if score.group == group]
        yield "all", group, _share([score.before for score in of_group]), _share([score.after for score in of_group])


def _share(counts: Sequence[tuple[int, int]]) -> str | None:
    runs = sum(total for _, total in counts)
    return show_share(sum(good for good, _ in counts) / runs) if runs else None


def _print_language(report: LanguageReport) -> None:
    """Print the successes by family, then their shares, then the tasks of several steps."""
    columns = ("family", "names before", "with 6", "after", "wordings before", "with 6", "after")
    print_table(columns, [(row.family, *map(_fraction, (*row.names, *row.wordings))) for row in report.families])
    print_line(f"known wordings, new names: {_shares(report.total.names)}")
    print_line(f"new wordings, new names:   {_shares(report.total.wordings)}")
    print_line("before: the base as it is; with 6: the base with six examples in the prompt; after: with the adapter")
    print_line("")
    print_line("tasks of several steps, which no feedback was about:")
    print_table(("family", "before", "after"), [(name, *map(_fraction, counts)) for name, *counts in report.steps])
    before, after = (sum(counts, Count()) for counts in zip(*(counts for _, *counts in report.steps), strict=True))
    print_line(f"all: {_interval(before)} before, {_interval(after)} after")
    print_line("")


def _fraction(count: Count) -> str:
    return f"{count.good}/{count.runs}"


def _shares(counts: Sequence[Count]) -> str:
    before, with_examples, after = map(_interval, counts)
    return f"{before} before, {with_examples} with 6 examples, {after} after"


def _interval(count: Count) -> str:
    """The share in per cent with its 95 % interval (Wilson)."""
    low, high = wilson(count.good, count.runs)
    return f"{100 * count.share:.0f} % ({100 * low:.0f}-{100 * high:.0f})"


@dataclass(frozen=True)
class Demo:
    """A demo: its plan of a seed, and what it shows of its log."""

    plan: Callable[[int], Plan]
    show: Callable[[Log], None]


PAGES = Demo(plan_demo, _print_scores)
"""The embedded model on web pages."""
LANGUAGE = Demo(plan_language, lambda log: _print_language(read_report(log)))
"""A language model in a shell."""
PROGRAMS = Demo(plan_desktop, _print_scores_and_why)
"""A language model that uses programs on a private desktop."""
