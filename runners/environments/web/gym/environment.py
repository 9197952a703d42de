"""The environment of BrowserGym's tasks: MiniWoB++, WebArena, WorkArena and others, as their packages are installed.

The tasks run in a process of BrowserGym's own Python; see ``process.py``. Its browser is BrowserGym's and reaches what the task
needs: the list of allowed hosts does not hold there.
"""

from __future__ import annotations

import base64
import difflib
import weakref
from collections.abc import Sequence
from typing import Any

from .....domain.errors import EnvironmentUnavailable, UnknownTask
from .....domain.events import Capability
from .....domain.page.action import BROWSER_VERBS, explain_unreadable, parse_action
from .....domain.page.messages import Page
from .....domain.ports import Environment
from ..page.lines import clean
from .acting import NOTHING, CannotDo, write_call
from .lines import Seen, read_lines
from .process import Peer, Refused


class BrowserGym(Environment):
    """The ``Environment`` of BrowserGym. Its process starts at first use. A positive reward at the end is a success."""

    capabilities = frozenset({Capability.VERIFIES, Capability.SEEDS})

    def __init__(self) -> None:
        self._shared = _Shared()
        self._held = _Held(self._shared)
        self._page: Page | None = None
        self._seen = Seen((), (), ())

    def tasks(self) -> Sequence[str]:
        """The names of all tasks, as ``miniwob.click-test``. Raises ``EnvironmentUnavailable`` where it is not set up."""
        return self._shared.names()

    def check_task(self, task: str) -> None:
        """Raises ``UnknownTask``, with similar names; ``EnvironmentUnavailable``."""
        names = self._shared.names()
        if task not in names:
            close = difflib.get_close_matches(task, names, n=3) or [*names[:3], "..."]
            raise UnknownTask(f"there is no task {task!r} in BrowserGym; close to it: {', '.join(close)}")

    def reset(self, task: str, seed: int) -> Page:
        """Start the task. Raises ``UnknownTask``, ``EnvironmentUnavailable``."""
        self.check_task(task)
        self._page = None
        try:
            told = self._ask(do="reset", task=task, seed=seed)
        except Refused as error:
            raise EnvironmentUnavailable(f"{task} cannot be started: {error}") from None
        return self._show(told)

    def act(self, action: str) -> Page:
        """Carry out one action; the page's ``error`` says why one that cannot be read or done changed nothing.

        ``TYPE`` on the first line gives the answer of a task that asks for one. ``DONE`` says that it is done.
        """
        if self._page is None:
            raise EnvironmentUnavailable("no episode is running; start one with reset(task, seed)")
        parsed = parse_action(action, BROWSER_VERBS)
        if parsed is None:
            return self._unchanged(explain_unreadable(action, BROWSER_VERBS))
        targets = self._seen.targets
        if max(parsed.number, parsed.target) > len(targets):
            return self._unchanged(f"there is no line {max(parsed.number, parsed.target)}; the last is {len(targets)}")
        target = targets[parsed.number - 1] if parsed.number else NOTHING
        onto = targets[parsed.target - 1] if parsed.target else NOTHING
        try:
            told = self._ask(do="act", action=write_call(parsed, target, onto))
        except (CannotDo, Refused) as error:
            return self._unchanged(str(error))
        return self._show(told, is_over=parsed.verb == "DONE")

    def beside(self, seat: int) -> BrowserGym:
        """An environment for a parallel episode, in a process of its own; see ``Environment.beside``."""
        other = BrowserGym()
        other._shared, other._held = self._shared, _Held(self._shared)
        return other

    def close(self) -> None:
        """End all processes, those beside this one too."""
        self._page = None
        self._held.peers.clear()
        self._shared.close()

    def _ask(self, **request: Any) -> Any:
        peer = self._held.peer()
        try:
            return peer.ask(**request)
        except EnvironmentUnavailable:
            self._held.peers.clear()
            self._shared.end(peer)
            self._page = None
            raise

    def _show(self, told: dict[str, Any], *, is_over: bool = False) -> Page:
        self._seen = read_lines(told)
        self._page = Page(
            clean(told["goal"]),
            self._seen.lines,
            is_done=told["is_done"] or is_over,
            reward=1.0 if told["is_done"] and told["reward"] > 0 else 0.0,
            error=clean(told["error"])[:400],
            verbs=BROWSER_VERBS,
            picture=base64.b64decode(told["picture"]),
            boxes=self._seen.boxes,
        )
        return self._page

    def _unchanged(self, error: str) -> Page:
        assert self._page is not None
        page = self._page
        return Page(page.task, page.lines, error=error, verbs=page.verbs, picture=page.picture, boxes=page.boxes)


class _Held:
    """The process of one environment object. It is free for others once the object is gone."""

    def __init__(self, shared: _Shared) -> None:
        self._shared, self.peers = shared, list[Peer]()
        weakref.finalize(self, shared.free.extend, self.peers)

    def peer(self) -> Peer:
        """The process, at first use a free one or a new one."""
        if not self.peers:
            self.peers.append(self._shared.take())
        return self.peers[0]


class _Shared:
    """What an environment and those beside it have together: their processes, and the names of the tasks."""

    def __init__(self) -> None:
        self._peers: list[Peer] = []
        self.free: list[Peer] = []
        self._names: list[str] = []

    def take(self) -> Peer:
        """A process that nothing uses."""
        while self.free:
            if (peer := self.free.pop()) in self._peers:
                return peer
        self._peers.append(Peer())
        return self._peers[-1]

    def names(self) -> list[str]:
        """The names of the tasks, asked for once."""
        if not self._names:
            peer = self.take()
            try:
                self._names = peer.ask(do="tasks")
            except Refused as error:
                self.end(peer)
                raise EnvironmentUnavailable(f"BrowserGym does not work: {error}") from None
            self.free.append(peer)
        return self._names

    def end(self, peer: Peer) -> None:
        """End one process."""
        if peer in self._peers:
            self._peers.remove(peer)
            peer.close()

    def close(self) -> None:
        """End all."""
        self.free.clear()
        while self._peers:
            self._peers.pop().close()
