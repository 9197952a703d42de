"""The gateway of one log: its parts, its addresses, and how it begins and ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import TYPE_CHECKING

from aiohttp import web

from ...adapters.vision.pictures import check_media
from ...domain.errors import GrokputerError
from ...domain.page.media import BadMedia, read_url
from ...domain.vocabulary import Backend
from ..store.place import Place as LogPlace
from ..use_cases.runs import BASE
from ..wiring.services import Services, require_adapter
from ..wiring.variables import LORA_VERSION, pinned_adapter
from . import chat
from .admission import LONGEST_BODY, Admission
from .chat_request import BadRequest
from .exchange import ProcessPin
from .metrics.exporter import TraceExporter
from .metrics.page import show_metrics
from .metrics.process import ProcessMetrics
from .owner import LogOwner
from .replies import check_encoding, check_headers, say_errors
from .resources import catalog, feedback, foreign_feedback, openapi
from .service.connections import Connections
from .service.protocol import meet_expectation
from .site.site import Site
from .upstreams.endpoint import EndpointUpstream
from .upstreams.fleet import FleetUpstream
from .upstreams.local import LocalUpstream

if TYPE_CHECKING:
    from ...domain.ports import Clock
    from .chat_request import ChatRequest
    from .exchange import Exchange
    from .upstreams.upstream import Upstream

DRAWN = "x-grokputer-drawn"
"""The header in which a proxy before pinned processes says which arm it drew; it is read in such a process alone."""

Endpoint = Callable[["Gateway", web.Request], Awaitable[web.StreamResponse]]

ADDRESSES: dict[tuple[str, str], Endpoint] = {
    ("POST", "/v1/chat/completions"): chat.complete_chat,
    ("GET", "/v1/models"): catalog.list_models,
    ("GET", "/v1/models/{model}"): catalog.show_model,
    ("GET", "/v1/runs/{run}"): catalog.show_run,
    ("POST", "/v1/feedback"): feedback.take,
    ("POST", "/feedback"): foreign_feedback.take_tensorzero,
    ("POST", "/api/public/scores"): foreign_feedback.take_langfuse,
    ("GET", "/openapi.json"): openapi.show_openapi,
}
"""Every address of the API with its handler."""

ELSEWHERE = (Backend.ENDPOINT, Backend.VLLM)
"""The backends that answer in other processes, which are sent the request's own bytes."""

ALWAYS: dict[tuple[str, str], Endpoint] = {
    ("GET", "/health/live"): catalog.say_live,
    ("GET", "/health/ready"): catalog.say_ready,
    ("GET", "/metrics"): show_metrics,
}
"""What is served with the API and without it."""


LOOK_S = 0.05
"""Seconds between two looks whether the answers in progress have ended; chosen."""


