"""Progress of slow work: a bar on a terminal, a line for each part where stderr is piped. Always on stderr."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .rendering import as_text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bar

    from ...adapters.training.job import Progress


class TrainingProgress:
    """Called with the trainer's progress after each of its steps."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._bar: Bar | None = None

    def __call__(self, progress: Progress) -> None:
        """Show the step, the loss and the speed."""
        if self.console.is_terminal:
            self._advance(progress)
            return
        every = max(1, progress.total_steps // 10)
        if progress.step % every == 0 or progress.step == progress.total_steps:
            line = f"  step {progress.step} of {progress.total_steps}, loss {progress.loss:.3f}"
            self.console.print(as_text(line), soft_wrap=True)

    def _advance(self, progress: Progress) -> None:
        if self._bar is None:
            self._bar = self._new_bar(progress.total_steps)
            self._bar.start()
        self._bar.update(
            self._bar.task_ids[0],
            completed=progress.step,
            loss=f"loss {progress.loss:.3f}",
            speed=f"{progress.examples_per_s:.1f} examples/s" if progress.examples_per_s else "",
        )
        if progress.step == progress.total_steps:
            self._bar.stop()
            self._bar = None

    def _new_bar(self, total: int) -> Bar:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        columns = ("{task.description}", "{task.fields[loss]}", "{task.fields[speed]}")
        description, loss, speed = (TextColumn(column) for column in columns)
        bar = Bar(
            description, BarColumn(), MofNCompleteColumn(), loss, speed, TimeRemainingColumn(), console=self.console
        )
        bar.add_task("  training", total=total, loss="", speed="")
        return bar


class CountProgress:
    """Called with the number that is done, and the total."""

    name, what = "pairs", "pairs of runs"

    def __init__(self, console: Console) -> None:
        self.console = console
        self._bar: Bar | None = None

    def __call__(self, done: int, total: int) -> None:
        """Show the number that is done."""
        if not self.console.is_terminal:
            if done and done % max(1, total // 4) == 0:
                self.console.print(as_text(f"  {done} of {total} {self.what}"), soft_wrap=True)
            return
        if self._bar is None:
            if done == total:
                return
            from rich.progress import Progress as Bar

            self._bar = Bar(console=self.console)
            self._bar.add_task(f"  {self.name}", total=total)
            self._bar.start()
        self._bar.update(self._bar.task_ids[0], completed=done)
        if done == total:
            self.close()

    def close(self) -> None:
        """Remove the bar from the terminal, if there is one."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


class GateProgress(CountProgress):
    """Called with the number of the gate's runs or answers that are done, and the total."""

    name, what = "gate", "on held-out instances"


class ReplayProgress(CountProgress):
    """Called with the number of events that are folded, and the total. A log of fewer than ``LEAST`` events shows nothing."""

    name, what = "replay", "events"
    LEAST = 200_000

    def __call__(self, done: int, total: int) -> None:
        """Show the number of events that are folded, for a long log."""
        if total >= self.LEAST:
            super().__call__(done, total)
