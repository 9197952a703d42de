"""What one gateway process knows and the log does not: its overhead, its connections, its queues, and how far it is behind."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.core import Metric

from ....projections.state.ratings import BASE
from .families import OTHER, gauge
from .folded import GEN_AI, OPERATION

if TYPE_CHECKING:
    from ..exchange import Exchange

disable_created_metrics()  # type: ignore[no-untyped-call]  # the time of a series' beginning: of no use, and as many lines again

OVERHEAD_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Bounds of the buckets of the overhead; chosen."""
REQUEST_S = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
"""Bounds of the buckets of a request. Source: OpenTelemetry, ``gen_ai.server.request.duration``."""
FIRST_S = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Bounds of the buckets of the time to the first part. Source: OpenTelemetry, ``gen_ai.server.time_to_first_token``."""

MODALITIES = {"text": "text", "image_url": "image", "input_audio": "audio", "file": "file"}
"""The modality of a part of a message, by its type in OpenAI's API."""

LEFT = 499
"""The status of a request whose client left before the answer; nginx uses it so."""


class Timing:
    """The times of one request. What it waits for elsewhere is none of the gateway's overhead."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._elsewhere_s = 0.0
        self.exchange: Exchange | None = None
        """The exchange that the request began; None before it, and for a request that is no exchange."""
        self.is_broken = False
        """Whether its answer went wrong, also after a part of it was sent."""
        self.first_s: float | None = None
        """Seconds until the first part of a stream was sent; None where nothing was streamed."""

    @contextmanager
    def elsewhere(self) -> Iterator[None]:
        """Wait for a model or for the client."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self._elsewhere_s += time.perf_counter() - began

    @property
    def total_s(self) -> float:
        """Seconds until now."""
        return time.perf_counter() - self._began

    @property
    def overhead_s(self) -> float:
        """Seconds until now that the gateway itself took."""
        return max(0.0, self.total_s - self._elsewhere_s)

    def mark_first(self) -> None:
        """Note that a part of a stream was sent."""
        if self.first_s is None:
            self.first_s = self.total_s


TIMING = web.RequestKey("timing", Timing)


@dataclass(frozen=True)
class Outlook:
    """What the thread of the log says of itself at a scrape."""

    behind: int
    """Events of the log that were not followed yet."""
    worker: bool
    """Whether a worker runs on the log."""


class ProcessMetrics:
    """The metrics of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        own = self.registry
        self._requests = Counter(
            "grokputer_gateway_requests", "Requests by address and status.", ("address", "status"), registry=own
        )
        self._in_progress = Gauge("grokputer_gateway_requests_in_progress", "Requests in progress.", registry=own)
        self._overhead = Histogram(
            "grokputer_gateway_overhead_seconds",
            "Time of a request without the waits for the model and for the client.",
            buckets=OVERHEAD_S,
            registry=own,
        )
        self._duration = Histogram(
            "gen_ai_server_request_duration_seconds",
            "Time of a request up to the last byte of its answer.",
            (*GEN_AI, "error_type"),
            buckets=REQUEST_S,
            registry=own,
        )
        self._first = Histogram(
            "gen_ai_server_time_to_first_token_seconds",
            "Time up to the first part of a streamed answer.",
            GEN_AI,
            buckets=FIRST_S,
            registry=own,
        )
        self._parts = Counter(
            "grokputer_gateway_message_parts", "Parts of messages by modality.", ("modality",), registry=own
        )
        for modality in (*MODALITIES.values(), OTHER):
            self._parts.labels(modality)
        self._info = Gauge("grokputer_build_info", "The program's version.", ("version",), registry=own)
        self._info.labels(version("grokputer")).set(1)

    @property
    def measure(self) -> Any:
        """The middleware that measures every request."""

        @web.middleware
        async def measure(
            request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
        ) -> web.StreamResponse:
            timing, status = Timing(), LEFT
            request[TIMING] = timing
            self._in_progress.inc()
            try:
                response = await handler(request)
                status = response.status
                return response
            finally:
                self._in_progress.dec()
                self._requests.labels(_address(request), str(status)).inc()
                if timing.exchange is not None:
                    self._note(timing, timing.exchange, status)

        return measure

    def count_parts(self, messages: object) -> None:
        """Count the parts of the messages of a request, which are of the right form."""
        for message in messages if isinstance(messages, list) else ():
            content = message.get("content")
            for part in content if isinstance(content, list) else [{"type": "text"}] if content else []:
                kind = part.get("type") if isinstance(part, dict) else "text"
                self._parts.labels(MODALITIES.get(kind, OTHER) if isinstance(kind, str) else OTHER).inc()

    def _note(self, timing: Timing, exchange: Exchange, status: int) -> None:
        who = (*OPERATION, exchange.adapter or BASE, exchange.role)
        self._overhead.observe(timing.overhead_s)
        error = str(status) if status >= 400 else "broken" if timing.is_broken else ""
        self._duration.labels(*who, error).observe(timing.total_s)
        if timing.first_s is not None:
            self._first.labels(*who).observe(timing.first_s)

    def collect(self, now: list[Metric]) -> list[Metric]:
        """The metrics, and these that are known at the scrape alone."""
        return [*self.registry.collect(), *now]


def timing_of(request: web.Request) -> Timing:
    """The timing of the request."""
    return request[TIMING]


def at_scrape(
    connections: int, queues: dict[str, int], lag_s: float, *, is_writable: bool, outlook: Outlook | None
) -> list[Metric]:
    """The metrics of this moment. Without an outlook the thread of the log did not answer in time."""
    now = [
        gauge("grokputer_gateway_connections", "Open connections of clients.", (), [((), connections)]),
        gauge(
            "grokputer_queue_length",
            "What waits: changes for the log, and requests at the model.",
            ("queue",),
            [((name,), length) for name, length in queues.items()],
        ),
        gauge("grokputer_follow_lag_seconds", "Time since the log was last read.", (), [((), lag_s)]),
        gauge(
            "grokputer_log_writable",
            "1 unless the last change could not be stored, the log not read, or its thread did not answer.",
            (),
            [((), float(is_writable and outlook is not None))],
        ),
    ]
    if outlook is not None:
        now += [
            gauge("grokputer_follow_lag_events", "Events of the log that were not read.", (), [((), outlook.behind)]),
            gauge("grokputer_worker_running", "Whether a worker runs on the log.", (), [((), float(outlook.worker))]),
        ]
    return now


def _address(request: web.Request) -> str:
    """The address as it is declared, so that no client can add series."""
    resource = request.match_info.route.resource
    return OTHER if resource is None else resource.canonical
