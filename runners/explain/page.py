"""The page: the tree of causes, the ratings, the canary's evidence and the adapters' descent, in one file.

It loads nothing and runs nothing: styles and pictures are inline, there is no script, and a policy in its head forbids
both. All text from the log is escaped where it is inserted.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from string import Template

from ...domain.events import TaskRated
from ...projections.explain.history import History
from ...projections.explain.tree import Node, walk
from ...projections.wording.escaping import escape_html
from ...projections.wording.sentences import short_text
from .curves import TONES, draw_looks, draw_ratings, say_moment
from .descent import draw_descent
from .explanation import Explanation

LONGEST = 200
"""Characters of a list of runs that are shown at once, the rest when it is opened; chosen: two lines on a desktop."""

PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>$title</title>
<style>
$style</style>
</head>
<body>
<header><p class="quiet">grokputer why</p><h1>$title</h1></header>
<main>
$sections
</main>
<footer class="quiet">From the log up to position $position, $time.
Numbers before a line are positions in the log, times are UTC.</footer>
</body>
</html>
""")


def render(explained: Explanation, history: History, *, with_ratings: bool = False) -> str:
    """The page as HTML. ``with_ratings`` puts every rating of a window into the tree."""
    anchors = {node.position for node in walk(explained.roots) if with_ratings or node.kind != TaskRated.TOPIC}
    focus = explained.about.get("adapter")
    sections = (
        ("Why", _draw_tree(explained.roots, with_ratings)),
        ("The canary", draw_looks(history, anchors)),
        ("Ratings", draw_ratings(history, anchors)),
        ("Adapters", draw_descent(history.family, focus)),
    )
    return PAGE.substitute(
        title=escape_html(explained.title),
        style=files(__package__).joinpath("page.css").read_text(encoding="utf-8"),
        sections="\n".join(f"<section><h2>{name}</h2>{body}</section>" for name, body in sections if body),
        position=history.state.position,
        time=say_moment(history.last_time) if history.last_time is not None else "before its first event",
    )


def _draw_tree(roots: Sequence[Node], with_ratings: bool) -> str:
    seen: set[int] = set()

    def grow(nodes: Sequence[Node]) -> str:
        shown = [node for node in nodes if with_ratings or node.kind != TaskRated.TOPIC]
        items = "".join(f"<li>{_draw_node(node, seen)}{grow(node.children)}</li>" for node in shown)
        return f"<ul>{items}</ul>" if items else ""

    grown = grow(roots)
    return f'<div class="tree">{grown}</div>' if grown else ""


def _draw_node(node: Node, seen: set[int]) -> str:
    """The line of a node; the first node of a position is the target of links to that position."""
    anchor = "" if node.position in seen else f' id="p{node.position}"'
    seen.add(node.position)
    moment = f"<time>{escape_html(node.time[:16].replace('T', ' '))}</time>" if node.time else ""
    text = escape_html(node.text)
    if node.kind == "Source" and len(node.text) > LONGEST:
        text = f"<details><summary>{escape_html(short_text(node.text, LONGEST))}</summary>{text}</details>"
    tone = TONES.get(str(node.data.get("verdict") or node.kind), "")
    return f'<div class="node {tone}"{anchor}><b>{node.position}</b><span>{text} {moment}</span></div>'
