"""Why an adapter is what it is: the tree of causes from the ratings to the decision, every line with its position."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer

from ...domain.errors import UnknownAdapter
from ...domain.events import TaskRated
from ...projections.lineage import Node, trace
from .options import DEFAULT_DB, AsJson, Db, open_log
from .rendering import Branch, print_json, print_tree


def why(
    adapter: Annotated[str, typer.Argument(metavar="ADAPTER", help="The adapter's name, such as lora-v1.")],
    ratings: Annotated[bool, typer.Option("--ratings", help="With every rating of the window.")] = False,
    db: Db = DEFAULT_DB,
    as_json: AsJson = False,
) -> None:
    """Explain how an adapter came to be.

    Ratings, breach, dataset, training, proof, gate, canary and decision, each with its position in the log.

    \b
    Examples:
      grokputer why lora-v1
      grokputer why lora-v1 --ratings --json
    """
    from ..views import load_state
    from ..wiring import unknown_adapter

    log = open_log(db)
    known = load_state(log).registry.adapters
    if adapter not in known:
        raise UnknownAdapter(unknown_adapter(adapter, known))
    found = known[adapter]
    roots = trace(log, UUID(found["id"]))
    if as_json:
        tree = [root.to_json() for root in roots]
        print_json({"adapter": adapter, "role": found["role"], "status": found["status"], "tree": tree})
        return
    line = f"{adapter}, an adapter for role {found['role']}: {found['status']}"
    print_tree(Branch(line, [_branch(root, ratings) for root in roots]))


def _branch(node: Node, with_ratings: bool) -> Branch:
    """The node as a line; the single ratings are left out unless asked for."""
    shown = [child for child in node.children if with_ratings or child.kind != TaskRated.TOPIC]
    return Branch(f"{node.position}  {node.text}", [_branch(child, with_ratings) for child in shown])
