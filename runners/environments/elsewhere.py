"""Environments on other machines: browsers, desktops and shells as actors of a Ray cluster, for many runs.

Ray is asked for nothing twice: a lost actor is an ``EnvironmentUnavailable``, and whoever makes the run makes it again under
the next of its derived ids. An actor that died starts again empty, so later episodes find it. What an environment says of
itself is asked here, where none of its resources are started.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Sequence
from typing import Any

from ...domain.errors import EnvironmentUnavailable, GrokputerError
from ...domain.events import Capability
from ...domain.page.messages import Box, Page
from ...domain.page.words import Word
from ...domain.ports import Environment, Script

LIMIT_S = 300.0
"""Seconds that an actor may take to answer, its start and its wait for a place included; chosen."""
RESTARTS = 5
"""Times that Ray starts a lost actor again; chosen: more is a fault of the machine."""

Make = Callable[[], Environment]
"""Makes the environment; it is sent to the actors, so it names what each machine can import."""


class Elsewhere(Environment):
    """An environment whose episodes are played by actors. Each pair of seat and task has one actor, which plays many."""

    def __init__(self, make: Make, address: str, actors: int) -> None:
        """``address`` is that of ``ray.init``; ``local`` starts a cluster on this machine. ``actors`` is their most."""
        self._here = make()
        self._pool = _Pool(make, address, actors)
        self._seat = 0
        self._task = ""

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Those of the environment itself."""
        return self._here.capabilities

    def tasks(self) -> Sequence[str]:
        """Those of the environment itself; so are the other answers that need no episode."""
        return self._here.tasks()

    def check_task(self, task: str) -> None:
        """Refuse an unknown task. Raises ``UnknownTask``."""
        self._here.check_task(task)

    def suggest_tasks(self) -> tuple[Sequence[str], Sequence[str]]:
        """Tasks for a benchmark of learning."""
        return self._here.suggest_tasks()

    def takes_words(self) -> bool:
        """Whether its tasks are words of a person."""
        return self._here.takes_words()

    def is_readable(self) -> bool:
        """Whether its pages have pictures that can be read."""
        return self._here.is_readable()

    def is_long(self, task: str) -> bool:
        """Whether the task has parts."""
        return self._here.is_long(task)

    def reset(self, task: str, seed: int) -> Page:
        """Start the task in an actor. Raises ``UnknownTask``, ``EnvironmentUnavailable``."""
        self._task = task
        page: Page = self._ask("reset", seed)
        return page

    def act(self, action: str) -> Page:
        """Carry out one action there. Raises ``EnvironmentUnavailable`` where the actor was lost."""
        page: Page = self._ask("act", action)
        return page

    def words(self) -> Sequence[Word]:
        """The words on the picture of the present page, read there."""
        read: Sequence[Word] = self._ask("words")
        return read

    def see(self, lines: Sequence[str], boxes: Sequence[Box | None]) -> Page:
        """The present page with these lines."""
        page: Page = self._ask("see", lines, boxes)
        return page

    def demonstrate(self, task: str) -> Script:
        """The scripted demonstration, asked for where the episode is played, step by step."""
        self._here.demonstrate(task)  # an unknown one is refused here
        return lambda page, history: str(self._pool.ask(self._seat, task, "demonstrate", page, list(history)))

    def beside(self, seat: int) -> Elsewhere:
        """Another episode, perhaps in another actor."""
        other = copy.copy(self)
        other._seat, other._task = seat, ""
        return other

    def close(self) -> None:
        """End the actors."""
        self._pool.close()
        self._here.close()

    def _ask(self, what: str, *given: object) -> Any:
        return self._pool.ask(self._seat, self._task, what, *given)


class Seats:
    """What an actor is: one environment of its machine, with all its episodes."""

    def __init__(self, make: Make) -> None:
        self._environment = make()
        self._places: dict[tuple[int, str], Environment] = {}

    def ask(self, seat: int, task: str, what: str, *given: Any) -> object:
        """The answer, or the error that concerns the user: errors of the program travel as values."""
        try:
            return self._answer((seat, task), what, given)
        except (GrokputerError, ValueError) as error:
            return error

    def _answer(self, key: tuple[int, str], what: str, given: tuple[Any, ...]) -> object:
        if what == "reset":
            self._places[key] = self._environment.beside(key[0])
            return self._places[key].reset(key[1], *given)
        if what == "demonstrate":
            return self._environment.demonstrate(key[1])(*given)
        place = self._places.get(key)
        if place is None:
            return EnvironmentUnavailable("the episode was lost, because its actor was started again")
        match what:
            case "act":
                return place.act(*given)
            case "words":
                return place.words()
        return place.see(*given)


class _Pool:
    """The actors, started when they are needed."""

    def __init__(self, make: Make, address: str, actors: int) -> None:
        self._make, self._address, self._most = make, address, actors
        self._actors: list[Any] = []
        self._of: dict[tuple[int, str], int] = {}
        """The actor of each seat and task."""
        self._is_ours = False

    def ask(self, seat: int, task: str, what: str, *given: object) -> Any:
        """What the actor answers. Raises ``EnvironmentUnavailable`` where it is lost, and what it raised."""
        import ray
        from ray.exceptions import RayError

        try:
            answer = ray.get(self._actor(seat, task).ask.remote(seat, task, what, *given), timeout=LIMIT_S)
        except (RayError, ConnectionError) as error:
            reason = (str(error).strip().splitlines() or ["no reason is given"])[0]
            raise EnvironmentUnavailable(f"an environment on the Ray cluster was lost: {reason[:200]}") from None
        if isinstance(answer, GrokputerError | ValueError):
            raise answer
        return answer

    def _actor(self, seat: int, task: str) -> Any:
        number = self._of.setdefault((seat, task), len(self._of) % self._most)
        while len(self._actors) <= number:
            self._actors.append(self._start())
        return self._actors[number]

    def _start(self) -> Any:
        import ray

        if not ray.is_initialized():
            ray.init(address=self._address, log_to_driver=False, logging_level=logging.ERROR)
            self._is_ours = True
        remote = ray.remote(num_cpus=1, max_restarts=RESTARTS, max_task_retries=0)
        actor: Any = remote(Seats)
        return actor.remote(self._make)

    def close(self) -> None:
        """End the actors, and leave the cluster."""
        if not self._actors:
            return
        import ray

        for actor in self._actors:
            ray.kill(actor)
        self._actors.clear()
        if self._is_ours:
            ray.shutdown()
