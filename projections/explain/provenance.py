"""Provenance: which adapters were trained on an example or a run, and which examples and runs an adapter was trained on.

An adapter that continued from another adapter's weights also inherits that adapter's examples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from ...domain.events import AdapterRegistered, DatasetBuilt, TrainingRequested
from ...domain.settings.recipe import current_figures
from ..wording.sentences import count
from .lineage import Withdrawals, find_withdrawals, read_manifest, withdrawn_after
from .tree import Lookup, Node

Row = Mapping[str, Any]
"""An example in a manifest: ``source``, ``run`` (hex id, or empty), ``step`` from 0, ``instance``, ``hash``."""


@dataclass(frozen=True)
class TrainingUse:
    """A training's dataset, and the adapter that it led to."""

    position: int
    """The position of its ``DatasetBuilt``."""
    training: str
    role: str
    adapter: str | None
    """None where the training has no adapter."""
    goes_on_from: str | None
    """The adapter from whose weights the training continued; None where it began from the base."""
    examples: Sequence[Row] | None
    """None where the manifest was erased."""
    held_out: Sequence[Row]


def read_datasets(log: Lookup) -> list[TrainingUse]:
    """Every dataset of the log, the oldest first."""
    topics = (TrainingRequested.TOPIC, DatasetBuilt.TOPIC, AdapterRegistered.TOPIC)
    parents: dict[UUID, str | None] = {}
    built: dict[UUID, tuple[int, DatasetBuilt]] = {}
    names: dict[UUID, str] = {}
    for placed in log.read(1, None, topics):
        match placed.event:
            case TrainingRequested() as event:
                goes_on = current_figures(event.recipe).get("init_from") == "parent"
                parents[event.originator_id] = event.parent if goes_on else None
            case DatasetBuilt() as event:
                built[event.originator_id] = (placed.position, event)
            case AdapterRegistered() as event:
                names[UUID(event.training)] = event.adapter
    uses = []
    for id, (position, event) in built.items():
        text = log.get_content(event.manifest)
        manifest = {} if text is None else read_manifest(text)
        held_out = manifest.get("held_out", ())
        uses.append(
            TrainingUse(
                position, id.hex, event.role, names.get(id), parents.get(id), manifest.get("examples"), tuple(held_out)
            )
        )
    return uses


def find_examples(datasets: Sequence[TrainingUse], wanted: str) -> set[str]:
    """The hashes of all examples that begin with ``wanted``. Without ``sha256:`` it needs four characters or more."""
    given = wanted.strip().lower()
    bare = given.removeprefix("sha256:")
    prefix = f"sha256:{bare}"
    if not bare or (given == bare and len(bare) < 4):
        return set()
    return {
        row["hash"] for use in datasets for row in use.examples or () if str(row.get("hash", "")).startswith(prefix)
    }


def has_instance(datasets: Sequence[TrainingUse], instance: str) -> bool:
    """Whether a training or held-out example is of this task instance, such as ``miniwob/click-link#7``."""
    return any(row.get("instance") == instance for use in datasets for row in (*(use.examples or ()), *use.held_out))


def trace_forward(datasets: Sequence[TrainingUse], is_wanted: Callable[[Row], bool]) -> list[Node]:
    """A node for each training that used the wanted examples or held them out, with the adapters that inherited from it."""
    nodes = []
    for use in datasets:
        rows = [row for row in use.examples or () if is_wanted(row)]
        held = [row for row in use.held_out if is_wanted(row)]
        data = {
            "adapter": use.adapter,
            "training": use.training,
            "role": use.role,
            "examples": [dict(row) for row in rows],
        }
        name = use.adapter or f"training {use.training[:8]}, which led to no adapter,"
        if rows:
            sources = ", ".join(sorted({row["source"] for row in rows}))
            text = f"{name} was trained on {_list_examples(rows)} ({sources})"
            nodes.append(Node("Trained", use.position, text, data, children=_descend(datasets, use.adapter)))
        elif held:
            outcome = held[0]["outcome"]
            text = (
                f"{name} was never shown it: held out, as one of the instances that {outcome}, for the gate to judge by"
            )
            nodes.append(Node("HeldOut", use.position, text, data | {"outcome": outcome}))
        elif use.examples is None:
            nodes.append(Node("Erased", use.position, f"{name}: what it was trained on was erased", data))
    return nodes


