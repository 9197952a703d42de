"""Comparisons as they are printed: the list of them, and of one its figures, its tasks and its verdict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ....domain.ab.decision import count_pairs
from ....domain.events import ComparisonConcluded, ComparisonStarted
from ....projections.state.ratings import BASE
from ....projections.wording.sentences import short_id, short_text
from ..rendering import Column, as_time, print_json, print_line, print_table

if TYPE_CHECKING:
    from ...improvement.ab.results import ComparisonResult
    from ...store.log import Log


def show_list(log: Log, as_json: bool) -> bool:
    """Print all comparisons, the oldest first; returns whether there are any."""
    known: dict[UUID, dict[str, Any]] = {}
    for recorded in log.read(1, None, (ComparisonStarted.TOPIC, ComparisonConcluded.TOPIC)):
        event = recorded.event
        if isinstance(event, ComparisonStarted):
            known[event.originator_id] = {
                "comparison": event.originator_id.hex,
                "started": event.time.isoformat(),
                "a": event.a,
                "b": event.b,
                "tasks": list(event.tasks),
                "pairs": event.episodes * len(event.tasks),
                "verdict": None,
                "reason": None,
            }
        elif isinstance(event, ComparisonConcluded):
            known[event.originator_id] |= {"verdict": event.verdict, "reason": event.reason}
    if as_json:
        print_json(list(known.values()))
        return bool(known)
    rows = (
        (
            short_id(row["comparison"]),
            as_time(row["started"]),
            row["a"] or BASE,
            row["b"] or BASE,
            row["pairs"],
            f"{row['verdict']} ({row['reason']})" if row["verdict"] else "in progress",
            short_text(", ".join(row["tasks"]), 40),
        )
        for row in known.values()
    )
    columns = (
        Column("comparison"),
        Column("started", rank=2),
        Column("a"),
        Column("b"),
        Column("pairs", rank=1),
        Column("verdict", wraps=10),
        Column("tasks", rank=1, wraps=16),
    )
    print_table(columns, rows, "no comparisons yet; start one with 'grokputer ab base lora-v1 --tasks click-button'")
    return bool(known)


def report(log: Log, id: UUID, as_json: bool) -> None:
    """Print the comparison as its runs and their ratings are now."""
    from ...improvement.ab.results import load_result

    result = load_result(log, id)
    if as_json:
        print_json(_document(result))
    else:
        _print(result)


def _document(result: ComparisonResult) -> dict[str, Any]:
    started, concluded = result.started, result.concluded
    verdict = {"verdict": result.verdict.verdict, "reason": result.verdict.reason, "message": result.verdict.message}
    recorded = (
        {name: getattr(concluded, name) for name in ("verdict", "reason", "message", "up_to")} if concluded else None
    )
    return {
        "comparison": result.id.hex,
        "a": started.a,
        "b": started.b,
        "role": started.role,
        "tasks": list(started.tasks),
        "episodes": started.episodes,
        "seed": started.seed,
        "planned_pairs": result.design.pairs,
        "played_before": started.played_before,
        "up_to": result.up_to,
        **(verdict if concluded else {"verdict": None, "reason": None, "message": None}),
        "numbers": result.verdict.numbers,
        "concluded": recorded,
    }


def _print(result: ComparisonResult) -> None:
    numbers, started, concluded = result.verdict.numbers, result.started, result.concluded
    a, b = started.a or BASE, started.b or BASE
    print_table(
        ("", a, b, "difference", Column("95 %", wraps=8), Column("bar", wraps=8)), _figures(numbers), "no pairs yet"
    )
    columns = ("task", "pairs", a, b, "stars", "ms")
    if numbers["tasks"]:
        print_table(columns, (_task_row(task) for task in numbers["tasks"]))
    if numbers["latency_of"] != "all":
        print_line(f"latency of the {count_pairs(numbers['latency_ms']['pairs'])} that both did")
    if numbers["by_people"]:
        print_line(
            f"people rated both runs of {count_pairs(numbers['by_people'])}; the others have the reviewer's stars"
        )
    if result.left_out:
        print_line(
            f"{count_pairs(result.left_out)} left out: their runs lost the browser or met an error again and again"
        )
    if started.played_before:
        print_line(describe_played(started.played_before, result.design.pairs))
    if concluded is None:
        print_line(
            f"in progress: {len(result.pairs)} of {count_pairs(result.design.pairs)} done; the same command continues it"
        )
        return
    print_line(f"{b} in place of {a}: {result.verdict.verdict} ({result.verdict.reason})")
    print_line(result.verdict.message)
    if (concluded.verdict, concluded.reason) != (result.verdict.verdict, result.verdict.reason):
        print_line(f"before the latest ratings it was: {concluded.verdict} ({concluded.reason}): {concluded.message}")


def _figures(numbers: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """One row for each figure that was measured."""
    bars = numbers["bars"]
    measured = (
        ("success", numbers["success"], 100, 1, " %", f"+{bars['points']:g} points"),
        ("stars", numbers["stars"], 1, 2, "", f"or +{bars['stars']:g} stars"),
        ("latency", numbers["latency_ms"], 1, 0, " ms", f"under +{bars['latency_ms']:g} ms"),
    )
    return [
        (
            name,
            f"{figure['a'] * scale:.{digits}f}{unit}",
            f"{figure['b'] * scale:.{digits}f}{unit}",
            f"{figure['difference'] * scale:+.{digits}f}",
            f"{figure['low'] * scale:+.{digits}f} to {figure['high'] * scale:+.{digits}f}",
            bar,
        )
        for name, figure, scale, digits, unit, bar in measured
        if figure is not None
    ]


def _task_row(task: Mapping[str, Any]) -> tuple[Any, ...]:
    stars, latency = task["stars"], task["latency_ms"]
    return (
        task["task"],
        task["pairs"],
        *(f"{task['succeeded'][arm]}/{task['pairs']}" for arm in ("a", "b")),
        stars and f"{stars['a']:.1f} / {stars['b']:.1f}",
        latency and f"{latency['a']:.0f} / {latency['b']:.0f}",
    )


def describe_played(played: int, pairs: int) -> str:
    """A sentence that some pages were not fresh."""
    return f"{played} of the {pairs} pages were run before, so an adapter may have learnt them; give another --seed"
