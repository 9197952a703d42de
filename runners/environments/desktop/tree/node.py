"""One element of a program's window, as the program describes it for assistive technology."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from .....domain.page.messages import Box

STATES = (
    *("invalid", "active", "armed", "busy", "checked", "collapsed", "defunct", "editable", "enabled", "expandable"),
    *("expanded", "focusable", "focused", "has-tooltip", "horizontal", "iconified", "modal", "multi-line"),
    *("multiselectable", "opaque", "pressed", "resizable", "selectable", "selected", "sensitive", "showing"),
    *("single-line", "stale", "transient", "vertical", "visible", "manages-descendants", "indeterminate", "required"),
    *("truncated", "animated", "invalid-entry", "supports-autocompletion", "selectable-text", "is-default", "visited"),
    *("checkable", "has-popup", "read-only"),
)
"""The states by their bits. Source: AT-SPI 2, ``AtspiStateType``."""

POPUPS = ("menu", "popup menu", "combo box", "window")


@dataclass(eq=False)
class Node:
    """An element; ``bus`` and ``path`` are its address, and never change."""

    bus: str
    path: str
    parent: Node | None = None
    role: str = ""
    """AT-SPI's own name of the role, as ``push button``."""
    name: str = ""
    states: frozenset[str] = frozenset()
    box: Box | None = None
    """On the screen; None where it has no place."""
    text: str = ""
    value: float | None = None
    children: list[Node] = field(default_factory=list)
    process: int = 0

    @property
    def is_showing(self) -> bool:
        """Whether the program says that it is shown; another window may still cover it."""
        return "showing" in self.states

    def walk(self) -> Iterator[Node]:
        """The element and all below it, in the program's order."""
        yield self
        for child in self.children:
            yield from child.walk()

    def above(self) -> Iterator[Node]:
        """The elements that it lies in, the innermost first."""
        node = self.parent
        while node is not None:
            yield node
            node = node.parent


def states_of(words: list[int]) -> frozenset[str]:
    """The names of the states in the two numbers of an answer."""
    bits = words[0] | (words[1] << 32 if len(words) > 1 else 0)
    return frozenset(name for number, name in enumerate(STATES) if bits >> number & 1)
