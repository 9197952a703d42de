"""What of a tree makes a line of the page: its kind, state, value and text, and where it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from .....domain.page.messages import Box
from .node import Node

KINDS = {
    "push button": "button",
    "button": "button",
    "toggle button": "button",
    "push button menu": "button",
    "check box": "checkbox",
    "radio button": "radio",
    "toggle switch": "checkbox",
    "switch": "checkbox",
    "text": "entry",
    "entry": "entry",
    "editbar": "entry",
    "password text": "password",
    "spin button": "spin",
    "paragraph": "label",
    "document text": "textarea",
    "terminal": "terminal",
    "slider": "slider",
    "combo box": "combo",
    "list item": "list-item",
    "tree item": "tree-item",
    "table cell": "cell",
    "icon": "icon",
    "menu": "menu",
    "menu item": "menu-item",
    "check menu item": "menu-item",
    "radio menu item": "menu-item",
    "page tab": "tab",
    "link": "link",
    "label": "label",
    "static": "label",
    "heading": "label",
    "caption": "label",
    "table column header": "column",
    "column header": "column",
    "progress bar": "progress",
    "level bar": "progress",
    "image": "image",
    "info bar": "label",
    "notification": "label",
    "dial": "slider",
    "calendar": "calendar",
    "table row header": "cell",
    "tree table": "",
    "color chooser": "color",
}
"""The kind of a line by AT-SPI's role; other roles make no line."""

FIELDS = frozenset({"entry", "textarea", "password", "spin", "combo", "slider"})
"""Kinds that a label beside them names."""

TYPED = frozenset({"entry", "textarea", "password", "spin", "terminal"})
"""Kinds that take text."""

READ_ONLY = frozenset({"label", "image", "progress", "column"})
"""Kinds that are only looked at: they give way where a page has too many lines."""

SWITCHED = frozenset({"checked", "pressed", "selected", "expanded"})

BESIDE_PX = 260
ABOVE_PX = 40
"""How far a label may lie from its field; chosen from forms of GTK and Qt."""

WINDOW = "window"
DIALOG = "dialog"


@dataclass(frozen=True)
class Element:
    """One line of the page and what it stands for."""

    kind: str
    text: str = ""
    value: str = ""
    is_on: bool = False
    is_disabled: bool = False
    box: Box | None = None
    """On the screen."""
    node: Node | None = None
    """None for a window."""
    window: int = 0
    """The window that it is in, or that it is."""
    is_popup: bool = False
    """Whether it lies in a menu or a list that is open over the windows."""
    holder: Node | None = None
    """The closed list that an option belongs to."""
    number: int = 0
    """The number of an option in its list, from 0."""
    is_word: bool = False
    """Whether it was read on a picture: there is nothing of it but a place."""


def elements_of(top: Node, window: int, area: Box) -> list[Element]:
    """The elements of a window that show in the area, in the program's order, without labels and texts for now."""
    found: list[Element] = []
    for node in top.walk():
        if node is top:
            continue
        if node.role == "combo box":
            found += _combo(node, window)
        elif not _is_in_combo(node) and (element := _plain(node, window)) is not None:
            found.append(element)
    return [each for each in found if each.holder is not None or (each.box is not None and _touches(each.box, area))]


def name_fields(elements: Sequence[Element]) -> list[Element]:
    """The elements, with the text of the label beside each field that has no name; that label makes no line then."""
    labels = [each for each in elements if each.kind == "label" and each.text]
    named: dict[int, str] = {}
    taken: set[int] = set()
    for number, element in enumerate(elements):
        if element.kind in FIELDS and not element.text and element.box is not None:
            best = min(
                (label for label in labels if id(label) not in taken and _reach(label, element) is not None),
                key=lambda label: _reach(label, element) or 0,
                default=None,
            )
            if best is not None:
                taken.add(id(best))
                named[number] = best.text.rstrip(" :")
    kept = [replace(each, text=named[number]) if number in named else each for number, each in enumerate(elements)]
    return [each for each in kept if id(each) not in taken]


