"""What the loops of a benchmark came to, from their logs alone: a row for each kind of feedback and cycle, over its seeds."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...domain.ab.intervals import wilson
from ...domain.errors import LogError
from ...projections.bench import FEEDBACKS, GROUPS, Count, Learning
from ..store.log import Log

COLUMNS = ("feedback", "cycle", "unseen", "old", "rated", "corrected", "own", "training", "verdicts")

CAPTION = (
    "unseen, old: tasks succeeded, mean over the seeds (lowest to highest seed); rated: rated runs so far, those of canaries "
    "too; corrected: of them by the reviewer; own: by an own success in another try; training: minutes so far"
)


@dataclass(frozen=True)
class Point:
    """One kind of feedback after one cycle; each sequence has a value for each of the seeds."""

    feedback: str
    cycle: int
    seeds: Sequence[int]
    unseen: Sequence[float | None]
    """Share of the measured runs that succeeded, in [0, 1]; None where no such task was measured."""
    old: Sequence[float | None]
    rated: Sequence[int]
    """So far."""
    corrected: Sequence[int]
    own: Sequence[int]
    training_s: Sequence[float]
    outcomes: Sequence[str]
    """How the cycle ended; empty for cycle 0."""


@dataclass(frozen=True)
class TaskRow:
    """One task before any feedback and after the last cycle that all seeds of the feedback have, over its seeds."""

    feedback: str
    task: str
    group: str
    cycle: int
    before: Count
    after: Count


@dataclass(frozen=True)
class Report:
    """The benchmark's figures."""

    points: Sequence[Point]
    tasks: Sequence[TaskRow]

    @property
    def feedbacks(self) -> list[str]:
        """The kinds of feedback there are."""
        return list(dict.fromkeys(point.feedback for point in self.points))

    def of(self, feedback: str) -> list[Point]:
        """The points of one kind of feedback, by cycle."""
        return [point for point in self.points if point.feedback == feedback]


def read_learning(log: Log) -> Learning:
    """The log's fold."""
    learning = Learning()
    for recorded in log.read(1, None, Learning.TOPICS):
        learning.apply(recorded.event)
    return learning


def find_logs(paths: Iterable[Path]) -> list[Path]:
    """The logs themselves, and those in the folders. Raises ``LogError`` where there is none."""
    found: list[Path] = []
    for path in paths:
        inside = [path / "events.db", *sorted(path.glob("*/events.db"))] if path.is_dir() else [path]
        logs = [path for path in inside if path.exists()]
        if not logs:
            raise LogError(f"no log of a benchmark at {path}; give its folder, or one of its events.db")
        found += logs
    return found


def report(logs: Iterable[Path]) -> Report:
    """The figures of these logs. Raises ``LogError`` where one is not a loop's."""
    by_feedback: dict[str, dict[int, Learning]] = {}
    for path in logs:
        learning = read_learning(Log.open(path))
        if not learning.plan:
            raise LogError(f"{path} holds no run of a benchmark yet; 'grokputer bench learn' makes some")
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
    """Group and name of each task that was measured, those to be learnt first."""
    return sorted(learning.cycles[0].tasks, key=lambda key: (GROUPS.index(key[0]), key[1]))


def measured_cycles(learning: Learning) -> range:
    """The cycles that were measured in full: as often as the base was before any feedback."""
    wanted = sum(count.runs for count in learning.cycles[0].tasks.values())
    full = 0
    while full < len(learning.cycles) and sum(task.runs for task in learning.cycles[full].tasks.values()) >= wanted > 0:
        full += 1
    return range(full)


def _point(feedback: str, cycle: int, by_seed: dict[int, Learning]) -> Point:
    those = {seed: it for seed, it in by_seed.items() if cycle in measured_cycles(it)}
    so_far = [learning.cycles[: cycle + 1] for learning in those.values()]
    shares = {
        group: [
            count.share if count.runs else None
            for learning in those.values()
            for count in [learning.cycles[cycle].group(group)]
        ]
        for group in GROUPS
    }
    return Point(
        feedback,
        cycle,
        tuple(those),
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


def point_rows(found: Report) -> list[tuple[str, ...]]:
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
        for point in found.points
    ]


def task_columns(found: Report) -> tuple[str, ...]:
    """The columns of the table by task."""
    return ("task", "kind", "before", *(f"{name}, cycle {found.of(name)[-1].cycle}" for name in found.feedbacks))


def task_rows(found: Report) -> list[tuple[str, ...]]:
    """The table by task, as text: successes over all seeds, with the 95 % interval of the share."""
    keys = dict.fromkeys((row.group, row.task) for row in found.tasks)
    by_key = {(row.feedback, row.group, row.task): row for row in found.tasks}
    rows = []
    for group, task in keys:
        those = [by_key.get((feedback, group, task)) for feedback in found.feedbacks]
        before = next(row.before for row in those if row is not None)
        rows.append((task, group, show_count(before), *(show_count(row.after) if row else "-" for row in those)))
    return rows


def mean(values: Sequence[float]) -> float:
    """Their mean, 0 of none."""
    return sum(values) / len(values) if values else 0.0


def known(values: Iterable[float | None]) -> list[float]:
    """Those that are not None."""
    return [value for value in values if value is not None]


def show_shares(shares: Sequence[float | None]) -> str:
    """Mean and range in per cent: ``69.4 % (66.1-74.0)``."""
    there = [100 * share for share in known(shares)]
    if not there:
        return "-"
    spread = f" ({min(there):.1f}-{max(there):.1f})" if len(there) > 1 else ""
    return f"{mean(there):.1f} %{spread}"


def show_count(count: Count) -> str:
    """Successes, runs and the share's interval: ``48/60 (68-88 %)``."""
    if not count.runs:
        return "-"
    low, high = wilson(count.good, count.runs)
    return f"{count.good}/{count.runs} ({100 * low:.0f}-{100 * high:.0f} %)"


def write_report(found: Report, folder: Path) -> None:
    """Write ``learning.json`` and ``learning.md`` into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "learning.json").write_text(json.dumps(as_document(found), indent=2) + "\n", encoding="utf-8")
    seeds = max((len(point.seeds) for point in found.points), default=0)
    parts = [
        f"# What feedback and training came to\n\nMade from the logs alone; {seeds} seed{'s' * (seeds != 1)}.",
        f"{_markdown(COLUMNS, point_rows(found))}\n\n{CAPTION}.",
        "![Success by rated episodes](learning.png)",
        f"{_markdown(task_columns(found), task_rows(found))}\n\nSuccesses of all seeds together, with the 95 % interval "
        "(Wilson) of the share.",
    ]
    (folder / "learning.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def as_document(found: Report) -> dict[str, Any]:
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
        for row in found.tasks
    ]
    return {"points": [vars(point) for point in found.points], "tasks": tasks}


def _count(count: Count) -> dict[str, Any]:
    return {
        "good": count.good,
        "runs": count.runs,
        "interval": [round(bound, 4) for bound in wilson(count.good, count.runs)],
    }


def _markdown(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in (columns, ["---"] * len(columns), *rows)]
    return "\n".join(lines)
