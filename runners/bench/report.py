"""The results of a benchmark's loops, from their logs alone: a row for each kind of feedback and cycle, over its seeds."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...domain.ab.intervals import wilson
from ...domain.errors import Hint, LogError
from ...projections.bench import FEEDBACKS, GROUPS, Count, Learning
from ..store.log import Log

COLUMNS = ("feedback", "cycle", "unseen", "old", "rated", "corrected", "own", "training", "verdicts")

CAPTION = (
    "unseen, old: tasks succeeded, mean over the seeds (lowest to highest seed); rated: rated runs so far, those of canaries "
    "too; corrected: of them by the reviewer; own: by a success of a retry; training: minutes so far"
)


@dataclass(frozen=True)
class Point:
    """One kind of feedback after one cycle; each sequence has a value for each seed."""

    feedback: str
    cycle: int
    seeds: Sequence[int]
    unseen: Sequence[float | None]
    """Share of the measured runs that succeeded, in [0, 1]; None where no such task was measured."""
    old: Sequence[float | None]
    rated: Sequence[int]
    """Rated runs so far."""
    corrected: Sequence[int]
    own: Sequence[int]
    training_s: Sequence[float]
    outcomes: Sequence[str]
    """The outcome of the cycle; empty for cycle 0."""


@dataclass(frozen=True)
class TaskRow:
    """One task before any feedback and after the last cycle that all seeds have, over its seeds."""

    feedback: str
    task: str
    group: str
    cycle: int
    before: Count
    after: Count


@dataclass(frozen=True)
class Report:
    """The results of a benchmark."""

    points: Sequence[Point]
    tasks: Sequence[TaskRow]

    @property
    def feedbacks(self) -> list[str]:
        """The kinds of feedback."""
        return list(dict.fromkeys(point.feedback for point in self.points))

    def of(self, feedback: str) -> list[Point]:
        """The points of one kind of feedback, by cycle."""
        return [point for point in self.points if point.feedback == feedback]


def read_learning(log: Log) -> Learning:
    """The fold of the log."""
    learning = Learning()
    for recorded in log.read(1, None, Learning.TOPICS):
        learning.apply(recorded.event)
    return learning


def find_logs(paths: Iterable[Path]) -> list[Path]:
    """The logs, and those in the folders. Raises ``LogError`` where there is none."""
    logs: list[Path] = []
    for path in paths:
        inside = [path / "events.db", *sorted(path.glob("*/events.db"))] if path.is_dir() else [path]
        present = [path for path in inside if path.exists()]
        if not present:
            raise LogError(f"no log of a benchmark at {path}; give its folder, or one of its events.db")
        logs += present
    return logs


def report(logs: Iterable[Path]) -> Report:
    """The results from these logs. Raises ``LogError`` where one is not a loop's."""
    by_feedback: dict[str, dict[int, Learning]] = {}
    for path in logs:
        learning = read_learning(Log.open(path))
        if not learning.plan:
            raise LogError(f"{path} holds no run of a benchmark yet", hint=Hint.RUN_BENCH)
        if by_feedback.setdefault(learning.plan, {}).setdefault(learning.seed, learning) is not learning:
            raise LogError(f"{path} is a second log of {learning.plan} with seed {learning.seed}; give one of them")
    points: list[Point] = []
    tasks: list[TaskRow] = []
    for feedback in sorted(by_feedback, key=_place):
        seeds = dict(sorted(by_feedback[feedback].items()))
        most = max(len(measured_cycles(seed)) for seed in seeds.values())
        points += [_point(feedback, cycle, seeds) for cycle in range(most)]
        tasks += _task_rows(feedback, list(seeds.values()))
    return Report(points, tasks)


def _place(feedback: str) -> tuple[int, str]:
    return (FEEDBACKS.index(feedback) if feedback in FEEDBACKS else len(FEEDBACKS), feedback)


def measured_tasks(learning: Learning) -> list[tuple[str, str]]:
    """Group and name of each measured task, those to learn first."""
    place = {group: number for number, group in enumerate(GROUPS)}
    return sorted(learning.cycles[0].tasks, key=lambda key: (place.get(key[0], len(place)), *key))


def measured_cycles(learning: Learning) -> range:
    """The completely measured cycles: with as many runs as before any feedback."""
    needed = sum(count.runs for count in learning.cycles[0].tasks.values())
    full = 0
    while full < len(learning.cycles) and sum(task.runs for task in learning.cycles[full].tasks.values()) >= needed > 0:
        full += 1
    return range(full)


