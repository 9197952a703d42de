"""The scripts of a long task: its plan, and the actions for each part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count

from ....domain.page.action import write_command
from ....domain.page.messages import Page
from ....domain.page.plan import Goal, write_plan
from ....domain.ports import Environment
from ..shell.environment import next_command
from .commands import CommandPart


@dataclass(frozen=True)
class Place:
    """Parts that are done in one environment, on one page."""

    environment: Environment
    task: str
    """Its name there."""
    seed: int
    commands: tuple[CommandPart, ...] = ()
    """Its parts where they are done by commands; else it is one part of another environment."""


@dataclass(frozen=True)
class Asked:
    """A long task as it was asked for: its places, and the first page of each."""

    places: Sequence[Place]
    pages: Sequence[Page]

    @property
    def goals(self) -> list[tuple[Goal, int, CommandPart | None]]:
        """The goals in their order, each with the number of its place, and its part where it is done by commands.

        When a place is done, the page is that of the next one, which says so. So this is what the last goal of the place shows.
        """
        found: list[tuple[Goal, int, CommandPart | None]] = []
        for number, (place, page) in enumerate(zip(self.places, self.pages, strict=True)):
            found += [(part.goal, number, part) for part in place.commands]
            if not place.commands:
                found.append((Goal(" ".join(page.task.split())), number, None))
            if number + 1 < len(self.places):
                goal, _, part = found[-1]
                found[-1] = (replace(goal, condition=say_done(number)), number, part)
        return found

    @property
    def request(self) -> str:
        """All parts in one request."""
        return f"Do this: {' Then '.join(goal.words for goal, _, _ in self.goals)}"

    def is_past(self, number: int, page: Page) -> bool:
        """Whether the page says that the place is done."""
        return Goal("", say_done(number)).holds_on(page)


def say_done(number: int) -> str:
    """The line, without its number, that says on later pages that the place is done."""
    return f"done:place {number + 1}"


class Guide:
    """The ``PlannedScript`` of a task, for whatever was asked for by its words; ``follow`` does the parts without a plan."""

    def __init__(self, find: Callable[[str], Asked]) -> None:
        self._find = find
        self._place = self._since = 0

    def plan(self, page: Page) -> str:
        """A goal for each part."""
        return write_plan([goal for goal, _, _ in self._find(page.task).goals])

    def act(self, page: Page, history: Sequence[str], goal: str) -> str:
        """The next action of the part with these words; ``DONE`` after its last."""
        asked = self._find(page.task)
        found = next((entry for entry in asked.goals if entry[0].words == goal), None)
        if found is None:
            raise ValueError(f"no part of the task is {goal!r}")
        _, number, part = found
        if part is None:
            return _in_place(asked, number, page, history)
        done = [action for action in history if action != "DONE"]
        try:
            return write_command(next_command(part.solution, page, done))
        except ValueError:
            return "DONE"

    def follow(self, page: Page, history: Sequence[str]) -> str:
        """The next action of the parts in their order. It is asked for each step, so that it sees where a place begins."""
        asked = self._find(page.task)
        place = next(number for number in count() if not asked.is_past(number, page))
        if place != self._place or not history:
            self._place, self._since = place, len(history) if place else 0
        return _in_place(asked, place, page, history[self._since :])


def _in_place(asked: Asked, number: int, page: Page, history: Sequence[str]) -> str:
    """The next action in the place, by its own script."""
    place = asked.places[number]
    if place.commands:
        solution = [command for part in place.commands for command in part.solution]
        return write_command(next_command(solution, page, history))
    return place.environment.demonstrate(place.task)(replace(page, task=asked.pages[number].task), history)
