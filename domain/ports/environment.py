"""The port of an environment: a computer that the agent uses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from ..errors import NotPossible, UnknownTask
from ..events import Capability
from ..page.messages import Box, Page
from ..page.words import Word

Script = Callable[[Page, Sequence[str]], str]
"""A scripted policy: from the page and the actions so far to the next action. Raises ``ValueError`` on a page that it cannot
read."""


class PlannedScript(Protocol):
    """A scripted policy for a long task: its plan, and the actions for each goal of it.

    Both raise ``ValueError`` on a page that they cannot read, and for a goal that is none of theirs.
    """

    def plan(self, page: Page) -> str:
        """The plan, from the first page; see ``domain/page/plan.py``."""
        ...

    def act(self, page: Page, history: Sequence[str], goal: str) -> str:
        """The next action for the goal with these words; ``history`` has those for this goal. ``DONE`` where it is reached."""
        ...


class Environment(Protocol):
    """A computer that the agent uses. One episode at a time: reset, then act until the page is done.

    ``capabilities`` declares what else it can do; they are recorded with each run.
    """

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Its capabilities: constant, and known before anything is started."""
        ...

    def tasks(self) -> Sequence[str]:
        """The names of its tasks, sorted; empty where any text is a task."""
        return ()

    def check_task(self, task: str) -> None:
        """Refuse an unknown task before anything is started. Raises ``UnknownTask`` with the known tasks."""
        if not task.strip():
            raise UnknownTask("a task must not be empty")
        if (known := self.tasks()) and task not in known:
            raise UnknownTask(f"there is no task {task!r}; there are {', '.join(known[:20])}")

    def reset(self, task: str, seed: int) -> Page:
        """Start the named task from the seed. Raises ``UnknownTask``, and ``EnvironmentUnavailable`` where it cannot start."""
        ...

    def act(self, action: str) -> Page:
        """Carry out one action of ``domain/page/action.py``. An action that cannot be read or done changes nothing.

        The page's reward is 1 where the task is done; without ``Capability.VERIFIES``, where the episode ended.
        """
        ...

    def suggest_tasks(self) -> tuple[Sequence[str], Sequence[str]]:
        """For a benchmark of learning: tasks to learn, and tasks that the embedded model was pretrained on."""
        return self.tasks(), ()

    def takes_words(self) -> bool:
        """Whether its tasks are words of a person, which are kept as content, so that they can be erased."""
        return False

    def demonstrate(self, task: str) -> Script:
        """The scripted demonstration of the task. Raises ``UnknownTask`` where there is none."""
        raise UnknownTask(f"there is no demonstration of {task!r}")

    def is_readable(self) -> bool:
        """Whether its pages have pictures that can be read and acted on; then it has ``words`` and ``see``."""
        return False

    def words(self) -> Sequence[Word]:
        """The words on the picture of the present page. Raises ``NotPossible`` where pages cannot be read."""
        raise NotPossible("the pages of this environment cannot be read")

    def see(self, lines: Sequence[str], boxes: Sequence[Box | None]) -> Page:
        """The present page with these lines, which were read at these places on its picture: the next action names them.

        Raises ``NotPossible`` where pages cannot be read.
        """
        raise NotPossible("the pages of this environment cannot be read")

    def is_long(self, task: str) -> bool:
        """Whether the task has parts, so that its runs begin with a plan unless a setting says otherwise."""
        return False

    def demonstrate_plan(self, task: str) -> PlannedScript:
        """The scripted demonstration of a long task. Raises ``UnknownTask`` where there is none."""
        raise UnknownTask(f"there is no plan for {task!r}")

    def beside(self, seat: int) -> Environment:
        """An environment of the same kind for a parallel episode; it shares resources, so it need not be closed.

        Parallel episodes of one task need different seats: 0 for this one, then 1, 2, ...
        """
        ...

    def close(self) -> None:
        """Release all resources."""
        return
