"""A look at the screen: the active window with its menus as elements, a line for every other window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ....domain.page.messages import Box
from .options import LINES
from .screen.display import Display, Window
from .tree.elements import DIALOG, WINDOW, Element, choose, elements_of, name_fields, name_switches
from .tree.node import Node
from .tree.reader import Reader, within

OTHER_WINDOWS = 12
"""Windows beside the active one that have a line; chosen."""

WORD = "text"
"""The kind of what was read."""

FRAME_PX = 40
"""How much larger a program may say that its window is, with its frame; chosen."""


@dataclass(frozen=True)
class View:
    """What a look found."""

    elements: tuple[Element, ...]
    windows: tuple[Window, ...]
    """The uppermost first."""
    active: int
    """The window that has the keyboard; 0 where none has."""
    area: Box
    """The part of the screen that a picture shows: the active window with what is open over it, or all."""
    nodes: tuple[Node, ...] = ()
    """The windows that were read, with what is in them."""

    @property
    def active_window(self) -> Window | None:
        """The window that has the keyboard."""
        return next((window for window in self.windows if window.id == self.active), None)


def see_words(view: View, texts: Sequence[str], boxes: Sequence[Box | None]) -> View:
    """The view with texts that were read at these places on its picture, in place of the elements."""
    area = view.area
    elements = [
        Element(
            WORD,
            text,
            box=None if box is None else box._replace(x=box.x + area.x, y=box.y + area.y),
            window=view.active,
            is_word=True,
        )
        for text, box in zip(texts, boxes, strict=True)
    ]
    return replace(view, elements=tuple(elements))


class Eye:
    """Looks at one desktop."""

    def __init__(self, display: Display, reader: Reader, lines: int = LINES) -> None:
        """``lines`` is the most that a page has."""
        self._display, self._reader, self._lines = display, reader, lines

    def look(self) -> View:
        """What is on the screen now. A program that does not answer is a window without elements."""
        windows = self._display.windows()
        active = _active(windows, self._display.active())
        popups = [window for window in windows if window.is_popup]
        tops = self._reader.windows()
        main = None if active is None else _match(active, tops)
        process = 0 if active is None else active.process
        over = [top for top in tops if top is not main and _is_open_over(top, process, popups)]
        read = [*over, *([main] if main is not None else [])]
        self._reader.read(read, [popup.box for popup in popups])
        found = self._elements(read, active, popups)
        head = [] if active is None else [_line_of(active, main, is_active=True)]
        others = [
            _line_of(window, _match(window, tops)) for window in windows if not window.is_popup and window != active
        ]
        others = others[:OTHER_WINDOWS]
        chosen = choose(found, self._lines - len(head) - len(others))
        area = _area(self._display.size, active, popups)
        return View((*head, *chosen, *others), tuple(windows), 0 if active is None else active.id, area, tuple(read))

    def _elements(self, read: Sequence[Node], active: Window | None, popups: Sequence[Window]) -> list[Element]:
        """The elements of the windows that were read: those in popups first."""
        if active is None:
            return []
        areas, found = [popup.box for popup in popups], list[Element]()
        whole = _around([active.box, *areas])
        for top in read:
            found += name_fields(self._name_nameless(elements_of(top, active.id, whole)))
        marked = [replace(each, is_popup=within(each.box, areas) and _can_pop(each)) for each in found]
        return sorted(marked, key=lambda each: not each.is_popup)

    def _name_nameless(self, elements: list[Element]) -> list[Element]:
        """The elements, with the description of each button that has no name; check boxes in tables have their row's."""
        cells = [each.node for each in elements if each.kind == "cell" and not each.text and each.node is not None]
        named = name_switches(elements, dict(zip(cells, self._reader.are_switches(cells), strict=True)))
        nameless = [each.node for each in named if not each.text and not each.value and each.node is not None]
        described = self._reader.descriptions(nameless)
        return [replace(each, text=described.get(each.node, each.text)) if each.node else each for each in named]


def _active(windows: Sequence[Window], id: int) -> Window | None:
    """The window that has the keyboard; where the manager names none, the uppermost that can be seen."""
    framed = [window for window in windows if not window.is_popup and not window.is_hidden]
    return next((window for window in framed if window.id == id), framed[0] if framed else None)


def _match(window: Window, tops: Sequence[Node]) -> Node | None:
    """The program's own description of the window."""
    own = [top for top in tops if top.is_showing and (top.process == window.process or not window.process)]
    named = [top for top in own if top.name == window.title.strip()]
    return min(named or own, key=lambda top: _distance(window.box, top.box), default=None)


def _distance(one: Box, other: Box | None) -> int:
    return 1 << 20 if other is None else sum(abs(a - b) for a, b in zip(one, other, strict=True))


def _is_open_over(top: Node, process: int, popups: Sequence[Window]) -> bool:
    """Whether the program's window is a menu or a list that is open now."""
    is_popup = any(popup.process == top.process for popup in popups) and top.role in ("window", "menu", "popup menu")
    return is_popup and top.process == process and (top.is_showing or top.role != "window")


def _can_pop(element: Element) -> bool:
    """Whether it can be in a popup: the elements of the window lie under one as well."""
    node = element.node
    if node is None:
        return False
    roles = [one.role for one in node.above()]
    is_item = element.kind in ("menu-item", "menu", "option", "list-item", "cell", "label", "button", "icon", "entry")
    is_on_bar = "menu bar" in roles[:1]
    return is_item and not is_on_bar and bool({"menu", "popup menu", "combo box", "window"} & set(roles))


def _line_of(window: Window, top: Node | None, *, is_active: bool = False) -> Element:
    kind = DIALOG if (top is not None and top.role in ("dialog", "alert", "file chooser", "color chooser")) else WINDOW
    box = None if window.is_hidden else window.box
    return Element(kind, window.title, "", is_active, False, box, None, window.id)


def _area(size: tuple[int, int], active: Window | None, popups: Sequence[Window]) -> Box:
    """The active window with its frame and what is open over it, as far as the screen goes; without a window all of it."""
    if active is None:
        return Box(0, 0, *size)
    whole = _around([active.box, *(popup.box for popup in popups)])
    left, top = max(0, whole.x - 2), max(0, whole.y - 24)
    right, bottom = min(size[0], whole.x + whole.width + 2), min(size[1], whole.y + whole.height + 6)
    return Box(left, top, right - left, bottom - top) if right > left and bottom > top else Box(0, 0, *size)


def _around(boxes: Sequence[Box]) -> Box:
    left, top = min(box.x for box in boxes), min(box.y for box in boxes)
    right, bottom = max(box.x + box.width for box in boxes), max(box.y + box.height for box in boxes)
    return Box(left, top, right - left, bottom - top)
