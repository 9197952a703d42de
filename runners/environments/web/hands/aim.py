"""Where to press an element: scrolled into view, standing still, and with nothing else before it."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from ...senses.picture import differs
from ..browser.connection import CommandFailed
from ..browser.tab import Session
from ..browser.visit import Visit
from ..page.lines import Spot
from ..page.look import take_picture
from ..page.snapshot import Element

CHANGED = 0.08
"""Share of the pixels of a place that may differ from what was read; chosen: a caret that blinks in a short field."""

STILL_S = 1.0
"""How long an element may move until it is refused."""


class Missed(Exception):
    """The element cannot be pressed, and why, in words."""


class Point(NamedTuple):
    """A point of the tab's view, in pixels."""

    x: float
    y: float


def aim(visit: Visit, target: Element | Spot) -> Point | None:
    """The point to press for the element or the place that was read; None where the page opened a dialog. Raises ``Missed``."""
    return _aim_spot(visit, target) if isinstance(target, Spot) else _aim_element(visit, target)


def _aim_spot(visit: Visit, spot: Spot) -> Point | None:
    """The middle of a place that looks as it did when it was read."""
    now = take_picture(visit)
    if visit.is_stopped:
        return None
    if now is None or differs(spot.picture, now, spot.box, CHANGED):
        raise Missed("what was read there has changed")
    return Point(spot.box.x + spot.box.width / 2, spot.box.y + spot.box.height / 2)


def _aim_element(visit: Visit, element: Element) -> Point | None:
    session = visit.tab.sessions.get(element.session)
    if session is None:
        raise Missed("its frame is no longer there")
    try:
        visit.ask("DOM.scrollIntoViewIfNeeded", session.id, backendNodeId=element.node)
    except CommandFailed as error:
        raise Missed(_explain(str(error))) from None
    quads = _still_quads(visit, session, element.node)
    if quads is None:
        return None
    width, height = visit.measure()
    own = _inside(visit, session, element.node) | element.labels
    x, y = _offset(visit, session)
    for point in quads:
        seen = Point(point.x + x, point.y + y)
        if not (0 <= seen.x < width and 0 <= seen.y < height):
            continue
        if _hit(visit, session, point) in own and _is_open_above(visit, session, point):
            return seen
    if element.labels:
        return _aim_label(visit, element)
    raise Missed("something else lies over it, or it is out of view" if quads else "it has no place on the page")


def _aim_label(visit: Visit, element: Element) -> Point | None:
    """A field that is drawn by its label is pressed there."""
    for node in sorted(element.labels):
        label = Element(element.session, node, "label", can_act=True)
        try:
            return aim(visit, label)
        except Missed:
            continue
    raise Missed("something else lies over it, or it is out of view")


def _still_quads(visit: Visit, session: Session, node: int) -> list[Point] | None:
    """The middles of the element's boxes in its frame, once they no longer move; None for a dialog."""
    deadline, before = time.monotonic() + STILL_S, None
    while True:
        try:
            answer = visit.ask("DOM.getContentQuads", session.id, backendNodeId=node)
        except CommandFailed as error:
            raise Missed(_explain(str(error))) from None
        if answer is None:
            return None
        if answer["quads"] == before:
            return [_middle(quad) for quad in answer["quads"] if _is_large(quad)]
        if before is not None and time.monotonic() > deadline:
            raise Missed("it does not stand still")
        before = answer["quads"]
        time.sleep(0.02)


def _middle(quad: list[float]) -> Point:
    return Point(sum(quad[::2]) / 4, sum(quad[1::2]) / 4)


def _is_large(quad: list[float]) -> bool:
    return max(quad[::2]) - min(quad[::2]) >= 1 and max(quad[1::2]) - min(quad[1::2]) >= 1


def _inside(visit: Visit, session: Session, node: int) -> set[int]:
    """The browser's numbers of the element and all within it, in shadow trees and slots too."""
    try:
        answer = visit.ask("DOM.describeNode", session.id, backendNodeId=node, depth=-1, pierce=True)
    except CommandFailed as error:
        raise Missed(_explain(str(error))) from None
    found, waiting = set[int](), [answer["node"]] if answer else []
    while waiting:
        each: dict[str, Any] = waiting.pop()
        found.add(each["backendNodeId"])
        for key in ("children", "shadowRoots", "pseudoElements", "distributedNodes"):
            waiting += each.get(key, ())
    return found


def _hit(visit: Visit, session: Session, point: Point) -> int:
    """The node that a press at the point of the session's view meets; 0 for none."""
    try:
        metrics = visit.ask("Page.getLayoutMetrics", session.id)
        if metrics is None:
            return 0
        scrolled = metrics["cssLayoutViewport"]  # the browser wants to know the place in the document
        x, y = int(point.x + scrolled["pageX"]), int(point.y + scrolled["pageY"])
        answer = visit.ask("DOM.getNodeForLocation", session.id, x=x, y=y)
    except CommandFailed:
        return 0
    return int(answer["backendNodeId"]) if answer else 0


def _owner(visit: Visit, session: Session) -> tuple[int, Point] | None:
    """The node that holds the frame in its parent, and where its inside begins there."""
    assert session.parent is not None
    try:
        owner = visit.ask("DOM.getFrameOwner", session.parent.id, frameId=session.frame)
        node = int(owner["backendNodeId"]) if owner else 0
        model = visit.ask("DOM.getBoxModel", session.parent.id, backendNodeId=node) if node else None
    except CommandFailed:
        return None
    return (node, Point(*model["model"]["content"][:2])) if model else None


def _offset(visit: Visit, session: Session) -> Point:
    """Where the session's view begins in the tab's view."""
    x = y = 0.0
    while session.parent is not None:
        owner = _owner(visit, session)
        if owner is None:
            raise Missed("its frame is no longer there")
        x, y = x + owner[1].x, y + owner[1].y
        session = session.parent
    return Point(x, y)


def _is_open_above(visit: Visit, session: Session, point: Point) -> bool:
    """Whether nothing in the pages around the frame lies over the point."""
    while session.parent is not None:
        owner = _owner(visit, session)
        if owner is None:
            return False
        point = Point(point.x + owner[1].x, point.y + owner[1].y)
        session = session.parent
        if _hit(visit, session, point) != owner[0]:
            return False
    return True


def _explain(error: str) -> str:
    """Why the browser cannot find the element, in words."""
    if "layout" in error or "compute" in error or "box model" in error:
        return "it is not shown"
    return "it is no longer there"
