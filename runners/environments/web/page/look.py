"""A look at a visit: its lines with what they stand for, and its picture."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from .....domain.page.line import write
from .....domain.page.messages import Box
from ..browser.connection import CommandFailed
from ..browser.tab import Session
from ..browser.visit import Lost, Visit
from .lines import MOST_LINES, Shown, box_of, choose, clean, write_element
from .reading import read_documents
from .snapshot import STYLES, Element, Rect

MOST_FILES = 20
"""Files that a page's request for files offers."""

READ_S = 30.0
"""How long reading a page may take; chosen: one of a hundred thousand nodes takes a third of it on a busy machine."""

PICTURE_S = 4.0
"""How long a picture may take; chosen: a busy machine needs half a second."""

MOST_REFUSED = 3
"""Refusals that a line names."""


@dataclass(frozen=True)
class Look:
    """What the page shows at one moment."""

    shown: tuple[Shown, ...] = ()
    picture: bytes | None = field(default=None, repr=False)
    boxes: tuple[Box | None, ...] = ()

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines of the page."""
        return tuple(each.line for each in self.shown)


class _Lines:
    """Lines that are being written, each with its number."""

    def __init__(self) -> None:
        self.shown: list[Shown] = []

    def add(self, name: str, kind: str, text: str = "", value: str = "", *, is_on: bool = False) -> None:
        """A line of the browser itself."""
        line = write(len(self.shown) + 1, kind, clean(text), clean(value), is_on=is_on)
        self.shown.append(Shown(line, None, name))

    def add_element(self, element: Element) -> None:
        """The line of an element."""
        self.shown.append(Shown(write_element(len(self.shown) + 1, element), element))


def look(visit: Visit, refused: Sequence[str] = (), *, has_picture: bool = True) -> Look:
    """What the visit shows now. Raises ``Lost``."""
    lines, view = _Lines(), Rect(0, 0, *visit.measure())
    _add_browser(lines, visit, refused)
    if visit.dialog is not None:
        _add_dialog(lines, visit)
        return Look(tuple(lines.shown))
    if visit.chooser is not None:
        _add_chooser(lines, visit)
        return Look(tuple(lines.shown))
    elements = _elements(visit, view)
    if elements is None:  # a dialog has opened meanwhile
        return look(visit, refused, has_picture=has_picture)
    chosen, left = choose(elements, MOST_LINES - len(lines.shown))
    if not _name(visit, chosen):
        return look(visit, refused, has_picture=has_picture)
    for element in chosen:
        lines.add_element(element)
    if left:
        lines.add("left-out", "left-out", f"{left} more lines; SCROLL shows them")
    picture = take_picture(visit) if has_picture else None
    boxes = tuple(box_of(each.element, view) for each in lines.shown) if picture else ()
    return Look(tuple(lines.shown), picture, boxes)


def _add_browser(lines: _Lines, visit: Visit, refused: Sequence[str]) -> None:
    tab = visit.tab
    if len(visit.tabs) > 1:
        for each in visit.tabs.values():
            visit.refresh(each)
            lines.add(f"tab {each.target}", "tab", each.title or each.url, is_on=each is tab)
    lines.add("address", "address", tab.url)
    if tab.is_loading and visit.dialog is None:
        lines.add("status", "status", "still loading")
    for download in list(visit.downloads.known.values())[-5:]:
        state = f"{download.state}, {download.why}" if download.why else download.state
        lines.add("download", "download", download.name, state)
    if refused:
        more = f" and {len(refused) - MOST_REFUSED} more" if len(refused) > MOST_REFUSED else ""
        lines.add("refused", "refused", "; ".join(refused[:MOST_REFUSED]) + more)


def _add_dialog(lines: _Lines, visit: Visit) -> None:
    dialog = visit.dialog
    assert dialog is not None
    if dialog.kind == "beforeunload":
        lines.add("", "dialog", "Leave this page? What was changed may be lost.")
        lines.add("accept", "button", "Leave")
        lines.add("dismiss", "button", "Stay")
        return
    lines.add("", "dialog", dialog.message)
    if dialog.kind == "prompt":
        lines.add("answer", "input.text", "answer", dialog.answer)
    lines.add("accept", "button", "OK")
    if dialog.kind != "alert":
        lines.add("dismiss", "button", "Cancel")


def _add_chooser(lines: _Lines, visit: Visit) -> None:
    files = visit.downloads.files()
    lines.add("", "dialog", "Which file?" if files else "Which file? There is none in the folder of this run.")
    for name in files[:MOST_FILES]:
        lines.add(f"file {name}", "file", name)
    lines.add("cancel", "button", "Cancel")


def _elements(visit: Visit, view: Rect) -> list[Element] | None:
    """The elements of the active tab; None where the page opened a dialog."""
    main = visit.tab.main
    assert main is not None
    found = _read(visit, main, view)
    return None if found is None else list(found)


def _read(visit: Visit, session: Session, place: Rect) -> Iterator[Element] | None:
    """What is in a session's page, and in the frames of other sites within it."""
    try:
        snapshot = visit.ask("DOMSnapshot.captureSnapshot", session.id, timeout_s=READ_S, computedStyles=list(STYLES))
    except CommandFailed:  # the frame was left meanwhile
        return iter(())
    if snapshot is None:
        return None
    frames = _frames(visit, session)

    def foreign(node: int, place: Rect, view: Rect) -> Iterator[Element]:
        child = frames.get(node)
        inside = None if child is None else _read(visit, child, Rect(place.x, place.y, view.width, view.height))
        return inside or iter(())

    def border(node: int) -> tuple[float, float]:
        try:
            model = visit.ask("DOM.getBoxModel", session.id, backendNodeId=node)
        except CommandFailed:
            return 0.0, 0.0
        if model is None:
            return 0.0, 0.0
        outer, inner = model["model"]["border"], model["model"]["content"]
        return inner[0] - outer[0], inner[1] - outer[1]

    return read_documents(snapshot, session.id, place, foreign, border)


def _frames(visit: Visit, session: Session) -> dict[int, Session]:
    """The frames of other sites in the session's page, by the nodes that hold them."""
    found = {}
    for child in visit.tab.children(session):
        try:
            owner = visit.ask("DOM.getFrameOwner", session.id, frameId=child.frame)
        except CommandFailed:
            continue
        if owner is not None:
            found[int(owner["backendNodeId"])] = child
    return found


def _name(visit: Visit, elements: Sequence[Element]) -> bool:
    """Give the elements the names that the accessibility tree has for them; False where the page opened a dialog."""
    for element in elements:
        if element.kind == "option" or not element.can_act or (element.text and not element.wants_name):
            continue
        try:
            tree = visit.ask(
                "Accessibility.getPartialAXTree", element.session, backendNodeId=element.node, fetchRelatives=False
            )
        except CommandFailed:
            continue
        if tree is None:
            return False
        names = (node.get("name", {}).get("value", "") for node in tree["nodes"])
        element.text = next((str(name) for name in names if name), element.text)
    return True


def take_picture(visit: Visit) -> bytes | None:
    """What the active tab shows, as PNG."""
    try:
        shot = visit.ask("Page.captureScreenshot", timeout_s=PICTURE_S, format="png", optimizeForSpeed=True)
    except (CommandFailed, Lost):  # a page that draws nothing has no picture
        return None
    return None if shot is None else base64.b64decode(shot["data"])
