"""Lineage: the tree of events behind an adapter, from the low ratings to the decision and its consequences.

Every node is an event of the log. The events of one training, adapter or rollout are children of its first event. The first
event is a child of its cause. One node above the breach sums up the ratings of its window.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from ...domain.aggregates.alert import alert_id, notice_of
from ...domain.aggregates.role import role_id
from ...domain.aggregates.rollout import rollout_id
from ...domain.events import (
    AdapterPromoted,
    AdapterRegistered,
    ComparisonStarted,
    CorrectionWithdrawn,
    CycleClosed,
    DatasetBuilt,
    Event,
    HeldOutJudged,
    PolicyChanged,
    RatingThresholdBreached,
    TaskCorrected,
    TaskRated,
    TrainingCompleted,
    TrainingRequested,
)
from ...domain.rules.cost import Prices
from ...domain.settings.settings import Policy
from ..state.ratings import Ratings
from ..state.state import counts_imported
from ..wording.sentences import count
from ..wording.words import ERASED, reveal
from .tree import Lookup, Node, Placed, node_of

SOURCES = {"human": "correction"}
"""The names that datasets give to sources of corrections, where the two names differ."""

Withdrawals = Mapping[str, Sequence[tuple[int, CorrectionWithdrawn]]]
"""The withdrawals of a run's corrections, each with its position, by the run's hex id."""


def trace(log: Lookup, adapter: UUID) -> list[Node]:
    """The roots of the adapter's tree: the ratings or the request that began its cycle.

    After them come comparisons by hand and, where the adapter was replaced, its replacement.
    """
    registered = next(placed.event for placed in log.history(adapter) if isinstance(placed.event, AdapterRegistered))
    training = log.history(UUID(registered.training))
    requested = next(placed.event for placed in training if isinstance(placed.event, TrainingRequested))
    opening = _opening(log, requested)
    events = [
        *([opening] if opening is not None else []),
        *training,
        *log.history(adapter),
        *log.history(rollout_id(adapter)),
        *([] if opening is None else _closing(log, registered.role, opening)),
    ]
    events += [about for placed in events for about in _alert(log, placed.event)]
    roots = _nest(log, sorted(events, key=lambda placed: placed.position))
    if opening is not None and isinstance(opening.event, RatingThresholdBreached):
        roots[0] = _ratings(log, opening.event, roots[0])
    return [*roots, *_comparisons(log, registered.adapter), *_replacement(log, registered)]


def _opening(log: Lookup, requested: TrainingRequested) -> Placed | None:
    """The event that opened the cycle: a breach, or a person's request."""
    position = log.position_of(requested.caused_by) if requested.caused_by is not None else None
    return None if position is None else log.at(position)


def _closing(log: Lookup, role: str, opening: Placed) -> list[Placed]:
    """The event that closed the cycle, if any: the first ``CycleClosed`` after the opening."""
    closings = (placed for placed in log.history(role_id(role)) if isinstance(placed.event, CycleClosed))
    return [placed for placed in closings if placed.position > opening.position][:1]


def _alert(log: Lookup, event: Event) -> Sequence[Placed]:
    """The events of the alert that the event raised."""
    notice = notice_of(event)
    return [] if notice is None else log.history(alert_id(event.reference, notice.kind, notice.role))


def _nest(log: Lookup, events: Sequence[Placed]) -> list[Node]:
    """The events as nodes: each aggregate's first under its cause, the others under that first one."""
    roots: list[Node] = []
    firsts: dict[UUID, Node] = {}
    by_position: dict[int, Node] = {}
    for placed in events:
        node = node_of(log, placed)
        if isinstance(placed.event, DatasetBuilt):
            node.children = _sources(log, placed.position, placed.event)
        if isinstance(placed.event, TrainingCompleted):
            _charge(log, placed.event, node)
        if isinstance(placed.event, HeldOutJudged):
            node.children = _measured(log, placed.position, placed.event)
        parent = firsts.setdefault(placed.event.originator_id, node)
        if parent is node or isinstance(placed.event, CycleClosed):
            parent = by_position.get(node.caused_by or 0, node)
        (parent.children if parent is not node else roots).append(node)
        by_position[placed.position] = node
    return roots


