"""Corrections by a script: a script that cannot read the page corrects nothing, and every other error is reported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.events import Capability
from grokputer.domain.page.messages import Page
from grokputer.domain.ports import Environment
from grokputer.runners.feedback.corrections import play_script
from story import Story


class Lamp(Environment):
    """A lamp with one switch."""

    capabilities = frozenset({Capability.VERIFIES, Capability.SEEDS})

    def __init__(self, fault: Exception | None = None) -> None:
        self.fault = fault

    def reset(self, task: str, seed: int) -> Page:
        """The lamp is off."""
        self.page = Page("Switch the lamp on.", ("button:On[1]",))
        return self.page

    def act(self, action: str) -> Page:
        """The switch ends the task."""
        if self.fault is not None:
            raise self.fault
        return replace(self.page, is_done=True, reward=1.0)

    def beside(self, seat: int) -> Lamp:
        """Another lamp."""
        return Lamp(self.fault)


def press(page: Page, history: Sequence[str]) -> str:
    return "CLICKbutton:On[1]"


def give_up(page: Page, history: Sequence[str]) -> str:
    raise ValueError(f"no line link: among {page.lines}")


@pytest.fixture
def story(tmp_path: Path) -> Story:
    story = Story(tmp_path / "events.db")
    story.run(succeeds=False)
    return story


def failed_run(story: Story) -> TaskRun:
    return story.ledger.get(TaskRun, story.runs[0])


def test_a_script_that_does_the_task_gives_its_steps(story: Story) -> None:
    steps = play_script(story.ledger, failed_run(story), Lamp(), press)
    assert steps is not None and [step.answer for step in steps] == ["CLICKbutton:On[1]"]


def test_a_script_that_cannot_read_the_page_gives_no_steps(story: Story) -> None:
    assert play_script(story.ledger, failed_run(story), Lamp(), give_up) is None


def test_a_value_error_of_the_environment_is_not_taken_for_a_page_that_cannot_be_read(story: Story) -> None:
    with pytest.raises(ValueError, match="the switch is broken"):
        play_script(story.ledger, failed_run(story), Lamp(ValueError("the switch is broken")), press)