def _descend(datasets: Sequence[TrainingUse], adapter: str | None) -> list[Node]:
    """The adapters that continued from this adapter's weights, and from theirs."""
    return [
        Node(
            "Inherited",
            use.position,
            f"{use.adapter} went on from the weights of {adapter}",
            {"adapter": use.adapter, "training": use.training, "role": use.role, "goes_on_from": adapter},
            children=_descend(datasets, use.adapter),
        )
        for use in datasets
        if use.adapter is not None and adapter is not None and use.goes_on_from == adapter
    ]


def trace_back(log: Lookup, datasets: Sequence[TrainingUse], adapter: str) -> list[Node]:
    """One node per source of the adapter's examples, with its runs; last, the adapter from which it continued."""
    use = next(use for use in datasets if use.adapter == adapter)
    if use.examples is None:
        nodes = [Node("Erased", use.position, "what it was trained on was erased", {"training": use.training})]
    else:
        withdrawals = find_withdrawals(log)
        nodes = [_source(log, use, source, withdrawals) for source in sorted({row["source"] for row in use.examples})]
    if use.goes_on_from is not None:
        text = f"went on from the weights of {use.goes_on_from}, and so from its examples"
        below = trace_back(log, datasets, use.goes_on_from)
        nodes.append(Node("Inherited", use.position, text, {"goes_on_from": use.goes_on_from}, children=below))
    return nodes


def _source(log: Lookup, use: TrainingUse, source: str, withdrawals: Withdrawals) -> Node:
    by_run: dict[str, list[Row]] = {}
    for row in use.examples or ():
        if row["source"] == source:
            by_run.setdefault(row["run"], []).append(row)
    children = [_run(log, use.position, run, rows) for run, rows in by_run.items()]
    for child in children:
        withdrawn = withdrawn_after(withdrawals, child.data["run"], source, use.position)
        if withdrawn is not None:
            at, event = withdrawn
            child.text += f", withdrawn at position {at} by {event.actor}"
            child.data["withdrawn"] = at
    children.sort(key=lambda child: child.position)
    total, runs = sum(map(len, by_run.values())), sum(map(bool, by_run))
    text = f"{source}: {count(total, 'example')}" + (f" from {count(runs, 'run')}" if runs else "")
    return Node("Source", use.position, text, {"source": source, "examples": total}, children=children)


def _run(log: Lookup, position: int, run: str, rows: Sequence[Row]) -> Node:
    """The node of the run, at its start. Examples from outside stand at the position of the dataset."""
    began = log.position_of(f"{UUID(run)}/1") if run else None
    text = f"run {run[:8]}: {_list_examples(rows)}" if run else f"from outside: {_list_examples(rows)}"
    return Node("Run", began or position, text, {"run": run, "examples": [dict(row) for row in rows]})


def _list_examples(rows: Sequence[Row]) -> str:
    """The number of examples, their instance and steps: ``2 examples of miniwob/click-link#7, steps 1 and 3``."""
    instances = list(dict.fromkeys(row.get("instance") or "an instance that was not kept" for row in rows))
    of = instances[0] if len(instances) == 1 else f"{len(instances)} instances"
    text = f"{count(len(rows), 'example')} of {of}"
    if len({row["run"] for row in rows}) == 1 and rows[0]["run"]:
        text += f", {_number(sorted({row['step'] + 1 for row in rows}))}"
    return text


def _number(steps: Sequence[int]) -> str:
    *others, last = steps
    return f"steps {', '.join(map(str, others))} and {last}" if others else f"step {last}"
