"""Lineage: from an example or a run to every adapter that was trained on it, and from an adapter to its examples and runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from ....domain.errors import NotFound
from ....projections.explain.tree import Node
from ..completion import offer_taught
from ..hints import suggest
from ..options import DEFAULT_DB, AsJson, Db, open_log
from ..rendering import Branch, print_json, print_tree

if TYPE_CHECKING:
    from ....projections.explain.provenance import TrainingUse
    from ...store.log import Log


def lineage(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="An adapter, the beginning of a run's id or of an example's hash, or a task instance.",
            autocompletion=offer_taught,
        ),
    ],
    db: Db = DEFAULT_DB,
    as_json: AsJson = False,
) -> None:
    """Show which adapters were trained on a run or an example, or what an adapter was trained on.

    An adapter that continues from another's weights counts as trained on the other's data too. An example is named by its
    hash, or by its task instance, as in the manifest that 'grokputer dataset export' writes.

    \b
    Examples:
      grokputer lineage 3fa2
      grokputer lineage "miniwob/click-color#7"
      grokputer lineage sha256:32b09b55
      grokputer lineage lora-v1 --json
    """
    from ....projections.explain.provenance import read_datasets, trace_back

    log = open_log(db)
    datasets = read_datasets(log)
    if name in (dataset.adapter for dataset in datasets):
        taught = next(dataset for dataset in datasets if dataset.adapter == name)
        document = {"adapter": name, "role": taught.role, "training": taught.training}
        nodes, title = trace_back(log, datasets, name), f"{name}, an adapter for role {taught.role}, was trained on"
    else:
        document, nodes = _forward(log, datasets, name)
        [(kind, id)] = document.items()
        title = f"{kind} {id[:8] if kind == 'run' else id}"
        title += "" if any(node.kind != "TaskCorrected" for node in nodes) else ": no training has used it"
    if as_json:
        print_json({**document, "tree": [node.to_json() for node in nodes]})
        return
    print_tree(Branch(title, [_branch(node) for node in nodes]))
    run = document.get("run")
    adapters = [node.data["adapter"] for node in nodes if node.data.get("adapter")]
    named = document.get("adapter") or next(iter(adapters), None)
    suggest(f"why {named}" if named else f"show {run[:8]}" if run else "adapters", db)


def _forward(log: Log, datasets: list[TrainingUse], name: str) -> tuple[dict[str, Any], list[Node]]:
    """The named item as ``{kind: id}``, and the trainings that used it. Raises ``NotFound``."""
    from ....projections.explain.lineage import trace_corrections
    from ....projections.explain.provenance import find_examples, has_instance, trace_forward

    if has_instance(datasets, name):
        return {"instance": name}, trace_forward(datasets, lambda row: row.get("instance") == name)
    candidates = [("run", id) for id in log.ids_like(name, "TaskStarted")]
    candidates += [("example", hash) for hash in sorted(find_examples(datasets, name))]
    if len(candidates) > 1:
        shown = len(name.removeprefix("sha256:")) + 6
        listed = ", ".join(f"{kind} {id.removeprefix('sha256:')[:shown]}" for kind, id in candidates[:5])
        raise NotFound(f"more than one run or example begins with {name!r}: {listed}; give more of it")
    if not candidates:
        raise NotFound(
            f"{name!r} is not an adapter or a task instance of a dataset, and no run or example begins with it "
            "(four characters or more); see 'grokputer adapters' or 'runs'; examples are in the manifest of 'dataset export'"
        )
    [(kind, id)] = candidates
    key = "run" if kind == "run" else "hash"
    nodes = trace_forward(datasets, lambda row: row.get(key) == id)
    if kind == "run":
        nodes += [node for node in trace_corrections(log, UUID(id)) if node.children]
    return {kind: id}, nodes


def _branch(node: Node) -> Branch:
    return Branch(f"{node.position}  {node.text}", [_branch(child) for child in node.children])
