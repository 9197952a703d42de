"""From an action on a line to BrowserGym's own actions."""

from __future__ import annotations

from .....domain.page.action import Action
from ..hands.keys import MODIFIERS, read_keys
from .lines import Target

WHEEL = {"up": (0, -400), "down": (0, 400), "left": (-400, 0), "right": (400, 0)}
"""Pixels of one SCROLL, as two turns of a wheel."""

WAIT_MS = 1000
NAMES = {"alt": "Alt", "ctrl": "Control", "control": "Control", "meta": "Meta", "cmd": "Meta", "shift": "Shift"}
NOTHING = Target("")


class CannotDo(Exception):
    """The action cannot be done with this line; the message says why."""


def write_call(action: Action, target: Target = NOTHING, onto: Target = NOTHING) -> str:
    """The lines of BrowserGym's actions; ``onto`` is where DRAG drops. Raises ``CannotDo``."""
    if action.verb == "DONE":
        return "send_msg_to_user('Done.')"
    if action.verb == "WAIT":
        return f"noop({WAIT_MS})"
    if action.verb == "KEY":
        return f"keyboard_press({_write_keys(action.text)!r})"
    if action.verb == "SCROLL":
        over = f"hover({target.bid!r})\n" if target.bid else ""
        return "{}scroll({}, {})".format(over, *WHEEL[action.text])
    if target.kind == "answer":
        if action.verb != "TYPE":
            raise CannotDo("the answer to the person is typed: TYPE, its line, and the words")
        return f"send_msg_to_user({action.text!r})"
    if target.tab is not None:
        return f"tab_focus({target.tab})"
    if not target.bid:
        raise CannotDo("nothing can be done with this line; it is there to be read")
    return _write_on_element(action, target, onto)


def _write_on_element(action: Action, target: Target, onto: Target) -> str:
    bid = target.bid
    if action.verb == "TYPE":
        return f"fill({bid!r}, {action.text!r})"
    if action.verb == "DOUBLE":
        return f"dblclick({bid!r})"
    if action.verb == "RIGHT":
        return f"click({bid!r}, button='right')"
    if action.verb == "DRAG":
        if not onto.bid:
            raise CannotDo("nothing can be dropped on that line; it is there to be read")
        return f"drag_and_drop({bid!r}, {onto.bid!r})"
    if target.kind == "option" and target.within:
        return f"select_option({target.within!r}, {target.name!r})"
    return f"click({bid!r})"


def _write_keys(written: str) -> str:
    """The keys as Playwright names them. Raises ``CannotDo`` for what are none."""
    keys = read_keys(written)
    if keys is None:
        raise CannotDo(f"{written[:40]!r} are no keys; write them as ctrl+s or Enter")
    names = list(dict.fromkeys(NAMES[it] for it in keys.written.split("+")[:-1] if it in MODIFIERS))
    return "+".join([*names, "Space" if keys.key == " " else keys.key])
