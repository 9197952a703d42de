"""What the agent does to a page: presses, text, keys and the wheel, as real input of the browser.

Each function does one thing and returns why it could not be done, in words; empty where it was.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from .....domain.page.action import Action
from ..browser.connection import CommandFailed
from ..browser.tab import Tab
from ..browser.visit import Visit
from ..network.hosts import BadAddress
from ..page.lines import Shown, Spot, clean
from ..page.snapshot import Element, takes_text
from .aim import Missed, Point, aim
from .keys import OF_THE_BROWSER, read_keys
from .windows import answer_dialog, choose_file, give_file, use_key

WAIT_S = 1.0
"""How long WAIT lasts; chosen."""

WHEEL = {"up": (0, -0.8), "down": (0, 0.8), "left": (-0.8, 0), "right": (0.8, 0)}
"""Which part of the view a turn of the wheel moves; chosen: a little stays in view."""

DRAG_STEPS = 5

SET_BY_VALUE = ("date", "time", "month", "week", "datetime-local", "color", "range")
"""Fields with parts of their own, which no text can be typed into."""

NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)(e[+-]?\d+)?", re.IGNORECASE)
"""What can be typed into a field of numbers, in any language."""

SET_VALUE = """function (value) {
  this.value = value;
  for (const name of ["input", "change"]) this.dispatchEvent(new Event(name, { bubbles: true }));
  return this.value;
}"""

CHOOSE = """function () {
  const list = this.closest("select");
  if (!list || list.disabled || this.disabled) return "it cannot be chosen";
  list.focus();
  this.selected = !(list.multiple && this.selected);
  for (const name of ["input", "change"]) list.dispatchEvent(new Event(name, { bubbles: true }));
  return "";
}"""
"""Where several can be chosen, choosing again takes back. A closed list has no place to press, so it is set as the browser
itself would set it."""

CHOOSE_BY_TEXT = """function (text) {
  const words = (option) => option.text.replace(/\\s+/g, " ").trim();
  const found = [...this.options].find((option) => words(option) === text);
  if (!found || found.disabled) return "it has no option of this text";
  this.focus();
  found.selected = true;
  for (const name of ["input", "change"]) this.dispatchEvent(new Event(name, { bubbles: true }));
  return "";
}"""


def perform(visit: Visit, shown: Sequence[Shown], action: Action) -> str:
    """Carry out the action on a page with these lines. Raises ``Lost``."""
    if action.verb == "WAIT":
        visit.connection.wait(lambda: visit.is_stopped, WAIT_S)
        return ""
    for number in (action.number, action.target):
        if number < 0 or number > len(shown):
            return f"there is no [{number}]"
    line = shown[action.number - 1] if action.number else None
    if line is not None and line.element is None and line.spot is None:
        return _use_browser(visit, line, action)
    if visit.dialog is not None or visit.chooser is not None:
        return "a dialog is open; answer it first"
    try:
        if line is not None and line.spot is not None:
            why = _perform_on_spot(visit, shown, line.spot, action)
        else:
            why = _perform(visit, shown, line.element if line else None, action)
    except Missed as missed:
        why = str(missed)
    except CommandFailed as error:
        why = f"the browser cannot do it ({clean(str(error))})"
    where = f" [{action.number}]" if action.number else ""
    return f"cannot {action.verb}{where}: {why}" if why else ""


def _perform(visit: Visit, shown: Sequence[Shown], element: Element | None, action: Action) -> str:
    if action.verb == "KEY":
        return _press_keys(visit, action.text)
    if action.verb == "SCROLL":
        return _scroll(visit, element, action.text)
    if element is None:
        return "it names no element"
    if element.is_disabled:
        return "it is disabled"
    match action.verb:
        case "TYPE":
            return _type(visit, element, action.text)
        case "SELECT" if element.kind != "option":
            return "it is not an option of a list"
        case "SELECT" | "CLICK" if element.kind == "option":
            return _choose(visit, element)
        case "DRAG":
            target = shown[action.target - 1].element
            return "nothing can be dropped there" if target is None else _drag(visit, element, target)
        case _:
            return _click(visit, element, action.verb)


def _perform_on_spot(visit: Visit, shown: Sequence[Shown], spot: Spot, action: Action) -> str:
    """An action on a line that was read: what takes text, or is an option, cannot be known from a picture."""
    match action.verb:
        case "TYPE":
            why = _click(visit, spot, "CLICK")
            if not why and not visit.is_stopped and action.text:
                visit.ask("Input.insertText", text=action.text)
            return why
        case "SCROLL":
            return _scroll(visit, spot, action.text)
        case "DRAG":
            target = shown[action.target - 1].spot
            return "nothing can be dropped there" if target is None else _drag(visit, spot, target)
        case "SELECT":
            return "it is not an option of a list"
        case _:
            return _click(visit, spot, action.verb)


# ---- Lines of the browser itself ---------------------------------------------------------------------------------------


def _use_browser(visit: Visit, line: Shown, action: Action) -> str:
    """An action on a line that is no element of a page."""
    name, _, rest = line.name.partition(" ")
    if action.verb == "TYPE" and name == "address":
        try:
            return visit.open(_whole_url(action.text.strip(), visit.tab.url))
        except BadAddress as error:
            return str(error)
    if action.verb == "TYPE" and name == "answer" and visit.dialog is not None:
        visit.dialog.answer = action.text
        return ""
    if action.verb != "CLICK" or name in ("", "address", "status", "download", "refused", "left-out", "answer"):
        return f"cannot {action.verb} [{action.number}]: it is only there to be read"
    if name == "tab" and (tab := visit.tabs.get(rest)) is not None:
        visit.show(tab)
    elif name in ("accept", "dismiss"):
        answer_dialog(visit, is_accepted=name == "accept")
    elif name == "cancel":
        visit.chooser = None
    elif name == "file":
        return choose_file(visit, rest)
    return ""


def _whole_url(written: str, current: str) -> str:
    """The URL with its scheme: without one, that of the current page on the same host and port, else ``https``."""
    if "://" in written:
        return written
    host = written.partition("/")[0].lower()
    return f"http://{written}" if current.startswith(f"http://{host}/") else f"https://{written}"


# ---- The mouse ---------------------------------------------------------------------------------------------------------


def _mouse(visit: Visit, tab: Tab, kind: str, point: Point, **more: Any) -> bool:
    """Send an event of the mouse; False where the page opened a dialog."""
    assert tab.main is not None
    return visit.ask("Input.dispatchMouseEvent", tab.main.id, type=kind, x=point.x, y=point.y, **more) is not None


def _click(visit: Visit, element: Element | Spot, verb: str) -> str:
    point, tab = aim(visit, element), visit.tab
    if point is None or not _mouse(visit, tab, "mouseMoved", point):
        return ""
    button, buttons = ("right", 2) if verb == "RIGHT" else ("left", 1)
    for count in (1, 2) if verb == "DOUBLE" else (1,):
        for kind, held in (("mousePressed", buttons), ("mouseReleased", 0)):
            if not _mouse(visit, tab, kind, point, button=button, buttons=held, clickCount=count):
                return ""
    return ""


def _drag(visit: Visit, element: Element | Spot, onto: Element | Spot) -> str:
    end, start = aim(visit, onto), aim(visit, element)  # the latter last, so that it is in view
    end = aim(visit, onto) if end is not None and start is not None and not _is_seen(visit, end) else end
    if start is None or end is None:
        return ""
    tab = visit.tab
    tab.drag = None
    _mouse(visit, tab, "mouseMoved", start)
    _mouse(visit, tab, "mousePressed", start, button="left", buttons=1, clickCount=1)
    for step in range(1, DRAG_STEPS + 1):
        share = step / DRAG_STEPS
        between = Point(start.x + (end.x - start.x) * share, start.y + (end.y - start.y) * share)
        if not _mouse(visit, tab, "mouseMoved", between, button="left", buttons=1):
            return ""
    if tab.drag is not None:  # the page has things to drag, which the browser itself would carry
        for kind in ("dragEnter", "dragOver", "drop"):
            visit.ask("Input.dispatchDragEvent", type=kind, x=end.x, y=end.y, data=tab.drag)
    _mouse(visit, tab, "mouseReleased", end, button="left", buttons=0, clickCount=1)
    return ""


def _is_seen(visit: Visit, point: Point) -> bool:
    width, height = visit.size
    return 0 <= point.x < width and 0 <= point.y < height


def _scroll(visit: Visit, element: Element | Spot | None, direction: str) -> str:
    width, height = visit.measure()
    point = Point(width / 2, height / 2) if element is None else aim(visit, element)
    if point is not None:
        x, y = WHEEL[direction]
        _mouse(visit, visit.tab, "mouseWheel", point, deltaX=x * width, deltaY=y * height)
    return ""


# ---- Text and keys -----------------------------------------------------------------------------------------------------


def _press(visit: Visit, written: str) -> bool:
    """Press keys in the page; False where the page opened a dialog."""
    keys = read_keys(written)
    assert keys is not None
    return all(visit.ask("Input.dispatchKeyEvent", **event) is not None for event in keys.events())


def _press_keys(visit: Visit, written: str) -> str:
    keys = read_keys(written)
    if keys is None:
        return f"{written[:40]!r} names no keys; there are single letters, names as Enter, Tab and Escape, and ctrl+a"
    if (command := OF_THE_BROWSER.get(keys.written)) is not None:
        return use_key(visit, command)
    _press(visit, written)
    return ""


def _type(visit: Visit, element: Element, text: str) -> str:
    """Put the text in the place of what is in the field."""
    if element.kind == "select":
        return _call(visit, element, CHOOSE_BY_TEXT, " ".join(text.split()))
    if element.kind == "input.file":
        return give_file(visit, element.session, element.node, text.strip())
    if element.kind.removeprefix("input.") in SET_BY_VALUE:
        aim(visit, element)
        taken = _call(visit, element, SET_VALUE, text.strip())
        return "" if taken == text.strip() else f"the field does not take {text.strip()[:40]!r}"
    if element.kind == "input.number" and not _is_number(text):
        return f"the field takes a number and not {text.strip()[:40]!r}"
    if not takes_text(element.kind):
        return "it takes no text"
    _click(visit, element, "CLICK")
    if visit.is_stopped or not _press(visit, "ctrl+a"):
        return ""
    if text:
        visit.ask("Input.insertText", text=text)
    else:
        _press(visit, "delete")
    return ""


def _is_number(text: str) -> bool:
    """Whether a field of numbers takes the text; it takes none too."""
    return NUMBER.fullmatch(text.strip()) is not None or not text.strip()


def _choose(visit: Visit, option: Element) -> str:
    return _call(visit, option, CHOOSE)


def _call(visit: Visit, element: Element, function: str, *arguments: str) -> str:
    """What the function of JavaScript says, called on the element. Raises ``Missed`` for one that is gone."""
    try:
        resolved = visit.ask("DOM.resolveNode", element.session, backendNodeId=element.node)
    except CommandFailed:
        raise Missed("it is no longer there") from None
    if resolved is None:
        return ""
    answer = visit.ask(
        "Runtime.callFunctionOn",
        element.session,
        functionDeclaration=function,
        objectId=resolved["object"]["objectId"],
        arguments=[{"value": argument} for argument in arguments],
        returnByValue=True,
    )
    said = answer["result"].get("value", "") if answer else ""
    return clean(said) if isinstance(said, str) else ""
