"""Exports ended runs as traces, where an endpoint is set. The log is the queue, so memory holds one batch.

A thread of its own reads the log, so no request waits for it. Of several gateways one exports. What could not be sent is
sent later, also by the next process, since the position of the last run that was taken is stored.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING
from urllib.parse import unquote
from uuid import UUID

from ....adapters.registry.lock import Held
from ....domain.aggregates.run import TaskRun
from ....domain.errors import GrokputerError
from ....domain.events import PolicyChanged, TaskAnswered, TaskFailed, TaskSucceeded
from ....projections.wording.sentences import count
from ...store.log import Log
from ...store.place import Place
from ...store.recorder import TRACK
from .traces import write_request

if TYPE_CHECKING:
    from ....projections.state.state import State

NAME = "traces"
"""The follower of the log whose position is stored."""
KEY = "telemetry.otlp_endpoint"
HEADERS_VARIABLE = "OTEL_EXPORTER_OTLP_HEADERS"
"""Headers of each request, ``name=value`` with commas between them. Source: the OTLP exporter's specification."""
ENDED = (TaskSucceeded.TOPIC, TaskFailed.TOPIC, TaskAnswered.TOPIC)
EVERY_S = 1.0
"""Seconds between two readings of the log; chosen."""
LONGEST_WAIT_S = 60.0
"""The longest wait after a failure. The first is ``EVERY_S``, and each further one twice the last; chosen."""
FAR = 1000
"""Positions without a run after which the position is stored all the same; chosen."""
TOGETHER = 100
"""Runs of one request; chosen."""
TIMEOUT_S = 10.0
"""Seconds for a request. Source: the default of OTLP exporters."""
REFUSED = (400, 413, 422)
"""Answers that say that the request itself is wrong: the same again would not help."""


class NotTaken(GrokputerError):
    """A batch that the endpoint did not take."""


class BadBatch(GrokputerError):
    """A batch that the endpoint refuses for good."""


class TraceExporter:
    """Exports the runs of the log. ``state`` gives the newest state, and ``say`` is told what goes wrong."""

    def __init__(self, place: Place, state: Callable[[], State | None], say: Callable[[str], None]) -> None:
        self._place, self._state, self._say = place, state, say
        self._known = (0, False)
        """A position, and whether the export was on there."""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="traces", daemon=True)

    def start(self) -> None:
        """Begin. Nothing is sent while no endpoint is set."""
        self._thread.start()

    def stop(self) -> None:
        """End, after the request in progress at most. What was not sent is sent by the next process."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        wait_s, log = EVERY_S, None
        while not self._stopping.wait(wait_s):
            endpoint = self._endpoint()
            if endpoint is None:
                continue
            try:
                log = log or Log.open(self._place)
                with log.database.hold("traces"):
                    while not self._stopping.is_set() and self._send_next(log, endpoint):
                        pass
                if wait_s > EVERY_S:
                    self._say(f"runs are exported to {endpoint} again")
                wait_s = EVERY_S
            except Held:  # another gateway exports
                wait_s = EVERY_S
            except (GrokputerError, OSError) as error:
                if wait_s == EVERY_S:
                    self._say(f"runs cannot be exported to {endpoint}: {error}; they will be when it answers")
                wait_s = min(LONGEST_WAIT_S, 2 * wait_s)
        if log is not None:
            log.close()

    def _endpoint(self) -> str | None:
        state = self._state()
        return None if state is None else state.policy.telemetry.otlp_endpoint

    def _send_next(self, log: Log, endpoint: str) -> bool:
        """Send the next batch, and store how far that is; whether there may be more. Raises ``NotTaken``.

        A run that ended while the export was off is not sent.
        """
        position, newest = log.tracked(NAME), log.position
        is_on, ids = self._is_on(log, position), list[UUID]()
        for recorded in log.read(position + 1, newest, (*ENDED, PolicyChanged.TOPIC)):
            event = recorded.event
            if isinstance(event, PolicyChanged):
                is_on = _switch(event, is_on)
            elif is_on:
                ids.append(event.originator_id)
                if len(ids) == TOGETHER:
                    newest = recorded.position
                    break
        self._send([log.get(TaskRun, id) for id in ids], endpoint)
        if ids or newest - position > FAR:
            with log.changing_views() as connection:
                connection.execute(TRACK, (NAME, newest))
            self._known = newest, is_on
        return len(ids) == TOGETHER

    def _is_on(self, log: Log, position: int) -> bool:
        """Whether the export was on at the position."""
        if self._known[0] != position:
            is_on = False
            for recorded in log.read(1, position, (PolicyChanged.TOPIC,)):
                if isinstance(recorded.event, PolicyChanged):
                    is_on = _switch(recorded.event, is_on)
            self._known = position, is_on
        return self._known[1]

    def _send(self, runs: Sequence[TaskRun], endpoint: str) -> None:
        """Send the runs that were made here. Those that the endpoint refuses for good are given up."""
        own = [run for run in runs if run.imported is None]
        if not own:
            return
        try:
            post(endpoint, json.dumps(write_request(own)).encode())
        except BadBatch as error:
            self._say(f"{count(len(own), 'run')} cannot be exported at all: {error}")


def _switch(event: PolicyChanged, is_on: bool) -> bool:
    """Whether the export is on after the event."""
    return not event.is_unset and event.new is not None if event.key == KEY else is_on


def post(endpoint: str, body: bytes) -> None:
    """Send a batch. Raises ``BadBatch`` where the same again would not help, else ``NotTaken``."""
    import httpx2 as httpx

    headers = {"content-type": "application/json", "user-agent": f"grokputer/{version('grokputer')}", **own_headers()}
    try:
        with httpx.Client(timeout=TIMEOUT_S, follow_redirects=False) as client:
            status = client.post(f"{endpoint.rstrip('/')}/v1/traces", content=body, headers=headers).status_code
    except (httpx.InvalidURL, UnicodeError):
        raise NotTaken("the URL cannot be used") from None
    except httpx.HTTPError as error:
        raise NotTaken(" ".join(str(error).split()) or type(error).__name__) from error
    if status in REFUSED:
        raise BadBatch(f"it answered with HTTP {status}")
    if not 200 <= status < 300:
        raise NotTaken(f"it answered with HTTP {status}")


def own_headers() -> dict[str, str]:
    """The headers of the environment. A part that is none is left out."""
    parts = (part.partition("=") for part in os.environ.get(HEADERS_VARIABLE, "").split(","))
    return {name.strip().lower(): unquote(value.strip()) for name, equals, value in parts if equals and name.strip()}
