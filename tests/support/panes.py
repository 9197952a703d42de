"""A pane in memory: a window with two buttons, whose picture can be read. It may tell its elements, or nothing."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import replace

from grokputer.domain.events import Capability
from grokputer.domain.page.messages import Box, Page
from grokputer.domain.page.words import Word
from grokputer.domain.ports import Environment

PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 200, 100) + b"\x08\x02\x00\x00\x00"
WINDOW, SAVE, QUIT = "window*:Draft[1]", "button:Save all[2]", "button:Quit[3]"
TREE = (WINDOW, SAVE, QUIT)
BOXES = (Box(0, 0, 200, 20), Box(10, 30, 60, 14), Box(110, 30, 30, 14))
WORDS = (
    Word("Draft", 0.99, Box(5, 4, 40, 12)),
    Word("Save", 0.98, Box(10, 30, 30, 12)),
    Word("all", 0.7, Box(44, 30, 20, 12)),
    Word("Quit", 0.97, Box(110, 30, 30, 12)),
)
READ = ("text:Draft[1]", "text:Save all[2]", "text:Quit[3]")
"""The lines of the words."""


class Pane(Environment):
    """The task is to save: a press within the button's box. ``has_tree`` says whether it tells its elements."""

    capabilities = frozenset({Capability.VERIFIES, Capability.SEEDS})

    def __init__(self, words: Sequence[Word] = WORDS, *, has_tree: bool = True) -> None:
        self._words, self._has_tree = tuple(words), has_tree
        self.reads = 0
        self.pressed: list[Box | None] = []

    def tasks(self) -> Sequence[str]:
        return ("save",)

    def is_readable(self) -> bool:
        return True

    def reset(self, task: str, seed: int) -> Page:
        lines = TREE if self._has_tree else (WINDOW,)
        self._page = Page("Save the draft", lines, picture=PNG, boxes=BOXES[: len(lines)])
        return self._page

    def words(self) -> Sequence[Word]:
        self.reads += 1
        return self._words

    def see(self, lines: Sequence[str], boxes: Sequence[Box | None]) -> Page:
        self._page = replace(self._page, lines=tuple(lines), boxes=tuple(boxes))
        return self._page

    def act(self, action: str) -> Page:
        if action == "DONE":
            return replace(self._page, is_done=True, reward=-1.0)
        named = [
            place for line, place in zip(self._page.lines, self._page.boxes, strict=True) if action == f"CLICK{line}"
        ]
        self.pressed += named
        if not named or named[0] is None:
            return replace(self._page, error=f"cannot do {action}")
        x, y = named[0].x + named[0].width // 2, named[0].y + named[0].height // 2
        save = BOXES[1]
        is_done = save.x <= x <= save.x + save.width and save.y <= y <= save.y + save.height
        return replace(self.reset("save", 0), is_done=is_done, reward=float(is_done))

    def beside(self, seat: int) -> Pane:
        return Pane(self._words, has_tree=self._has_tree)
