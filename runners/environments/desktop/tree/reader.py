"""Reads the windows of programs: the active program's in depth, of all others that they are there."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from .....domain.page.messages import Box
from .bus import PREFIX, REGISTRY, ROOT, Call, TreeBus
from .node import Node, states_of

ACCESSIBLE = PREFIX + "Accessible"
NOWHERE = "/org/a11y/atspi/null"

MOST_NODES = 1500
"""Elements that are read at a time; chosen: ten times those of an editor."""

MOST_CHILDREN = 150
"""Elements of one list that are read; chosen: more than fit on a screen."""

MOST_OPTIONS = 20
"""Options of a closed list that are read; chosen."""

MOST_CHARACTERS = 2000
"""Characters of a text that are read; chosen: ten times what a line shows."""

LEAVES = frozenset(
    {
        *("push button", "button", "toggle button", "label", "separator", "image", "slider", "text", "entry", "icon"),
        *("password text", "check box", "radio button", "progress bar", "spin button", "scroll bar", "menu item"),
        *("check menu item", "radio menu item", "status bar", "terminal", "paragraph", "static"),
    }
)
"""Roles below which nothing is read."""

NAMELESS = frozenset(
    {"filler", "separator", "scroll pane", "viewport", "scroll bar", "layered pane", "split pane", "redundant object"}
)
"""Roles that only arrange others."""

TEXTS = frozenset(
    {"text", "entry", "password text", "spin button", "terminal", "paragraph", "editbar", "document text", "icon"}
)
"""Roles whose text is read. An icon of a file manager has its name there."""

VALUES = frozenset({"slider", "spin button", "progress bar", "level bar"})

CLOSED = frozenset({"menu", "combo box"})
"""Roles whose content is shown in a popup."""


class Reader:
    """Reads trees over one bus."""

    def __init__(self, bus: TreeBus) -> None:
        self._bus = bus
        self._roles: dict[tuple[str, str], str] = {}
        self._processes: dict[str, int] = {}
        self._programs: list[Node] = []

    def ping(self) -> None:
        """Return when every program of the last look has read what was sent to it so far, or does not answer."""
        self._bus.ask([Call(one.bus, one.path, ACCESSIBLE, "GetState") for one in self._programs])

    def forget(self) -> None:
        """Forget what is known of programs that have ended."""
        self._roles.clear()
        self._processes.clear()
        self._programs.clear()
        self._bus.silent.clear()

    def windows(self) -> list[Node]:
        """The windows, dialogs and popups of all programs that answer, without what is in them."""
        body = self._bus.ask([Call(REGISTRY, ROOT, ACCESSIBLE, "GetChildren")])[0]
        programs = [Node(bus, path) for bus, path in body[0]] if body else []
        self._programs = programs
        self._find_processes(programs)
        answers = self._bus.ask([Call(one.bus, one.path, ACCESSIBLE, "GetChildren") for one in programs])
        tops = [
            Node(bus, path, process=self._processes.get(program.bus, 0))
            for program, answer in zip(programs, answers, strict=True)
            if answer
            for bus, path in answer[0][:MOST_CHILDREN]
            if path != NOWHERE
        ]
        self._describe(tops)
        self._name(tops)
        self._place(tops)
        return tops

    def read(self, tops: Sequence[Node], popups: Sequence[Box] = ()) -> None:
        """Read what is in the windows, level by level. Menus are read only while one is open; ``popups`` are their places."""
        level, count = [*tops], 0
        while level and count < MOST_NODES:
            count += len(level)
            holders = [node for node in level if self._has_content(node, bool(popups))]
            answers = self._bus.ask([Call(node.bus, node.path, ACCESSIBLE, "GetChildren") for node in holders])
            level = []
            for node, answer in zip(holders, answers, strict=True):
                found = [Node(bus, path, node, process=node.process) for bus, path in (answer[0] if answer else ())]
                node.children = [child for child in found if child.path != NOWHERE][: self._most(node)]
                level += node.children
            self._describe(level)
            self._show(level, popups)
            self._name(level)
            for node in holders:
                node.children = [child for child in node.children if child.is_showing or _is_option(child)]
            level = [node for node in level if node.is_showing or _is_option(node)]
        nodes = [node for top in tops for node in top.walk()]
        self._place([node for node in nodes if node not in tops and node.role not in NAMELESS])

    def look_again(self, node: Node) -> Node | None:
        """The element as it is now; None where it is gone."""
        now = Node(node.bus, node.path, node.parent, process=node.process)
        self._roles.pop((node.bus, node.path), None)
        self._describe([now])
        self._name([now], is_any=True)
        self._place([now], is_any=True)
        return now if now.states and "defunct" not in now.states else None

    def select(self, holder: Node, number: int) -> bool:
        """Choose an option of a list by its number, from 0, without opening it; whether the program did."""
        interface = PREFIX + "Selection"
        answer = self._bus.ask([Call(holder.bus, holder.path, interface, "SelectChild", "i", (number,))])[0]
        return bool(answer and answer[0])

    def descriptions(self, nodes: Sequence[Node]) -> dict[Node, str]:
        """What the programs say of elements without a name, such as the words that a button shows under the pointer."""
        answers = self._bus.ask([self._bus.get(node.bus, node.path, "Accessible", "Description") for node in nodes])
        return {node: _text(answer) for node, answer in zip(nodes, answers, strict=True) if _text(answer)}

    def are_switches(self, nodes: Sequence[Node]) -> list[bool]:
        """Whether each cell of a table is a check box."""
        action = PREFIX + "Action"
        answers = self._bus.ask([Call(node.bus, node.path, action, "GetName", "i", (0,)) for node in nodes])
        return [bool(answer) and answer[0] == "toggle" for answer in answers]

    def _find_processes(self, programs: Collection[Node]) -> None:
        unknown = [program for program in programs if program.bus not in self._processes]
        bus = "org.freedesktop.DBus"
        calls = [
            Call(bus, "/org/freedesktop/DBus", bus, "GetConnectionUnixProcessID", "s", (one.bus,)) for one in unknown
        ]
        for program, answer in zip(unknown, self._bus.ask(calls), strict=True):
            if answer:
                self._processes[program.bus] = int(answer[0])

    def _describe(self, nodes: Sequence[Node]) -> None:
        """Find states and roles."""
        unknown = [node for node in nodes if (node.bus, node.path) not in self._roles]
        calls = [Call(node.bus, node.path, ACCESSIBLE, "GetState") for node in nodes]
        calls += [Call(node.bus, node.path, ACCESSIBLE, "GetRoleName") for node in unknown]
        answers = self._bus.ask(calls)
        for node, answer in zip(unknown, answers[len(nodes) :], strict=True):
            if answer:
                self._roles[node.bus, node.path] = str(answer[0])
        for node, answer in zip(nodes, answers, strict=False):
            node.states = states_of(answer[0]) if answer else frozenset()
            node.role = self._roles.get((node.bus, node.path), "")

    def _show(self, nodes: Sequence[Node], popups: Sequence[Box]) -> None:
        """Let the items of an open menu count as showing: GTK 2 calls them visible alone."""
        items = [node for node in nodes if popups and _is_item(node)]
        component = PREFIX + "Component"
        calls = [Call(node.bus, node.path, component, "GetExtents", "u", (0,)) for node in items]
        for node, answer in zip(items, self._bus.ask(calls), strict=True):
            if answer and within(_box(answer[0]), popups):
                node.states |= {"showing"}

    def _name(self, nodes: Sequence[Node], *, is_any: bool = False) -> None:
        """Find the names of what can make a line, or of any."""
        seen = [node for node in nodes if is_any or node.is_showing or _is_option(node)]
        named = [node for node in seen if node.role not in NAMELESS]
        names = self._bus.ask([self._bus.get(node.bus, node.path, "Accessible", "Name") for node in named])
        for node, name in zip(named, names, strict=True):
            node.name = _text(name)

    def _place(self, nodes: Sequence[Node], *, is_any: bool = False) -> None:
        """Find places, texts and values of what is showing, or of any."""
        calls, targets = list[Call](), list[tuple[Node, str]]()
        for node in nodes:
            if not (node.is_showing or is_any):
                continue
            component, text = PREFIX + "Component", PREFIX + "Text"
            calls.append(Call(node.bus, node.path, component, "GetExtents", "u", (0,)))
            targets.append((node, "box"))
            if node.role in TEXTS or (not node.name and node.role in ("table cell", "list item", "tree item")):
                calls.append(Call(node.bus, node.path, text, "GetText", "ii", (0, MOST_CHARACTERS)))
                targets.append((node, "text"))
            if node.role in VALUES:
                calls.append(self._bus.get(node.bus, node.path, "Value", "CurrentValue"))
                targets.append((node, "value"))
        for (node, what), answer in zip(targets, self._bus.ask(calls), strict=True):
            if what == "box" and answer:
                node.box = _box(answer[0])
            elif what == "text" and answer:
                node.text = str(answer[0])
            elif what == "value" and answer:
                node.value = float(answer[0][1])

    def _has_content(self, node: Node, has_popup: bool) -> bool:
        if node.role == "table cell":
            return not node.name  # one with a picture and a text has these below it
        if node.role in LEAVES or (not node.is_showing and node.role not in CLOSED):
            return False
        if node.role == "menu":
            return has_popup or any(one.role == "combo box" for one in node.above())
        return True

    def _most(self, node: Node) -> int:
        is_list = node.role == "combo box" or any(one.role == "combo box" for one in node.above())
        return MOST_OPTIONS if is_list else MOST_CHILDREN


def _is_option(node: Node) -> bool:
    """Whether it is one of a closed list, or what holds them."""
    return any(one.role == "combo box" for one in node.above())


def _is_item(node: Node) -> bool:
    """Whether it is in a menu, and its program says that it is visible but not that it shows."""
    is_in_menu = node.parent is not None and node.parent.role == "menu"
    return is_in_menu and not node.is_showing and "visible" in node.states


def within(box: Box | None, areas: Sequence[Box]) -> bool:
    """Whether the middle of the box lies in one of the areas."""
    if box is None:
        return False
    x, y = box.x + box.width // 2, box.y + box.height // 2
    return any(area.x <= x < area.x + area.width and area.y <= y < area.y + area.height for area in areas)


def _text(answer: Any) -> str:
    return str(answer[0][1]).strip() if answer else ""


def _box(extents: Sequence[int]) -> Box | None:
    x, y, width, height = extents
    return Box(x, y, width, height) if width > 0 and height > 0 and x > -20_000 and y > -20_000 else None