def _ratings(log: Lookup, breach: RatingThresholdBreached, node: Node) -> Node:
    """The ratings in the breach's window, from the fold that the rule judged, with the breach as last child."""
    fold = Ratings()
    rated: dict[int, Placed] = {}
    for placed in log.read(breach.first_position, breach.last_position, (TaskRated.TOPIC,)):
        fold.apply(placed.position, placed.event)
        rated[placed.position] = placed
    with_imported = counts_imported(_policy_at(log, node.position), breach.role, breach.adapter)
    window = fold.window(breach.role, breach.adapter, breach.count, with_imported=with_imported)
    children: list[Node] = []
    stars_by: dict[str, list[int]] = {}
    for position, stars in window.ratings:
        event = rated[position].event
        assert isinstance(event, TaskRated)
        child = node_of(log, rated[position])
        rater = child.actor if child.actor != ERASED else f"{ERASED[:-1]} {event.actor[7:11]})"
        stars_by.setdefault(f"{rater} ({event.source})", []).append(stars)
        child.data["run"] = event.originator_id.hex
        children.append(child)
    by_rater = {
        rater: {"count": len(given), "mean": round(sum(given) / len(given), 4)} for rater, given in stars_by.items()
    }
    data = {
        "count": len(window.ratings),
        "mean": round(window.mean, 4),
        "first_position": breach.first_position,
        "last_position": breach.last_position,
        "by_rater": by_rater,
    }
    raters = ", ".join(
        f"{rater} {figures['count']} of mean {figures['mean']:.2f}" for rater, figures in by_rater.items()
    )
    span = f"at positions {breach.first_position} to {breach.last_position}"
    text = f"{len(window.ratings)} ratings, mean {window.mean:.2f}, {span}: {raters}"
    return Node("Ratings", breach.last_position, text, data, children=[*children, node])


def _sources(log: Lookup, position: int, built: DatasetBuilt) -> list[Node]:
    """One node per source of the dataset's examples, with the runs of the examples."""
    manifest = log.get_content(built.manifest)
    if manifest is None:
        return [Node("Source", position, "which runs they came from was erased", {})]
    examples: dict[str, dict[str, int]] = {}
    for row in read_manifest(manifest)["examples"]:
        runs = examples.setdefault(row["source"], {})
        runs[row["run"]] = runs.get(row["run"], 0) + 1
    nodes, withdrawals = [], find_withdrawals(log)
    for source, runs in sorted(examples.items()):
        positions = log.positions_of([f"{UUID(run)}/1" for run in runs if run])
        starts = {run: positions[f"{UUID(run)}/1"] for run in runs if run}
        named = ", ".join(
            f"{run[:8]} at {begin}" for run, begin in sorted(starts.items(), key=lambda item: item[1] or 0)
        )
        text = f"{source}: {count(sum(runs.values()), 'example')}"
        brief = text + (f" from {count(len(starts), 'run')}" if starts else "")
        text = brief + (f": {named}" if starts else "")
        withdrawn = [run for run in starts if withdrawn_after(withdrawals, run, source, position)]
        since = f"; withdrawn since: {', '.join(run[:8] for run in withdrawn)}" if withdrawn else ""
        brief, text = brief + since, text + since
        data = {
            "source": source,
            "examples": sum(runs.values()),
            "runs": [{"run": run, "position": begin, "examples": runs[run]} for run, begin in starts.items()],
        }
        nodes.append(Node("Source", position, text, data, brief=brief))
    return nodes


def read_manifest(text: str) -> dict[str, Any]:
    """The contents of a dataset: ``examples``, and in newer datasets ``held_out`` and ``imports``."""
    manifest: Any = json.loads(text)
    return (
        manifest if isinstance(manifest, dict) else {"examples": manifest}
    )  # the first manifests were lists of examples


def _charge(log: Lookup, completed: TrainingCompleted, node: Node) -> None:
    """Add the cost of the training, at the prices in force when it was completed."""
    cost = Prices.of(_policy_at(log, node.position)).of_training(completed)
    node.text += f", about {cost}"
    node.data["cost"] = cost.to_json()


