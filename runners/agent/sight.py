"""What a run sees where it reads its screen: the words on each picture, and the lines that role ``ocr`` makes of them.

The engine finds the words. Their lines are those of ``words.lay_out``, and no model is asked, unless the role has an adapter
or a model of its own. A screen with the same words as the last one that was read keeps its lines and is not read again.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...domain.page.messages import Completion, Message, Page
from ...domain.page.reading import read_lines, tree_lines, write_lines_prompt
from ...domain.page.words import Layout, Word, lay_out
from ...domain.ports import Environment
from ...domain.rules.observing import find_confidence, is_bare, is_like_tree, is_read, recorded_observe
from ...domain.vocabulary import Finding, Observe, StepKind


@dataclass(frozen=True)
class Lesson:
    """What a reading should have been: the lines that the environment tells of the same picture."""

    messages: list[Message]
    lines: tuple[str, ...]


@dataclass(frozen=True)
class _Screen:
    """A picture that was read."""

    words: tuple[Word, ...]
    tree: tuple[str, ...]
    """The environment's own lines of it; empty where it tells almost none."""
    layout: Layout
    """The lines that the run sees."""
    took_ms: int


def sight_again(settings: Mapping[str, Any]) -> Sight | None:
    """The sight of another try at a run with these recorded settings; None where the run never read."""
    mode = recorded_observe(settings)
    return None if mode is None else Sight(mode, is_silent=True)


class Sight:
    """The sight of one run. ``is_asked`` says whether a model makes the lines.

    With ``is_silent`` reading is no step: the page has the lines of its words at once, as where a run is tried again.
    """

    def __init__(self, mode: Observe, *, is_asked: bool = False, is_silent: bool = False) -> None:
        self.mode, self.is_asked, self._is_silent = mode, is_asked, is_silent
        self.is_waiting = False
        """Whether the next step reads the page."""
        self.lessons: list[Lesson] = []
        """What the readings so far should have been, where the environment tells it."""
        self._screen: _Screen | None = None

    def look(self, environment: Environment, page: Page) -> Page:
        """The page as the run sees it, where the environment shows ``page``: one that is read has the lines of its words."""
        last, self._screen, self.is_waiting = self._screen, None, False
        if last is not None and page.lines == last.layout.lines and not page.is_done:
            self._screen = last  # the action did nothing, so the environment did not look again
            return page
        if not is_read(self.mode, page):
            return page
        began = time.perf_counter()
        words = tuple(environment.words())
        if not words:
            return page
        is_same = last is not None and last.words == words
        layout = last.layout if last is not None and is_same else lay_out(words)
        took_ms = round((time.perf_counter() - began) * 1000)
        self._screen = _Screen(words, () if is_bare(page) else tree_lines(page), layout, took_ms)
        self.is_waiting = not is_same and not self._is_silent
        return self._show(environment, page.error)

    @property
    def took_ms(self) -> int:
        """How long the engine took for the present page."""
        return 0 if self._screen is None else self._screen.took_ms

    def ask(self, page: Page) -> list[Message]:
        """The messages that ask for the lines of the page."""
        assert self._screen is not None
        return write_lines_prompt(page.task, self._screen.words)

    def answer_alone(self) -> Completion | None:
        """The answer to a reading that no model is asked for; None where the next step asks one."""
        if not self.is_waiting or self.is_asked:
            return None
        assert self._screen is not None
        return Completion("\n".join(self._screen.layout.lines), None, None, 0)

    def read(self, environment: Environment, messages: list[Message], answer: str) -> tuple[Page, Finding | None]:
        """Take the answer over as the lines of the page. One that cannot be read leaves those of the words."""
        assert self._screen is not None
        screen, self.is_waiting = self._screen, False
        layout = read_lines(answer, screen.words) if self.is_asked else screen.layout
        found = Finding.UNREADABLE if layout is None else None
        if layout is not None:
            self._screen = replace(screen, layout=layout)
        if screen.tree:
            self.lessons.append(Lesson(messages, screen.tree))
            if layout is not None and not is_like_tree(screen.tree, layout.lines, by_text=not self.is_asked):
                found = Finding.UNLIKE_TREE
        return self._show(environment, ""), found

    def confidence(self, answer: str | None, page: Page) -> float | None:
        """The lowest score of the read words that the act uses, or of all for a reading (None); None without such a word."""
        if self._screen is None:
            return None
        layout = self._screen.layout
        return layout.confidence if answer is None else find_confidence(answer, page, layout)

    def _show(self, environment: Environment, error: str) -> Page:
        assert self._screen is not None
        shown = environment.see(self._screen.layout.lines, self._screen.layout.boxes)
        return replace(shown, error=error)


def row_of_reading(messages: list[Message], lines: Sequence[str], role: str) -> dict[str, Any]:
    """One step of a correction, as it is stored: the lines are the right answer to the messages."""
    return {"messages": messages, "completion": "\n".join(lines), "role": role, "kind": str(StepKind.READ)}
