"""The demo on the command line: its parts, its progress, and the table of tasks before and after."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ...bench.demo import Score, plan_demo, run_demo
from ...bench.loop import Display
from ..progress import TrainingProgress
from ..rendering import as_text, print_line, print_table, show_share

if TYPE_CHECKING:
    from rich.console import Console

T = TypeVar("T")


class Shown(Display):
    """The demo's progress on stderr: bars on a terminal, lines where it is piped."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.progress = TrainingProgress(console)

    def phase(self, title: str) -> None:
        """Print a heading."""
        self.console.print()
        self.console.print(as_text(title, "bold"), soft_wrap=True)

    def say(self, line: str) -> None:
        """Print a line under it."""
        self.console.print(as_text(f"  {line}"), soft_wrap=True)

    def track(self, items: Iterable[T], total: int, title: str) -> Iterable[T]:
        """The items, under a bar."""
        from rich.progress import track

        return track(items, f"  {title}", total, console=self.console)


def play(path: Path, seed: int) -> None:
    """Run the demo on a fresh log at the path and print its table."""
    from rich.console import Console

    scores = run_demo(path, plan_demo(seed), Shown(Console(stderr=True)))
    print_table(("task", "kind", "before", "after"), [*map(_row, scores), *_totals(scores)])
    print_line(f"the log is {path}: see 'grokputer why lora-v1 --db {path}' and 'grokputer status --db {path}'")


def _row(score: Score) -> tuple[str, str, str, str]:
    return score.task, score.group, "{}/{}".format(*score.before), "{}/{}".format(*score.after)


def _totals(scores: Sequence[Score]) -> Iterable[tuple[str, str, str | None, str | None]]:
    for group in ("unseen", "old"):
        of_group = [score for score in scores if score.group == group]
        yield "all", group, _share([score.before for score in of_group]), _share([score.after for score in of_group])


def _share(counts: Sequence[tuple[int, int]]) -> str | None:
    runs = sum(total for _, total in counts)
    return show_share(sum(good for good, _ in counts) / runs) if runs else None