def name_switches(elements: Sequence[Element], are_switches: Mapping[Node, bool]) -> list[Element]:
    """The elements, with each check box of a table under the name of the cell that follows it; other nameless cells go."""
    found: list[Element] = []
    for number, element in enumerate(elements):
        if element.kind != "cell" or element.text:
            found.append(element)
        elif element.node is not None and are_switches.get(element.node):
            beside = next((each for each in elements[number + 1 :] if each.text and _is_beside(element, each)), None)
            found.append(replace(element, kind="checkbox", text=beside.text if beside else ""))
    return found


def choose(elements: Sequence[Element], most: int) -> list[Element]:
    """At most so many, in their order: what is open over the windows first, then what can be used, then what can be read."""

    def rank(element: Element) -> int:
        return 0 if element.is_popup else 3 if element.kind in READ_ONLY else 2 if element.holder is not None else 1

    numbered = sorted(range(len(elements)), key=lambda number: (rank(elements[number]), number))
    return [elements[number] for number in sorted(numbered[:most])]


def _plain(node: Node, window: int) -> Element | None:
    kind = KINDS.get(node.role, "")
    if not kind or not node.is_showing or node.box is None:
        return None
    if kind == "entry" and "multi-line" in node.states:
        kind = "textarea"
    text, value = node.name, ""
    if kind in TYPED:
        value = node.text
    elif node.value is not None:
        value = f"{node.value:.6g}"
    elif not text:
        text = node.text.strip()
    if not text and kind in ("label", "icon", "image", "list-item", "menu-item", "tab", "column"):
        return None
    if kind == "label" and node.parent is not None and node.parent.role in ("push button", "button", "link"):
        return None
    return Element(
        kind,
        text,
        value,
        is_on=bool(SWITCHED & node.states) or (kind in TYPED and "focused" in node.states),
        is_disabled=not {"sensitive", "enabled"} & node.states,
        box=node.box,
        node=node,
        window=window,
    )


def _combo(node: Node, window: int) -> Iterator[Element]:
    """A list that opens: its line, what can be typed into it, and its options."""
    field = next((one for one in node.walk() if one.role in ("text", "entry") and one.is_showing), None)
    value = field.text if field is not None else node.name
    shown = field if field is not None else node
    if shown.box is None or not node.is_showing:
        return
    kind = "entry" if field is not None else "combo"
    yield Element(kind, "", value, is_on="focused" in shown.states, box=shown.box, node=shown, window=window)
    options = [one for one in node.walk() if one.role in ("menu item", "list item", "table cell") and one.name]
    for number, option in enumerate(options):
        box = option.box if option.is_showing else None
        yield Element(
            "option", option.name, "", option.name == value, False, box, option, window, holder=node, number=number
        )


def _is_in_combo(node: Node) -> bool:
    return any(one.role == "combo box" for one in node.above())


def _is_beside(one: Element, other: Element) -> bool:
    return one.box is not None and other.box is not None and abs(one.box.y - other.box.y) < one.box.height


def _touches(box: Box, area: Box) -> bool:
    x, y = max(box.x, area.x), max(box.y, area.y)
    return x < min(box.x + box.width, area.x + area.width) and y < min(box.y + box.height, area.y + area.height)


def _reach(label: Element, field: Element) -> int | None:
    """How far the label is from the field that it may name: to the left on its line, or right above it; None elsewhere."""
    one, other = label.box, field.box
    if one is None or other is None:
        return None
    middle = one.y + one.height // 2
    gap = other.x - (one.x + one.width)
    if other.y - 4 <= middle <= other.y + max(other.height, 30) + 4 and -4 <= gap <= BESIDE_PX:
        return gap
    above = other.y - (one.y + one.height)
    if -4 <= above <= ABOVE_PX and one.x < other.x + other.width and other.x - 12 <= one.x + one.width:
        return 1000 + above
    return None
