"""``/metrics``: the metrics of the log and of this process, in the form of Prometheus or of OpenMetrics."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from aiohttp import web
from prometheus_client import exposition
from prometheus_client.core import Metric
from prometheus_client.openmetrics import exposition as openmetrics

from ....domain.vocabulary import Scope
from ...store.lease import find_worker
from ..chat_request import BadRequest
from ..owner import Busy
from .folded import collect_folded
from .process import Outlook, at_scrape

if TYPE_CHECKING:
    from ..gateway import Gateway
    from ..owner import Desk

WAIT_S = 5.0
"""Seconds to wait for the thread of the log; chosen: half of what Prometheus waits. Then its metrics are left out."""

GROUPS = ("log", "process")
"""The two groups: what the log knows, and what this process knows."""


class Collected:
    """Metrics that were collected before."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = list(metrics)

    def collect(self) -> Iterator[Metric]:
        """The metrics."""
        return iter(self._metrics)


async def show_metrics(gateway: Gateway, request: web.Request) -> web.StreamResponse:
    """Both groups, or the one that the query names."""
    gateway.admission.require(request, Scope.METRICS)
    group = request.query.get("group")
    if group not in (None, *GROUPS):
        raise BadRequest(f"there is no group {group[:40]!r} of metrics; there are {' and '.join(GROUPS)}", "group")
    try:
        folded, outlook = await asyncio.wait_for(gateway.owner.act(lambda desk: _look(desk, group)), WAIT_S)
    except (Busy, TimeoutError):
        folded, outlook = _recall(gateway, group), None
    shown = folded
    if group != "log":
        shown += gateway.process_metrics.collect(
            at_scrape(
                len(gateway.connections),
                {"log": gateway.owner.waiting, "model": gateway.model_queue},
                gateway.owner.lag_s,
                is_writable=gateway.owner.is_writable,
                outlook=outlook,
            )
        )
    return _write(request, shown)


def _recall(gateway: Gateway, group: str | None) -> list[Metric]:
    """What the log's thread knew last, while it waits for the log; empty where it changes meanwhile."""
    if group == "process" or gateway.owner.state is None:
        return []
    try:
        return collect_folded(gateway.owner.state)
    except RuntimeError:  # a part changed its size while it was read
        return []


def _look(desk: Desk, group: str | None) -> tuple[list[Metric], Outlook | None]:
    """What the group needs of the log, in the log's thread; None is both groups."""
    folded = collect_folded(desk.state) if group != "process" else []
    if group == "log":
        return folded, None
    behind = max(0, desk.ledger.position - desk.state.position)
    return folded, Outlook(behind, find_worker(desk.ledger) is not None)


def _write(request: web.Request, metrics: Iterable[Metric]) -> web.Response:
    """The metrics in the form that the client wants."""
    collected = Collected(metrics)
    if "application/openmetrics-text" in request.headers.get("accept", ""):
        write: Any = openmetrics.generate_latest  # has no types
        body, kind = write(collected), openmetrics.CONTENT_TYPE_LATEST
    else:
        body, kind = exposition.generate_latest(collected), exposition.CONTENT_TYPE_PLAIN_0_0_4
    return web.Response(body=body, headers={"content-type": kind, "cache-control": "no-store"})
