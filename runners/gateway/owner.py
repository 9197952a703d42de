"""The owner of the log in a gateway: one thread that stores what waits, many changes in a commit, and follows the log."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID, uuid4

from ...domain.aggregates.base import ACTOR, Aggregate
from ...domain.aggregates.run import TaskRun
from ...domain.errors import GrokputerError, LogError
from ..agent.abandoned import HELD_BY, end_abandoned, end_lost, playing
from ..improvement.process_manager import process_new_events
from ..store.ledger import Ledger, Save
from ..store.log import Log
from ..store.place import Place
from ..store.states import load_state
from ..wiring.models import label_base

if TYPE_CHECKING:
    from ...domain.ports import Clock
    from ...domain.settings.running import ModelSettings
    from ...projections.state.access import AccessKey
    from ...projections.state.state import State
    from ..store.port import Lock

T = TypeVar("T")

MOST_WAITING = 1000
"""Changes that wait to be stored; more are refused, so that a slow disk does not fill the memory; chosen."""
MOST_TOGETHER = 64
"""Changes of one commit; measured: beyond that a change costs no less."""
AGAIN_S = 5.0
"""Seconds after which a log that could not be written is tried again; chosen: until then it counts as not ready."""
STUCK_S = 3.0
"""Seconds after which a thread that has not gone on counts as stuck, as where another process holds the log's lock; chosen: a
commit takes milliseconds."""
FOLLOW_S = 0.25
"""Seconds between two readings of new events of the log; chosen: a revoked key is refused within a second."""


UNSTORED = "the log could not be written"
"""The failure detail of a run whose end could not be stored."""


class Busy(GrokputerError):
    """More waits to be stored than the gateway holds."""


@dataclass
class Desk:
    """What a change is made with: the open log, and its state."""

    ledger: Ledger
    state: State
    gateway: UUID
    """The id of this process; its runs record it, so that they count as alive while it is."""
    unended: set[UUID]
    """Its runs whose start is in doubt, or whose end could not be stored."""
    _base: tuple[ModelSettings, str] | None = None

    @property
    def base_label(self) -> str:
        """The base that a run records."""
        settings = self.state.policy.model
        if self._base is None or self._base[0] is not settings:
            self._base = settings, label_base(self.state.policy, self.ledger.get_content)
        return self._base[1]


Change = Callable[[Desk], tuple[Sequence[Aggregate], T]]
"""A function that makes a change: the aggregates with pending events, and what its caller gets once they are stored."""

Action = Callable[[Desk], T]
"""A function that stores by itself, as a use case does."""


@dataclass
class _Waiting:
    """A change or an action, and its caller's future."""

    work: Any
    future: asyncio.Future[Any]
    stores_itself: bool