class Gateway:
    """A gateway on the log; ``hosts`` are the names that it answers for beside this machine's own.

    ``say`` is told what takes long and what is wrong at the start. ``clock`` gives events their times; None is the system's.
    """

    def __init__(
        self,
        log: LogPlace,
        hosts: Collection[str] = (),
        say: Callable[[str], None] = lambda line: None,
        *,
        with_api: bool = True,
        with_pages: bool = True,
        clock: Clock | None = None,
    ) -> None:
        self._say = say
        self._with_api = with_api
        self._with_pages = with_pages
        self._pinned = pinned_adapter()
        self.clock = clock
        self.owner = LogOwner(log, clock)
        self.connections = Connections()
        self.admission = Admission(lambda: self.owner.keys, hosts, trust=self.connections.trust)
        self.process_metrics = ProcessMetrics()
        self._exporter = TraceExporter(log, lambda: self.owner.state, say)
        self._endpoint = EndpointUpstream()
        self._local: LocalUpstream | None = None
        self._fleet: FleetUpstream | None = None

    def application(self) -> web.Application:
        """The web application; it takes hold of the log when it starts. Raises ``LogError`` where there is no log."""
        middlewares = [
            *(self.process_metrics.measure, say_errors),
            *(check_headers, self.admission.check_host, check_encoding),
        ]
        app = web.Application(client_max_size=LONGEST_BODY, middlewares=middlewares)
        for (method, address), endpoint in {**ALWAYS, **(ADDRESSES if self._with_api else {})}.items():
            app.router.add_route(method, address, self._bind(endpoint), expect_handler=meet_expectation)
        if self._with_pages:
            Site(self).add_to(app)
        app.on_response_prepare.append(_hide_server)
        app.on_startup.append(self._start)
        app.on_cleanup.append(self._close)
        return app

    @property
    def model_queue(self) -> int:
        """How many requests are at the model of this process, or wait for it."""
        return 0 if self._local is None else self._local.open

    def upstream(self, exchange: Exchange) -> Upstream:
        """Where the exchange is answered."""
        if exchange.model.backend == Backend.ENDPOINT:
            return self._endpoint
        assert self._local is not None and self._fleet is not None
        return self._fleet if exchange.model.backend == Backend.VLLM else self._local

    async def require_readable(self, asked: ChatRequest) -> None:
        """Raise ``BadRequest`` for a picture or sound that nothing can decode, and where the model of this process is not shown
        all that is asked; what else an endpoint takes, it decides itself."""
        state = self.owner.state
        local = None if state is None or state.policy.model.backend in ELSEWHERE else self._local
        if asked.media:
            await asyncio.to_thread(_check_media, asked.media, takes_other_forms=local is None)
        if local is None:
            return
        if asked.choices > 1:
            raise BadRequest(f"n is {asked.choices}; a model of this process gives one answer", "n")
        if asked.has_other_tools:
            raise BadRequest("a model of this process calls functions alone: tools of type function", "tools")
        if problem := await local.complain_of(asked):
            raise BadRequest(problem, "messages")

    def pinned_for(self, request: web.Request) -> ProcessPin | None:
        """The adapter that this process is pinned to, and the arm that a proxy drew for the request; None for no pin."""
        return None if self._pinned is None else ProcessPin(self._pinned, request.headers.get(DRAWN))

    def _bind(self, endpoint: Endpoint) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            return await endpoint(self, request)

        return handle

    async def _start(self, app: web.Application) -> None:
        await self.owner.start()
        self._exporter.start()
        if self._pinned not in (None, BASE):
            assert self._pinned is not None and self.owner.state is not None
            require_adapter(self._pinned, self.owner.state.registry.adapters, f"{LORA_VERSION} cannot be followed: ")
        services = await self.owner.act(lambda desk: Services(desk.ledger, desk.state, self._say))
        self._local = LocalUpstream(services, lambda: self.owner.state or services.state)
        self._fleet = FleetUpstream(self._local.model)
        model = services.state.policy.model
        if self._with_api and model.backend in ELSEWHERE and model.endpoint is None:
            self._say("requests will fail until 'grokputer settings set model.endpoint URL' names an endpoint")
        if self._with_api and model.backend not in ELSEWHERE:
            self._say(f"loading the model {model.base}; requests are answered after that")
            try:
                await asyncio.to_thread(self._local.model, None)  # else the first request would wait for it
            except GrokputerError as error:
                self._say(f"requests will fail until this is mended: {error}")

    async def drain(self, seconds: float) -> None:
        """Take no more requests for answers, and wait until those in progress have ended, at most so many seconds."""
        room, loop = self.admission.room, asyncio.get_running_loop()
        room.is_closed = True
        until = loop.time() + seconds
        while room.taken and loop.time() < until:
            await asyncio.sleep(LOOK_S)

    async def _close(self, app: web.Application) -> None:
        await self._endpoint.close()
        if self._fleet is not None:
            await self._fleet.close()
        if self._local is not None:
            await self._local.close()
        await asyncio.to_thread(self._exporter.stop)
        await self.owner.close()


async def _hide_server(request: web.Request, response: web.StreamResponse) -> None:
    """Name no versions to strangers."""
    response.headers["server"] = "grokputer"


def _check_media(media: Mapping[str, str], *, takes_other_forms: bool) -> None:
    """Raise ``BadRequest`` for the first of the ``data:`` URLs with a picture or sound that cannot be decoded.

    URLs in other forms pass where a model ``takes_other_forms``, as an endpoint may.
    """
    for url in media.values():
        data = None
        try:
            data = read_url(url)[1]
            check_media(data)
        except BadMedia as error:
            if data is None and takes_other_forms:
                continue
            raise BadRequest(f"messages has a picture or sound that cannot be read: {error}", "messages") from None
