"""Why an adapter, a rollout, a run or a setting is what it is: the tree of causes, every line with its position."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ....domain.errors import NotPossible
from ....domain.events import PolicyChanged, TaskRated, TaskStarted
from ....projections.explain.tree import Node
from ..options import DEFAULT_DB, AsJson, Db, open_log
from ..rendering import Branch, print_json, print_tree, say, show_time

DATED = (PolicyChanged.TOPIC, TaskStarted.TOPIC)
"""What is shown with its time: changes and runs are looked for by when they were."""


def why(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="An adapter, a setting, or the beginning of a run's or rollout's id.")
    ],
    ratings: Annotated[bool, typer.Option("--ratings", help="With every rating of the window.")] = False,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write it as one page, with curves; it must not be there yet."),
    ] = None,
    db: Db = DEFAULT_DB,
    as_json: AsJson = False,
) -> None:
    """Explain an adapter, a rollout, a run's adapter or a setting, each line with its position in the log.

    Of an adapter: ratings, breach, dataset, training, proof, gate, canary and decision. Of a run: the draw that gave it its
    adapter. Of a setting: who changed it, when and why. The page adds the ratings, what each look at the canary rested on, and
    the adapters' descent; it needs no network.

    \b
    Examples:
      grokputer why lora-v1 --ratings --json
      grokputer why 3fa2
      grokputer why rating.threshold
      grokputer why lora-v1 --html lora-v1.html
    """
    from ...explain.explanation import explain
    from ...store.states import load_state

    log = open_log(db)
    if html is not None and html.exists():
        raise NotPossible(f"{html} is there already; give another name")
    found = explain(log, load_state(log), name)
    if html is not None:
        from ...explain.explanation import read_history
        from ...explain.page import render

        html.write_text(render(found, read_history(log, found), with_ratings=ratings), encoding="utf-8")
        say(f"wrote {html}")
    if as_json:
        print_json(found.to_json())
    elif html is None:
        roots = found.roots
        if len(roots) == 1 and roots[0].text == found.title:
            line, roots = _line(roots[0]), roots[0].children
        else:
            line = found.title
        print_tree(Branch(line, [_branch(root, ratings) for root in roots]))


def _branch(node: Node, with_ratings: bool) -> Branch:
    """The node as a line; the single ratings are left out unless asked for."""
    shown = [child for child in node.children if with_ratings or child.kind != TaskRated.TOPIC]
    return Branch(_line(node), [_branch(child, with_ratings) for child in shown])


def _line(node: Node) -> str:
    time = f"{show_time(node.time)}  " if node.kind in DATED else ""
    return f"{node.position}  {time}{node.text}"
