"""Pictures of the screen: kept with the steps that saw them, once each, as the setting says, and erased with their run."""

from __future__ import annotations

import base64
import io
from contextlib import closing
from pathlib import Path

import pytest
from asking import Answering, runner
from command_line import output
from PIL import Image

from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.events import Capability, Screen
from grokputer.domain.page.messages import Box, Completion, Page
from grokputer.domain.ports import Environment
from grokputer.runners.agent.runner import Task
from grokputer.runners.agent.screens import size_of
from grokputer.runners.archive.erasure import Target, erase
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

    def __init__(self) -> None:
        self.clicks = 0

    def reset(self, task: str, seed: int) -> Page:
        return self._page()

    def act(self, action: str) -> Page:
        self.clicks += 1
        return self._page()

    def beside(self, seat: int) -> Screened:
        return self

    def _page(self) -> Page:
        return Page("Press it.", ("button:Ok[1]",), self.clicks == 2, picture=draw(90), boxes=(BOX,))


def play(ledger: Ledger, answers: tuple[str, ...] = ("CLICKbutton:Ok[1]", "nothing")) -> TaskRun:
    """A run of two steps on the screen."""
    given = iter(answers)
    model = Answering(lambda: Completion(next(given), 1, 1, 1))
    run = runner(ledger, model).run(Task("desktop", "press"), Screened(), process_new_events(ledger))
    process_new_events(ledger)
    return run


def screens_of(run: TaskRun) -> list[Screen]:
    screens = [step.screen for step in run.steps]
    assert None not in screens
    return [screen for screen in screens if screen is not None]


def test_a_step_has_the_picture_that_it_was_decided_on_and_the_place_of_its_element(tmp_path: Path) -> None:
    with closing(Ledger.create(tmp_path / "events.db")) as ledger:
        clicked, unread = screens_of(play(ledger))
        assert (clicked["width"], clicked["height"], clicked["box"], unread["box"]) == (120, 80, tuple(BOX), None)
        assert clicked["picture"] is not None
        url = ledger.get_content(clicked["picture"]) or ""
        assert base64.b64decode(url.removeprefix("data:image/png;base64,")) == draw(90)


def test_a_screen_that_looks_the_same_is_kept_once_in_all_runs(tmp_path: Path) -> None:
    with closing(Ledger.create(tmp_path / "events.db")) as ledger:
        assert len({screen["picture"] for run in (play(ledger), play(ledger)) for screen in screens_of(run)}) == 1


@pytest.mark.parametrize("kept", ["reads", "none"])
def test_where_pictures_are_not_kept_the_steps_still_say_where_their_element_was(tmp_path: Path, kept: str) -> None:
    with closing(Ledger.create(tmp_path / "events.db")) as ledger:
        output("settings", "set", "log.screenshots", kept, db=ledger.path)
        first, second = screens_of(play(ledger))
        assert first == {"picture": None, "width": 120, "height": 80, "box": tuple(BOX)}
        assert second["picture"] is None


def test_the_pictures_of_a_run_are_erased_with_it(tmp_path: Path) -> None:
    with closing(Ledger.create(tmp_path / "events.db")) as ledger:
        run = play(ledger)
        erase(ledger, Target(run=run.id.hex), "asked for", "bob")
        assert {ledger.get_content(str(screen["picture"])) for screen in screens_of(run)} == {None}


def test_what_is_no_png_has_no_size() -> None:
    with pytest.raises(ValueError, match="not a PNG"):
        size_of(b"GIF89a")