def _policy_at(log: Lookup, position: int) -> Policy:
    """The settings in force at the position."""
    changes = (placed.event for placed in log.read(1, position, (PolicyChanged.TOPIC,)))
    changed: dict[str, Any] = {}
    for event in changes:
        if isinstance(event, PolicyChanged):
            event.bring_up(changed)
    return Policy(changed)


def _measured(log: Lookup, position: int, judged: HeldOutJudged) -> list[Node]:
    """One node for the held-out failures and one for the held-out successes, with the runs of both arms."""
    measured = log.get_content(judged.measured)
    if measured is None:
        return [Node("HeldOut", position, "which runs it was judged by was erased", {})]
    nodes = []
    for side in ("failed", "worked"):
        rows = [row for row in json.loads(measured) if row["outcome"] == side]
        played = [row for row in rows if row["by"] == "runs"]
        begins = log.positions_of([f"{UUID(row[arm])}/1" for row in played for arm in ("adapter", "parent")])
        runs = [
            {
                **row,
                "position": begins[f"{UUID(row['adapter'])}/1"],
                "parent_position": begins[f"{UUID(row['parent'])}/1"],
            }
            for row in played
        ]
        losses = [row for row in rows if row["by"] == "loss"]
        kinds = []
        if runs:
            positions = [run[arm] for run in runs for arm in ("position", "parent_position") if run[arm]]
            kinds.append(
                f"{count(len(runs), 'instance')} done again by both, from {min(positions)} to {max(positions)}"
            )
        if losses:
            kinds.append(f"{count(len(losses), 'instance')} scored by the loss on the right answers")
        if screens := [row for row in rows if row["by"] == "lines"]:
            kinds.append(f"{count(len(screens), 'instance')} whose screens both read")
        if rows:
            text = f"{'held-out failures' if side == 'failed' else 'what worked'}: {', '.join(kinds)}"
            nodes.append(Node("HeldOut", position, text, {"outcome": side, "runs": runs, "losses": losses}))
    return nodes


def _comparisons(log: Lookup, adapter: str) -> list[Node]:
    """The comparisons by hand with the adapter as an arm, each with its conclusion."""
    started = log.read(1, None, (ComparisonStarted.TOPIC,))
    ids = [
        placed.event.originator_id
        for placed in started
        if isinstance(placed.event, ComparisonStarted) and adapter in (placed.event.a, placed.event.b)
    ]
    return [node for id in ids for node in _nest(log, log.history(id))]


def _replacement(log: Lookup, registered: AdapterRegistered) -> list[Node]:
    for placed in log.read(1, None, (AdapterPromoted.TOPIC,)):
        event = placed.event
        if isinstance(event, AdapterPromoted) and event.replaced == registered.adapter:
            node = node_of(log, placed)
            node.text = f"replaced by {event.adapter}"
            return [node]
    return []


def find_withdrawals(log: Lookup) -> Withdrawals:
    """All withdrawals in the log, with names of people in words."""
    withdrawals: dict[str, list[tuple[int, CorrectionWithdrawn]]] = {}
    for placed in log.read(1, None, (CorrectionWithdrawn.TOPIC,)):
        if isinstance(placed.event, CorrectionWithdrawn):
            event = reveal(placed.event, log.get_content)
            withdrawals.setdefault(event.originator_id.hex, []).append((placed.position, event))
    return withdrawals


def withdrawn_after(
    withdrawals: Withdrawals, run: str, source: str, position: int
) -> tuple[int, CorrectionWithdrawn] | None:
    """The first withdrawal after the position that concerns the run's examples of this source; None without one."""
    for at, event in withdrawals.get(run, ()):
        if at > position and SOURCES.get(event.source, event.source) == source:
            return at, event
    return None


def trace_corrections(log: Lookup, run: UUID) -> list[Node]:
    """A node for each correction of the run, and below it its withdrawal."""
    nodes: dict[str, Node] = {}
    for placed in log.history(run):
        if isinstance(placed.event, TaskCorrected):
            nodes[placed.event.reference] = node_of(log, placed)
        elif isinstance(placed.event, CorrectionWithdrawn) and placed.event.correction in nodes:
            corrected = nodes[placed.event.correction]
            corrected.text += ", withdrawn"
            corrected.children.append(node_of(log, placed))
    return list(nodes.values())
