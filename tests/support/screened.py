"""An environment that is a screen with one button, and runs on it."""

from __future__ import annotations

import io

from asking import Answering, runner
from PIL import Image

from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.events import Capability
from grokputer.domain.page.messages import Box, Completion, Page
from grokputer.domain.ports import Environment
from grokputer.runners.agent.runner import Task
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.store.ledger import Ledger

BOX = Box(10, 20, 60, 24)


def draw(shade: int) -> bytes:
    """A small picture of one grey."""
    file = io.BytesIO()
    Image.new("L", (120, 80), shade).save(file, "PNG")
    return file.getvalue()


class Screened(Environment):
    """A screen with one button, which looks the same before each of two clicks."""

    capabilities = frozenset[Capability]()

    def __init__(self, asked: str = "Press it.") -> None:
        self.asked = asked
        self.clicks = 0

    def reset(self, task: str, seed: int) -> Page:
        return self._page()

    def act(self, action: str) -> Page:
        self.clicks += 1
        return self._page()

    def beside(self, seat: int) -> Screened:
        return self

    def _page(self) -> Page:
        return Page(self.asked, ("button:Ok[1]",), self.clicks == 2, picture=draw(90), boxes=(BOX,))


def play(
    ledger: Ledger, answers: tuple[str, ...] = ("CLICKbutton:Ok[1]", "nothing"), asked: str = "Press it."
) -> TaskRun:
    """A run of two steps on the screen."""
    given = iter(answers)
    model = Answering(lambda: Completion(next(given), 1, 1, 1))
    run = runner(ledger, model).run(Task("desktop", "press"), Screened(asked), process_new_events(ledger))
    process_new_events(ledger)
    return run
