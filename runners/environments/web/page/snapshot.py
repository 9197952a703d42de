"""From the browser's picture of a document (``DOMSnapshot``) to what stands on a page, in the order in which it is drawn.

All of it is read from the browser and nothing by a script in the page, so no page can change what is read. Shadow trees are
part of it, closed ones too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

STYLES = ("display", "visibility", "cursor")
"""The computed styles that a snapshot must have, in this order."""

ELEMENT, TEXT, DOCUMENT, FRAGMENT = 1, 3, 9, 11

BUTTON_INPUTS = ("button", "submit", "reset", "image")
NATIVE = ("INPUT", "TEXTAREA", "SELECT", "BUTTON", "SUMMARY")
ROLES = (
    *(
        "tab",
        "button",
        "link",
        "menuitem",
        "menuitemcheckbox",
        "menuitemradio",
        "option",
        "checkbox",
        "radio",
        "switch",
    ),
    *("slider", "treeitem", "textbox", "searchbox", "combobox", "spinbutton"),
)
"""The roles that an element can be acted on by."""
PAGE = ("HTML", "BODY", "#document")
STATES = ("aria-selected", "aria-checked", "aria-expanded", "aria-pressed")


class Rect(NamedTuple):
    """A rectangle in pixels of the tab's view."""

    x: float
    y: float
    width: float
    height: float

    def moved(self, x: float, y: float) -> Rect:
        """The same, elsewhere."""
        return Rect(self.x + x, self.y + y, self.width, self.height)

    def within(self, other: Rect) -> Rect | None:
        """What of it lies in the other; None for nothing."""
        left, top = max(self.x, other.x), max(self.y, other.y)
        right = min(self.x + self.width, other.x + other.width)
        bottom = min(self.y + self.height, other.y + other.height)
        return Rect(left, top, right - left, bottom - top) if right > left and bottom > top else None


@dataclass
class Element:
    """What becomes a line: something to act on or to read."""

    session: str
    node: int
    """The browser's number of the node (backend id)."""
    kind: str
    text: str = ""
    value: str = ""
    is_on: bool = False
    is_disabled: bool = False
    can_act: bool = False
    box: Rect | None = None
    """Where it lies in the tab's view, also outside of what is seen; None where it has no place of its own."""
    view: Rect | None = None
    """What can be seen of its frame."""
    labels: frozenset[int] = field(default_factory=frozenset)
    """The nodes of its labels: a press on one is a press on it."""
    wants_name: bool = False
    """Whether its text is the name that the accessibility tree has for it."""
    fallback: str = ""
    """What stands after the kind where it has no name, as ``#email``."""

    @property
    def is_seen(self) -> bool:
        """Whether a part of it lies in what is seen of the tab."""
        return self.box is not None and self.view is not None and self.box.within(self.view) is not None


class Document:
    """One document of a snapshot."""

    def __init__(self, written: Mapping[str, Any], strings: Sequence[str]) -> None:
        self._nodes, self._layout, self._strings = written["nodes"], written["layout"], strings
        self.parents: list[int] = self._nodes["parentIndex"]
        self.types: list[int] = self._nodes["nodeType"]
        self.ids: list[int] = self._nodes["backendNodeId"]
        self.scroll = float(written.get("scrollOffsetX", 0)), float(written.get("scrollOffsetY", 0))
        self.order: list[int] = self._layout["nodeIndex"]
        self._rare: dict[str, dict[int, Any]] = {}
        self.places = {node: index for index, node in reversed(list(enumerate(self.order)))}

    def name(self, node: int) -> str:
        """The node's name: of an element its tag in capital letters."""
        return self._string(self._nodes["nodeName"][node]).upper()

    def _string(self, index: int) -> str:
        """The string of the snapshot at this index; the browser gives -1 for an empty one."""
        return self._strings[index] if index >= 0 else ""

    @cached_property
    def attributes(self) -> list[dict[str, str]]:
        """The attributes of each node."""
        text = self._string
        return [
            {text(name): text(value) for name, value in zip(flat[::2], flat[1::2], strict=True)}
            for flat in self._nodes["attributes"]
        ]

    @cached_property
    def children(self) -> dict[int, list[int]]:
        """The children of each node that has some."""
        found: dict[int, list[int]] = {}
        for node, parent in enumerate(self.parents):
            found.setdefault(parent, []).append(node)
        return found

    def rare(self, key: str) -> dict[int, Any]:
        """Values that few nodes have: texts, numbers, or True."""
        if key not in self._rare:
            self._rare[key] = self._read_rare(key)
        return self._rare[key]

    def _read_rare(self, key: str) -> dict[int, Any]:
        data = self._nodes.get(key, {"index": []})
        if "value" not in data:
            return dict.fromkeys(data["index"], True)
        is_text = key != "contentDocumentIndex"
        return {
            node: self._string(value) if is_text else value
            for node, value in zip(data["index"], data["value"], strict=True)
        }

    def bounds(self, node: int) -> Rect | None:
        """Where the node lies in the document; None where it has no place."""
        index = self.places.get(node)
        return None if index is None else Rect(*self._layout["bounds"][index])

    def style(self, node: int, name: str) -> str:
        """A computed style; empty where the node has no place."""
        index = self.places.get(node)
        styles = self._layout["styles"][index] if index is not None else ()
        return self._string(styles[STYLES.index(name)]) if styles else ""

    def text(self, index: int) -> str:
        """The text that is drawn at a place of the layout."""
        return self._string(self._layout["text"][index])

    def above(self, node: int) -> Iterator[int]:
        """The nodes above, from the nearest."""
        node = self.parents[node]
        while node >= 0:
            yield node
            node = self.parents[node]

    def words(self, node: int) -> str:
        """The text of all text nodes in the node, whether it is drawn or not."""
        texts = (self._string(self._nodes["nodeValue"][each]) for each in sorted(self.below(node)))
        return " ".join(text for text in texts if text)

    def below(self, node: int) -> Iterator[int]:
        """The node and all below, in no order that matters."""
        waiting = [node]
        while waiting:
            each = waiting.pop()
            yield each
            waiting += self.children.get(each, ())


def squeeze(text: str) -> str:
    """The text with single spaces."""
    return " ".join(text.split())


def kind_of(document: Document, node: int) -> str:
    """What the element is: its role, its kind of field, or its tag."""
    tag, attributes = document.name(node), document.attributes[node]
    role = attributes.get("role", "")
    if role in ROLES:
        return role
    if tag == "INPUT":
        kind = attributes.get("type", "text").lower()
        return "button" if kind in BUTTON_INPUTS else f"input.{kind if re.fullmatch(r'[a-z-]{1,20}', kind) else 'text'}"
    return tag.lower() if re.fullmatch(r"[A-Z][A-Z0-9-]{0,40}", tag) else "element"


def takes_text(kind: str) -> bool:
    """Whether an element of this kind is a field that text is typed into."""
    if kind.startswith("input."):
        return kind.removeprefix("input.") not in ("checkbox", "radio", "file", "hidden")
    return kind in ("textarea", "textbox", "searchbox", "editor")
