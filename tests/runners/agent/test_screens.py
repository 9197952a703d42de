"""Pictures of the screen: kept with the steps that saw them, once each, as the setting says, and erased with their run."""

from __future__ import annotations

import base64
from contextlib import closing
from pathlib import Path

import pytest
from command_line import output
from screened import BOX, draw, play

from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.events import Screen
from grokputer.runners.agent.screens import size_of
from grokputer.runners.archive.erasure import Target, erase
from grokputer.runners.store.ledger import Ledger


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