def _point(feedback: str, cycle: int, by_seed: dict[int, Learning]) -> Point:
    measured = {seed: learning for seed, learning in by_seed.items() if cycle in measured_cycles(learning)}
    so_far = [learning.cycles[: cycle + 1] for learning in measured.values()]
    shares = {
        group: [
            count.share if count.runs else None
            for learning in measured.values()
            for count in [learning.cycles[cycle].group(group)]
        ]
        for group in GROUPS
    }
    return Point(
        feedback,
        cycle,
        tuple(measured),
        shares["unseen"],
        shares["old"],
        rated=[sum(len(cycle.rated) for cycle in cycles) for cycles in so_far],
        corrected=[sum(cycle.corrected("human", "reviewer", "teacher") for cycle in cycles) for cycles in so_far],
        own=[sum(cycle.corrected("retry") for cycle in cycles) for cycles in so_far],
        training_s=[sum(cycle.training_s for cycle in cycles) for cycles in so_far],
        outcomes=[cycles[-1].outcome for cycles in so_far],
    )


def _task_rows(feedback: str, learnings: Sequence[Learning]) -> list[TaskRow]:
    last = min(len(measured_cycles(learning)) for learning in learnings) - 1
    if last < 0:
        return []
    rows = []
    for group, task in measured_tasks(learnings[0]):
        before, after = (
            sum((learning.cycles[cycle].tasks.get((group, task), Count()) for learning in learnings), Count())
            for cycle in (0, last)
        )
        rows.append(TaskRow(feedback, task, group, last, before, after))
    return rows


def point_rows(figures: Report) -> list[tuple[str, ...]]:
    """The table by cycle, as text, under ``COLUMNS``."""
    return [
        (
            point.feedback,
            str(point.cycle),
            show_shares(point.unseen),
            show_shares(point.old),
            f"{mean(point.rated):.0f}",
            f"{mean(point.corrected):.0f}",
            f"{mean(point.own):.0f}",
            f"{mean(point.training_s) / 60:.1f}",
            ", ".join(f"{word} {count}" for word, count in Counter(filter(None, point.outcomes)).items()) or "-",
        )
        for point in figures.points
    ]


def task_columns(figures: Report) -> tuple[str, ...]:
    """The columns of the table by task."""
    return ("task", "kind", "before", *(f"{name}, cycle {figures.of(name)[-1].cycle}" for name in figures.feedbacks))


def task_rows(figures: Report) -> list[tuple[str, ...]]:
    """The table by task, as text: successes over all seeds, with the 95 % interval of the share."""
    keys = dict.fromkeys((row.group, row.task) for row in figures.tasks)
    by_key = {(row.feedback, row.group, row.task): row for row in figures.tasks}
    rows = []
    for group, task in keys:
        cells = [by_key.get((feedback, group, task)) for feedback in figures.feedbacks]
        before = next(row.before for row in cells if row is not None)
        rows.append((task, group, show_count(before), *(show_count(row.after) if row else "-" for row in cells)))
    return rows


def mean(values: Sequence[float]) -> float:
    """The mean; 0 without values."""
    return sum(values) / len(values) if values else 0.0


def known(values: Iterable[float | None]) -> list[float]:
    """The values that are not None."""
    return [value for value in values if value is not None]


def show_shares(shares: Sequence[float | None]) -> str:
    """Mean and range in per cent: ``69.4 % (66.1-74.0)``."""
    percents = [100 * share for share in known(shares)]
    if not percents:
        return "-"
    spread = f" ({min(percents):.1f}-{max(percents):.1f})" if len(percents) > 1 else ""
    return f"{mean(percents):.1f} %{spread}"


def show_count(count: Count) -> str:
    """Successes, runs and the interval of the share: ``48/60 (68-88 %)``."""
    if not count.runs:
        return "-"
    low, high = wilson(count.good, count.runs)
    return f"{count.good}/{count.runs} ({100 * low:.0f}-{100 * high:.0f} %)"


def write_report(figures: Report, folder: Path) -> None:
    """Write ``learning.json`` and ``learning.md`` into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "learning.json").write_text(json.dumps(as_document(figures), indent=2) + "\n", encoding="utf-8")
    seeds = max((len(point.seeds) for point in figures.points), default=0)
    services = [
        f"# The effect of feedback and training\n\nMade from the logs alone; {seeds} seed{'s' * (seeds != 1)}.",
        f"{_markdown(COLUMNS, point_rows(figures))}\n\n{CAPTION}.",
        "![Success by rated episodes](learning.png)",
        f"{_markdown(task_columns(figures), task_rows(figures))}\n\nSuccesses of all seeds together, with the 95 % interval "
        "(Wilson) of the share.",
    ]
    (folder / "learning.md").write_text("\n\n".join(services) + "\n", encoding="utf-8")


def as_document(figures: Report) -> dict[str, Any]:
    """The figures as JSON."""
    tasks = [
        {
            "feedback": row.feedback,
            "task": row.task,
            "group": row.group,
            "cycle": row.cycle,
            "before": _count(row.before),
            "after": _count(row.after),
        }
        for row in figures.tasks
    ]
    return {"points": [vars(point) for point in figures.points], "tasks": tasks}


def _count(count: Count) -> dict[str, Any]:
    return {
        "good": count.good,
        "runs": count.runs,
        "interval": [round(bound, 4) for bound in wilson(count.good, count.runs)],
    }


def _markdown(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in (columns, ["---"] * len(columns), *rows)]
    return "\n".join(lines)
