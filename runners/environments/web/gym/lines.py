"""From the accessibility tree that BrowserGym tells to the lines of a page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .....domain.page.line import write
from .....domain.page.messages import Box
from ..page.lines import MOST_LINES, box_of, choose, clean, write_element
from ..page.snapshot import Element, Rect

KINDS = {
    "textbox": "input.text",
    "searchbox": "input.search",
    "spinbutton": "input.number",
    "slider": "input.range",
    "checkbox": "input.checkbox",
    "radio": "input.radio",
    "combobox": "select",
    "link": "a",
    **{role: role for role in ("button", "listbox", "menuitem", "menuitemcheckbox", "menuitemradio", "option")},
    **{role: role for role in ("switch", "tab", "treeitem")},
}
"""The kinds of lines, by the roles of what can be acted on: those that other pages have for the same."""

READ = {"StaticText": "text", "LabelText": "label", "img": "img", "image": "img"}
"""The kinds of lines, by the roles of what can only be read."""

ON = ("checked", "selected", "pressed", "expanded")

ANSWER = "answer to the person"
"""What the line says to whose element the answer of a task is typed."""


@dataclass(frozen=True)
class Seen:
    """One look: the lines, what stands behind each, and where it lies."""

    lines: tuple[str, ...]
    targets: tuple[Target, ...]
    boxes: tuple[Box | None, ...]


@dataclass(frozen=True)
class Target:
    """What a line stands for: a tab, the answer, or an element with BrowserGym's id."""

    kind: str
    bid: str = ""
    tab: int | None = None
    within: str = ""
    """The id of the list that an option belongs to."""
    name: str = ""


def read_lines(told: Mapping[str, Any]) -> Seen:
    """The lines of what was told. Those of the browser come first, then the page's, in its order."""
    heads = list(_heads(told))
    view = Rect(0, 0, *told["size"])
    elements, targets = [], {}
    for element, target in _Tree(told["nodes"], view).elements():
        targets[id(element)] = target
        elements.append(element)
    chosen, left = choose(elements, MOST_LINES - len(heads))
    lines, found, boxes = [line for line, _ in heads], [target for _, target in heads], [None for _ in heads]
    places: list[Box | None] = [*boxes]
    for element in chosen:
        lines.append(write_element(len(lines) + 1, element))
        found.append(targets[id(element)])
        places.append(box_of(element, view))
    if left:
        lines.append(write(len(lines) + 1, "left-out", f"{left} more lines; SCROLL shows them"))
        found.append(Target("left-out"))
        places.append(None)
    return Seen(tuple(lines), tuple(found), tuple(places))


def _heads(told: Mapping[str, Any]) -> Iterator[tuple[str, Target]]:
    """The lines of the browser itself: its tabs where there are several, and where an answer is typed."""
    number = 0
    if len(told["tabs"]) > 1:
        for tab, (title, url) in enumerate(told["tabs"]):
            number += 1
            line = write(number, "tab", clean(title or url), is_on=tab == told["active"])
            yield line, Target("tab", tab=tab)
    yield write(number + 1, "input.text", ANSWER), Target("answer")


@dataclass(frozen=True)
class _Place:
    """A node, with what it is within."""

    node: Mapping[str, Any]
    box: Any = None
    within_list: str = ""
    within_line: Element | None = None


def _repeats(made: Element, line: Element) -> bool:
    """Whether it only repeats what the line of the element around it says."""
    return not made.can_act and (made.text in line.text or made.text == line.value)


class _Tree:
    """The tree of one page."""

    def __init__(self, nodes: Sequence[Mapping[str, Any]], view: Rect) -> None:
        self._nodes = {node["id"]: node for node in nodes}
        inner = {child for node in nodes for child in node["children"]}
        self._roots = [node for node in nodes if node["id"] not in inner]
        self._view = view

    def elements(self) -> Iterator[tuple[Element, Target]]:
        """What can be acted on or read, in the order of the page."""
        for root in self._roots:
            yield from self._walk(root)

    def _walk(self, root: Mapping[str, Any]) -> Iterator[tuple[Element, Target]]:
        waiting = [_Place(root)]
        while waiting:
            at = waiting.pop()
            node, box = at.node, at.node["box"] or at.box
            made = self._make(node, box) if node["can_press"] or not node["is_ignored"] else None
            if made is not None and not (at.within_line and _repeats(made, at.within_line)):
                yield made, Target(made.kind, node["bid"] or "", within=at.within_list, name=made.text)
            is_list = node["role"] in ("combobox", "listbox")
            inner = (node["bid"] or at.within_list) if is_list else at.within_list
            line = made if made is not None and made.can_act else at.within_line
            below = (self._nodes[it] for it in reversed(node["children"]) if it in self._nodes)
            waiting += (_Place(child, box, inner, line) for child in below)

    def _make(self, node: Mapping[str, Any], place: Any) -> Element | None:
        role, name = node["role"], clean(node["name"])
        can_act = role in KINDS or (bool(node["can_press"]) and role not in READ)
        if can_act and node["bid"]:
            text = name or (clean(self._words(node)) if role not in KINDS else "")
            kind = KINDS.get(role, "div")
            if kind == "select" and not any(self._nodes[it]["role"] != "StaticText" for it in self._inner(node)):
                kind = "input.text"
            is_shown = node["box"] is not None or role == "option"
            return self._element(node, kind, text, place, can_act=True) if is_shown else None
        if role in READ and name and place is not None:
            return self._element(node, READ[role], name, place, can_act=False)
        return None

    def _element(self, node: Mapping[str, Any], kind: str, text: str, place: Any, *, can_act: bool) -> Element:
        states = node["states"]
        return Element(
            session="",
            node=0,
            kind=kind,
            text=text,
            value=node["value"] if node["value"] != text else "",
            is_on=any(str(states.get(name, "")).lower() in ("true", "mixed") for name in ON),
            is_disabled=str(states.get("disabled", "")).lower() == "true",
            can_act=can_act,
            box=None if place is None else Rect(*place),
            view=self._view,
        )

    def _inner(self, node: Mapping[str, Any]) -> Iterator[str]:
        """The nodes below, in the order of the page."""
        waiting = [it for it in reversed(node["children"]) if it in self._nodes]
        while waiting:
            each = waiting.pop()
            yield each
            waiting += [it for it in reversed(self._nodes[each]["children"]) if it in self._nodes]

    def _words(self, node: Mapping[str, Any]) -> str:
        """The texts below."""
        below = (self._nodes[it] for it in self._inner(node))
        return " ".join(it["name"] for it in below if it["role"] == "StaticText")
