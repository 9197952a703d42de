"""The environments of web pages: tasks that are checked at their end, and any page with a task in words.

Each episode has a profile of its own in a browser that is started once. An episode ends with the action that does the task, or
with ``DONE``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from ....domain.errors import EnvironmentUnavailable
from ....domain.events import Capability
from ....domain.page.messages import Box, Page
from ....domain.page.words import Word
from ....domain.ports import Script
from ..of_tasks import OfTasks, Remembered
from ..senses.reader import shared_reader
from .browser.browsing import Browsing
from .browser.connection import CommandFailed, NoAnswer
from .episode import Episode
from .instance import Instance, Tasks, follow
from .page.lines import clean
from .words import AnyPage


class Web(OfTasks[Tasks, Episode]):
    """The ``Environment`` of tasks on pages that are checked at their end. The browser starts with the first episode."""

    def __init__(self, tasks: Tasks, *, is_headed: bool = False) -> None:
        super().__init__(tasks)
        self._browsing = Browsing(is_headed=is_headed)
        self._taken: int | None = None
        self._solutions = Remembered[tuple[str, ...]]()
        """Those beside this one have the same."""

    def reset(self, task: str, seed: int) -> Page:
        """Open the task's page in a new profile. Raises ``UnknownTask``; ``EnvironmentUnavailable`` where it does not open."""
        instance = self._tasks.make(task, seed, self._seat)
        self._solutions.add(task, instance.request, instance.solution)
        return self._begin(instance)

    @property
    def _seat(self) -> int:
        """The seat of this environment in its browser, taken with its first episode."""
        if self._taken is None:
            self._taken = self._browsing.seats.take(self)
        return self._taken

    def _begin(self, instance: Instance) -> Page:
        visit = self._browsing.visit(self._seat, instance.allowed, instance.files)
        self._episode = Episode(instance, visit)
        with _Ending(self):
            return self._episode.begin()

    def act(self, action: str) -> Page:
        """Carry out one action; the page's ``error`` says why one that cannot be read or done changed nothing.

        Raises ``EnvironmentUnavailable`` where the page crashed or does not answer; the episode is then over.
        """
        episode = self._playing()
        with _Ending(self):
            return episode.act(action)

    def is_readable(self) -> bool:
        """Its pages are pictures of the tab, but for dialogs of the browser."""
        return True

    def words(self) -> Sequence[Word]:
        """The words on the picture of the tab. Needs the extra ``read``."""
        picture = self._playing().page.picture
        read = () if picture is None else shared_reader().read(picture)
        words = (word._replace(text=clean(word.text)) for word in read)
        return [word for word in words if word.text]

    def see(self, lines: Sequence[str], boxes: Sequence[Box | None]) -> Page:
        """The page with lines that were read; a press goes to their places while these look as they did."""
        return self._playing().see(lines, boxes)

    def demonstrate(self, task: str) -> Script:
        """The solution, move by move. Raises ``UnknownTask`` for a task without one."""
        self._require_solution(task)
        return lambda page, history: follow(self._solutions.find(task, page.task), page, len(history))

    def beside(self, seat: int) -> Web:
        """An environment for a parallel episode in the same browser; see ``Environment.beside``."""
        other = type(self)(self._tasks)
        other._browsing, other._solutions = self._browsing, self._solutions
        return other

    def end(self) -> None:
        """End the episode and its profile."""
        self._episode = None
        if self._taken is not None:
            self._browsing.leave(self._taken)

    def close(self) -> None:
        """End the browser, with all profiles. The next reset starts a new one."""
        self._episode = None
        self._browsing.close()
        self._tasks.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Ending:
    """Ends the episode where the block is left by an error, and makes one line of what the browser said."""

    def __init__(self, environment: Web) -> None:
        self._environment = environment

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is None:
            return
        self._environment.end()
        if isinstance(error, (CommandFailed, NoAnswer)):
            raise EnvironmentUnavailable(f"the browser cannot go on: {error}; start the task again") from error


class Browse(Web):
    """The ``Environment`` of any page of the web with a task in words. People judge what was done."""

    def __init__(self, tasks: Tasks | None = None, *, is_headed: bool = False) -> None:
        super().__init__(tasks or AnyPage(), is_headed=is_headed)

    @property
    def capabilities(self) -> frozenset[Capability]:
        """None: only people can say whether the words were followed, and the page is another one tomorrow."""
        return frozenset()

    def takes_words(self) -> bool:
        """Its tasks are words of a person, with the URL before them."""
        return True
