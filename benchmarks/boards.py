"""A board of buttons and fields in memory, on which a benchmark plays tasks of several parts without a browser or a shell.

The embedded model can press, and fill in, so what it lacks on a long task is only to know what comes next.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from grokputer.domain.events import Capability
from grokputer.domain.page.action import parse_action, write_action
from grokputer.domain.page.messages import Page
from grokputer.domain.page.plan import Goal, write_plan
from grokputer.domain.ports import Environment, PlannedScript, Script

BUTTONS = ("Send", "Print", "Save", "Copy", "Share", "Close", "Help", "Undo", "Mute", "Pause")
FIELDS = ("Name", "City", "Mail", "Phone", "Street", "Title")
WORDS = ("anna", "bob", "rome", "oslo", "blue", "green", "river", "stone", "tiger", "lamp", "apple", "pearl")

Part = tuple[str, str]
"""What is pressed or filled in, and the word; empty for a button."""


class Board(Environment):
    """Tasks ``3`` to ``6``, named by the number of their parts. One is done when all its parts are, and nothing else."""

    capabilities = frozenset({Capability.VERIFIES, Capability.SEEDS, Capability.DEMONSTRATIONS})

    def tasks(self) -> Sequence[str]:
        """By the number of parts."""
        return ("3", "4", "5", "6")

    def is_long(self, task: str) -> bool:
        """All are."""
        return True

    def reset(self, task: str, seed: int) -> Page:
        """A board with six buttons and four fields."""
        draw = random.Random(f"board/{task}/{seed}")
        self._named = draw.sample(BUTTONS, 6) + draw.sample(FIELDS, 4)
        draw.shuffle(self._named)
        words = iter(draw.sample(WORDS, len(FIELDS)))
        asked = draw.sample(self._named, int(task))
        self._wanted = {name: next(words) if name in FIELDS else "" for name in asked}
        self._state: dict[str, str] = {}
        return self._page()

    def act(self, action: str) -> Page:
        """Press or fill in. ``DONE`` ends the task."""
        lines, parsed = self._lines(), parse_action(action)
        if parsed is not None and parsed.verb == "DONE":
            return self._page(is_over=True)
        if parsed is None or not 1 <= parsed.number <= len(lines):
            return self._page(error="cannot read this action")
        name = self._named[parsed.number - 1]
        if (parsed.verb == "TYPE") != (name in FIELDS):
            return self._page(error=f"{name} does not take {parsed.verb}")
        self._state[name] = parsed.text
        return self._page()

    def demonstrate(self, task: str) -> Script:
        """The parts in their order."""
        return lambda page, history: _next(page)

    def demonstrate_plan(self, task: str) -> PlannedScript:
        """A goal for each part."""
        return _Shown()

    def beside(self, seat: int) -> Board:
        """Another board."""
        return Board()

    def _page(self, error: str = "", *, is_over: bool = False) -> Page:
        parts = [_say(name, word) for name, word in self._wanted.items()]
        is_done = self._state == self._wanted
        return Page(". ".join(parts), tuple(self._lines()), is_done or is_over, 1.0 if is_done else -1.0, error)

    def _lines(self) -> list[str]:
        return [f"{_show(name, self._state.get(name))}[{number}]" for number, name in enumerate(self._named, 1)]


class _Shown(PlannedScript):
    """How a board's task is done."""

    def plan(self, page: Page) -> str:
        """A goal for each part, with its line once it is done."""
        return write_plan([Goal(_say(*part), _show(*part)) for part in _parts(page.task)])

    def act(self, page: Page, history: Sequence[str], goal: str) -> str:
        """The part's one action."""
        return _act(page, _parts(goal)[0])


def _say(name: str, word: str) -> str:
    return f"Type {word} into {name}" if word else f"Press {name}"


def _show(name: str, state: str | None) -> str:
    """The line of the button or field, without its number; None before anything was done with it."""
    if name in FIELDS:
        return f"input.text={state}:{name}" if state else f"input.text:{name}"
    return f"button:{name}" if state is None else f"button*:{name}"


def _parts(task: str) -> list[Part]:
    """The parts that the words ask for."""
    found = []
    for part in task.split(". "):
        verb, *rest = part.split()
        found.append((rest[0], "") if verb == "Press" else (rest[2], rest[0]))
    return found


def _next(page: Page) -> str:
    """The action for the first part that the page does not show as done."""
    shown = [line.rpartition("[")[0] for line in page.lines]
    left = [part for part in _parts(page.task) if _show(*part) not in shown]
    if not left:
        raise ValueError("all parts are done, and more")
    return _act(page, left[0])


def _act(page: Page, part: Part) -> str:
    name, word = part
    line = next(line for line in page.lines if line.rpartition("[")[0].endswith(f":{name}"))
    return write_action("TYPE" if word else "CLICK", line, word)
