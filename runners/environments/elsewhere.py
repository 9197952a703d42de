"""Environments on other machines: browsers, desktops and shells as actors of a Ray cluster, for many runs.

Ray is asked for nothing twice: a lost actor is an ``EnvironmentUnavailable``, and whoever makes the run makes it again under
the next of its derived ids. An actor that died starts again empty, so later episodes find it. What an environment says of
itself is asked here, where none of its resources are started.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

from ...domain.errors import EnvironmentUnavailable, GrokputerError
from ...domain.events import Capability
from ...domain.page.messages import Box, Page
from ...domain.page.words import Word
from ...domain.ports import Environment, PlannedScript, Script
from .of_tasks import Seats

LIMIT_S = 300.0
"""Seconds that an actor may take to answer, its start and its wait for a place included; chosen."""
CLOSING_S = 30.0
"""Seconds that actors may take to end what they started, such as desktops, before they are killed; chosen."""
RESTARTS = 5
"""Times that Ray starts a lost actor again; chosen: more is a fault of the machine."""

Make = Callable[[], Environment]
"""Makes the environment; it is sent to the actors, so it names what each machine can import."""


class Elsewhere(Environment):
    """An environment whose episodes are played by actors: each has a place of its own in one of them."""

    def __init__(self, make: Make, address: str, actors: int) -> None:
        """``address`` is that of ``ray.init``; ``local`` starts a cluster on this machine. ``actors`` is their most."""
        self._here = make()
        self._pool = _Pool(make, address, actors)
        self._place: _Place | None = None

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
        self._place = self._place or _Place(self._pool)
        page: Page = self._ask("reset", task, seed)
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
        return lambda page, history: str(self._ask("demonstrate", task, page, list(history)))

    def demonstrate_plan(self, task: str) -> PlannedScript:
        """The scripted demonstration of a long task, asked for in the same way."""
        self._here.demonstrate_plan(task)
        return _PlannedThere(self._ask, task)

    def beside(self, seat: int) -> Elsewhere:
        """Another episode, perhaps in another actor."""
        other = Elsewhere.__new__(Elsewhere)
        other._here, other._pool, other._place = self._here, self._pool, None
        return other

    def close(self) -> None:
        """End the actors."""
        self._pool.close()
        self._here.close()

    def _ask(self, what: str, *given: object) -> Any:
        if self._place is None:
            raise EnvironmentUnavailable("no episode is running; start one with reset(task, seed)")
        return self._place.ask(what, *given)


class _PlannedThere(PlannedScript):
    """The plan of a demonstration, and its actions, asked for where the episode is played."""

    def __init__(self, ask: Callable[..., Any], task: str) -> None:
        self._ask, self._task = ask, task

    def plan(self, page: Page) -> str:
        return str(self._ask("plan", self._task, page))

    def act(self, page: Page, history: Sequence[str], goal: str) -> str:
        return str(self._ask("act by plan", self._task, page, list(history), goal))


class Actor:
    """What an actor is: one environment of its machine, and a place beside it for each of its parallel episodes."""

    def __init__(self, make: Make) -> None:
        self._environment = make()
        self._places: dict[int, Environment] = {}
        self._scripts: dict[tuple[int, str], Script] = {}
        """The demonstrations of the present episodes: one may remember what it saw."""

    def ask(self, seat: int, what: str, *given: Any) -> object:
        """The answer, or the error that concerns the user: errors of the program travel as values."""
        try:
            return self._answer(seat, what, given)
        except (GrokputerError, ValueError) as error:
            return error

    def close(self) -> None:
        """End all that was started."""
        self._environment.close()

    def _answer(self, seat: int, what: str, given: tuple[Any, ...]) -> object:
        if what == "reset":
            self._scripts = {key: script for key, script in self._scripts.items() if key[0] != seat}
            if seat not in self._places:
                self._places[seat] = self._environment.beside(seat)
        place = self._places.get(seat)
        if place is None:
            return EnvironmentUnavailable("the episode was lost, because its actor was started again")
        match what:
            case "reset":
                return place.reset(*given)
            case "act":
                return place.act(*given)
            case "words":
                return place.words()
            case "see":
                return place.see(*given)
            case "plan":
                return place.demonstrate_plan(given[0]).plan(*given[1:])
            case "act by plan":
                return place.demonstrate_plan(given[0]).act(*given[1:])
        key = seat, given[0]
        if key not in self._scripts:
            self._scripts[key] = place.demonstrate(given[0])
        return self._scripts[key](*given[1:])


class _Place:
    """A seat in an actor, the one with the fewest taken seats. It is free again when nothing holds the place."""

    def __init__(self, pool: _Pool) -> None:
        self._pool = pool
        self._actor, self._seat = pool.take(self)

    def ask(self, what: str, *given: object) -> Any:
        """What the actor answers for this seat. Raises as ``_Pool.ask`` does."""
        return self._pool.ask(self._actor, self._seat, what, *given)


class _Pool:
    """The actors, started when they are needed."""

    def __init__(self, make: Make, address: str, actors: int) -> None:
        self._make, self._address = make, address
        self.seats = [Seats() for _ in range(actors)]
        """Those of each actor."""
        self._actors: dict[int, Any] = {}
        self._mutex = threading.Lock()
        self._is_ours = False

    def take(self, holder: object) -> tuple[int, int]:
        """The actor with the fewest taken seats, and a seat of it until nothing holds the holder."""
        actor = min(range(len(self.seats)), key=lambda number: len(self.seats[number]))
        return actor, self.seats[actor].take(holder)

    def ask(self, actor: int, seat: int, what: str, *given: object) -> Any:
        """What the actor answers. Raises ``EnvironmentUnavailable`` where it is lost, and what it raised."""
        import ray
        from ray.exceptions import RayError

        try:
            answer = ray.get(self._actor(actor).ask.remote(seat, what, *given), timeout=LIMIT_S)
        except (RayError, ConnectionError) as error:
            reason = (str(error).strip().splitlines() or ["no reason is given"])[0]
            raise EnvironmentUnavailable(f"an environment on the Ray cluster was lost: {reason[:200]}") from None
        if isinstance(answer, GrokputerError | ValueError):
            raise answer
        return answer

    def _actor(self, number: int) -> Any:
        with self._mutex:
            if number not in self._actors:
                self._actors[number] = self._start()
            return self._actors[number]

    def _start(self) -> Any:
        import ray

        if not ray.is_initialized():
            ray.init(address=self._address, log_to_driver=False, logging_level=logging.ERROR)
            self._is_ours = True
        remote = ray.remote(num_cpus=1, max_restarts=RESTARTS, max_task_retries=0)
        actor: Any = remote(Actor)
        return actor.remote(self._make)

    def close(self) -> None:
        """End the actors, and leave the cluster."""
        if not self._actors:
            return
        import ray

        closing = [actor.close.remote() for actor in self._actors.values()]
        ray.wait(closing, num_returns=len(closing), timeout=CLOSING_S)
        for actor in self._actors.values():
            ray.kill(actor)
        self._actors.clear()
        if self._is_ours:
            ray.shutdown()