class LogOwner:
    """The thread that owns the log. Its methods are called from one event loop."""

    def __init__(self, place: Place, clock: Clock | None = None) -> None:
        self.place = place
        self._clock = clock
        self.keys: Mapping[str, AccessKey] = {}
        """The valid access keys by hash, as of the last reading."""
        self.state: State | None = None
        """The state as of the last reading. Other threads only read it."""
        self._unread = ""
        """Why the log could not be read last."""
        self._unwritten = ("", 0.0)
        """Why the log could not be written last, and when."""
        self._unended = set[UUID]()
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._waiting = 0
        self._followed = self._turned = time.monotonic()
        """When the log was last read, and when the thread last took what waits."""
        self._reader: Log | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    async def start(self) -> None:
        """Open the log, end the runs that earlier gateways left, and begin. Raises ``LogError``."""
        self._loop = asyncio.get_running_loop()
        opened: asyncio.Future[None] = self._loop.create_future()
        self._thread = threading.Thread(target=self._own, args=(opened,), name="log", daemon=True)
        self._thread.start()
        await opened

    async def store(self, change: Change[T]) -> T:
        """What the change returned, once its events are safe on the disk. Raises what it raises, ``Busy``, ``LogError``,
        and ``IntegrityError`` where another change of the same aggregate was stored first."""
        stored: T = await self._ask(change, stores_itself=False)
        return stored

    async def act(self, action: Action[T]) -> T:
        """The result of the action. Raises what it raises, and ``Busy``."""
        result: T = await self._ask(action, stores_itself=True)
        return result

    async def read(self, work: Callable[[Log], T]) -> T:
        """What the work returns, which reads the log in a thread of its own: it waits for no writer. Raises what it raises."""
        assert self._reader is not None
        return await asyncio.to_thread(work, self._reader)

    def end_later(self, run: UUID) -> None:
        """Have a run of this process ended, as failed with ``environment``, as soon as the log can be written."""
        self._unended.add(run)

    def require_going(self) -> None:
        """Raise ``Busy`` where the thread is stuck, so that nothing new waits behind what waits already."""
        if self._is_stuck:
            raise Busy(self.problem)

    @property
    def problem(self) -> str:
        """Why requests cannot be recorded; empty where they can. What could not be written is one for a few seconds."""
        why, since = self._unwritten
        if time.monotonic() - since < AGAIN_S:
            return why
        if self._is_stuck:
            seconds = time.monotonic() - self._turned
            return f"the log has not been written for {seconds:.0f} s; another process may hold its lock"
        return self._unread

    @property
    def _is_stuck(self) -> bool:
        return time.monotonic() - self._turned > STUCK_S

    @property
    def is_writable(self) -> bool:
        """Whether the last change could be stored and the log be read. Unlike ``problem`` this does not change with time."""
        return not (self._unwritten[0] or self._unread or self._is_stuck)

    @property
    def waiting(self) -> int:
        """How many changes and actions wait."""
        return self._waiting

    @property
    def lag_s(self) -> float:
        """Seconds since the log was last read."""
        return time.monotonic() - self._followed

    async def close(self) -> None:
        """Store what waits, and close the log."""
        self._queue.put(None)
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    async def _ask(self, work: Any, *, stores_itself: bool) -> Any:
        assert self._loop is not None
        if self._waiting >= MOST_WAITING:
            raise Busy(f"{self._waiting} requests wait for the log; try again in a moment")
        future: asyncio.Future[Any] = self._loop.create_future()
        self._waiting += 1
        self._queue.put(_Waiting(work, future, stores_itself))
        return await future  # a caller that is cancelled does not undo what it asked for

    # In the owner's thread.

    def _own(self, opened: asyncio.Future[None]) -> None:
        try:
            ledger = Ledger.open(self.place, self._clock)
            desk = Desk(ledger, load_state(ledger), uuid4(), self._unended)
            self._read(desk)
            end_abandoned(ledger, desk.state.policy)
            self._reader = Log.open(self.place, self._clock)
        except BaseException as error:
            self._deliver([(opened, None, error)], asked=0)
            return
        with playing(ledger, desk.gateway) as lock:
            self._deliver([(opened, None, None)], asked=0)
            self._serve(desk, lock)
        ledger.close()

    def _serve(self, desk: Desk, lock: Lock) -> None:
        followed = time.monotonic()
        is_open = True
        while is_open:
            self._turned = time.monotonic()
            batch, is_open = self._take(max(0.0, followed + FOLLOW_S - time.monotonic()))
            self._do(desk, batch)
            if not is_open or time.monotonic() - followed >= FOLLOW_S:
                self._follow(desk, lock)
                followed = time.monotonic()

    def _take(self, wait_s: float) -> tuple[list[_Waiting], bool]:
        """What waits, after at most so many seconds, and whether more may come."""
        batch: list[_Waiting] = []
        with suppress(queue.Empty):
            while len(batch) < MOST_TOGETHER:
                one = self._queue.get(timeout=wait_s) if not batch and wait_s else self._queue.get_nowait()
                if one is None:
                    return batch, False
                batch.append(one)
        return batch, True

    def _do(self, desk: Desk, batch: Sequence[_Waiting]) -> None:
        """Store the changes in one commit, then do the actions, and deliver all results at once."""
        results: list[tuple[asyncio.Future[Any], Any, BaseException | None]] = []
        made: list[tuple[_Waiting, Save, Any]] = []
        for one in batch:
            try:
                if one.stores_itself:
                    results.append((one.future, one.work(desk), None))
                    continue
                aggregates, value = one.work(desk)
                made.append((one, Save(tuple(aggregates)), value))
            except Exception as error:
                results.append((one.future, None, error))
        if made:
            try:
                errors = desk.ledger.store_all([save for _, save, _ in made])
                self._unwritten = ("", 0.0)
            except Exception as error:
                errors = [error] * len(made)
                self._unwritten = (str(error), time.monotonic())
                self._refuse_waiting(error)
            results += [(one.future, value, error) for (one, _, value), error in zip(made, errors, strict=True)]
        if results:
            self._deliver(results, asked=len(results))

    def _follow(self, desk: Desk, lock: Lock) -> None:
        """As ``_read``; an error is kept, and the next reading tries again. Whatever it is, this thread goes on."""
        try:
            with desk.ledger.database.explained():
                lock.keep()  # before anybody takes the runs of this process for abandoned
            self._read(desk)
            self._end_unended(desk)
            self._unread = ""
        except Exception as error:
            self._unread = str(error) or repr(error)
            self._refuse_waiting(error)

    def _refuse_waiting(self, error: Exception) -> None:
        """Refuse what came while the log could not be written: it has waited as long, and would wait as long again."""
        refused = LogError(str(error) or repr(error))
        came = self._queue.qsize()  # what comes meanwhile has not waited
        batch: list[_Waiting] = []
        with suppress(queue.Empty):
            for _ in range(came):
                one = self._queue.get_nowait()
                if one is None:
                    self._queue.put(None)
                    break
                batch.append(one)
        if batch:
            self._deliver([(one.future, None, refused) for one in batch], asked=len(batch))

    def _read(self, desk: Desk) -> None:
        """React to new events, of other processes too."""
        self.state = desk.state = process_new_events(desk.ledger, desk.state)
        self.keys = desk.state.access.valid()
        self._followed = time.monotonic()

    def _end_unended(self, desk: Desk) -> None:
        """End the runs that ``end_later`` was told, where they are runs of this process."""
        for id in list(self._unended):
            started = desk.ledger.get(TaskRun, id).started
            if started is not None and started.policy.get(HELD_BY) == desk.gateway.hex:
                end_lost(desk.ledger, id, UNSTORED, desk.state.policy, ACTOR)
            self._unended.discard(id)

    def _deliver(self, results: Sequence[tuple[asyncio.Future[Any], Any, BaseException | None]], *, asked: int) -> None:
        """Hand results over to the event loop; so many of them were asked for and wait no more."""
        assert self._loop is not None

        def deliver() -> None:
            self._waiting -= asked
            for future, value, error in results:
                if future.done():
                    continue
                if error is not None:
                    future.set_exception(error)
                else:
                    future.set_result(value)

        with suppress(RuntimeError):  # the loop was closed
            self._loop.call_soon_threadsafe(deliver)
