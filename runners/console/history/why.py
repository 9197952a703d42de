"""Why an adapter, a rollout, a run or a setting is as it is: the tree of causes, every line with its position."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ....domain.events import CanaryAssessed, PolicyChanged, TaskRated, TaskStarted, TrainingProgressed
from ....projections.explain.tree import Node
from ....projections.wording.sentences import count
from ...explain.answers import answer
from ..completion import offer_explained
from ..hints import suggest
from ..options import DEFAULT_DB, AsJson, Db, folder_of, open_log
from ..rendering import Branch, as_time, print_json, print_line, print_tree, say, show_time
from ..tables import show_short_time

if TYPE_CHECKING:
    from ...explain.explanation import Explanation
    from ...store.log import Log

DATED = (PolicyChanged.TOPIC, TaskStarted.TOPIC)
"""Events that are shown with their times: changes and runs are searched by time."""

REPEATED = (TrainingProgressed.TOPIC, CanaryAssessed.TOPIC)
"""Events that may occur hundreds of times and differ little."""


def why(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="An adapter, a setting, or the beginning of a run's, rollout's or training's id.",
            autocompletion=offer_explained,
        ),
    ],
    ratings: Annotated[bool, typer.Option("--ratings", help="With every rating of the window.")] = False,
    full: Annotated[
        bool,
        typer.Option("--full", help="With every rating, run, checkpoint and look at the canary, each on its own line."),
    ] = False,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write it as one HTML page, with curves; the file must not exist."),
    ] = None,
    db: Db = DEFAULT_DB,
    as_json: AsJson = False,
) -> None:
    """Explain an adapter, a rollout, a run's adapter or a setting: in one sentence, then in the events that led to it.

    Of an adapter: ratings, breach, dataset, training, proof, gate, canary and decision. Of a run: the draw that gave it its
    adapter. Of a setting: who changed it, when and why. Of a training: the adapter that it made. Each line begins with its
    position in the log. The page adds the ratings, what each look at the canary rested on, and the adapters' descent; it needs
    no network.

    \b
    Examples:
      grokputer why lora-v1 --full
      grokputer why 3fa2
      grokputer why rating.threshold
      grokputer why lora-v1 --html lora-v1.html
    """
    from ...explain.explanation import explain
    from ...store.states import load_state

    log = open_log(db)
    if html is not None:
        from ....adapters.registry.files import require_new

        require_new(html)
    explanation = explain(log, load_state(log), name)
    if html is not None:
        from ...archive.files import write_whole
        from ...explain.explanation import read_history
        from ...explain.page import render

        page = render(explanation, read_history(log, explanation), with_ratings=full or ratings)
        with folder_of(html), write_whole(html) as file:
            file.write(page.encode())
        say(f"wrote {html}")
    if as_json:
        print_json(explanation.to_json())
    elif html is None:
        print_explanation(log, explanation, with_ratings=full or ratings, full=full)
        suggest(_next_step(explanation.about), db)


def print_explanation(log: Log, explanation: Explanation, *, with_ratings: bool = False, full: bool = False) -> None:
    """Print the answer in one sentence, and the tree of causes below it."""
    now = log.clock.now()
    print_line(answer(explanation.about, explanation.roots, lambda time: show_short_time(as_time(time), now)))
    roots = explanation.roots
    if len(roots) == 1 and roots[0].text == explanation.title:
        line, roots = _line(roots[0], full), roots[0].children
    else:
        line = explanation.title
    print_tree(Branch(line, _branches(roots, with_ratings, full)))


def _next_step(about: Mapping[str, Any]) -> str:
    """The command that shows more of what was explained."""
    if "run" in about:
        return f"show {about['run'][:8]}"
    return "settings --changed" if "setting" in about else f"lineage {about['adapter']}"


def _branches(nodes: Sequence[Node], with_ratings: bool, full: bool) -> list[Branch]:
    """The nodes as lines. Without ``full``, of several events that are alike only the last is shown."""
    shown = [node for node in nodes if with_ratings or node.kind != TaskRated.TOPIC]
    branches, alike = [], 0
    for at, node in enumerate(shown):
        is_last = at + 1 == len(shown)
        if not (full or is_last or node.children) and _is_alike(node, shown[at + 1]):
            alike += 1
            continue
        line = _line(node, full) + (f" ({count(alike, 'event')} like it before)" if alike else "")
        branches.append(Branch(line, _branches(node.children, with_ratings, full)))
        alike = 0
    return branches


def _is_alike(node: Node, following: Node) -> bool:
    """Whether both are checkpoints, or looks that decided nothing: then the later one covers the earlier one."""
    if node.kind != following.kind or node.kind not in REPEATED:
        return False
    return node.kind == TrainingProgressed.TOPIC or node.data["verdict"] == following.data["verdict"] == "hold"


def _line(node: Node, full: bool) -> str:
    time = f"{show_time(node.time)}  " if node.kind in DATED else ""
    return f"{node.position}  {time}{node.text if full else node.brief or node.text}"
