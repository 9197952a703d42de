"""The pages on the web: addresses, who may come, HTML or JSON, and the headers that every page has."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, unquote

from aiohttp import web
from aiohttp.typedefs import Middleware

from ....domain.errors import GrokputerError, NotFound
from ....domain.text import check_text
from ....projections.wording.sentences import short_text
from ...store.ledger import Ledger
from ...use_cases.reading.kept import Kept
from ..chat_request import BadRequest
from ..pages.addresses import PAGES
from ..replies import LONGEST_FORM, Handler, Refused, error_body, error_reply, json_reply, read_body, reply_to
from ..resources.feedback import check_id
from ..service.protocol import meet_expectation
from . import live
from .door import COOKIE, VALID_S, Door, is_from_here, secret_of
from .rendering import Frame, render, static_file
from .visit import Done, File, Form, Page, View, Visit, Visitor

if TYPE_CHECKING:
    from ....projections.state.access import AccessKey
    from ..gateway import Gateway

T = TypeVar("T")

POLICY = (
    "default-src 'none'; style-src 'self' 'nonce-{nonce}'; script-src 'self'; connect-src 'self'; img-src 'self'; "
    "media-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""What a page may load and do: only what this gateway serves; no script and no style within a text runs."""
HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
OF_FILES = {
    "content-security-policy": "default-src 'none'; sandbox",
    "cache-control": "private, max-age=300",
    "cross-origin-resource-policy": "same-origin",
    "vary": "cookie, authorization",
}
"""Of pictures and sounds, beside or in place of those of pages. Kept for five minutes: a page that is open loads them again."""
SAID = "grokputer_said"
"""The cookie with what was just recorded, for the next page."""
READERS = 4
"""Threads that pages read and write the log with; chosen: beside the owner's, so that no page delays a request. A page that
may take long has its own."""
MOST_WAITING = 30
"""Visits that wait for one such page; more are told to come back. Chosen."""
MOST_ANSWERS = 100
"""Forms whose answers are kept for the case that they come again; chosen: those of the last minutes."""
SHOWN = 100
"""Characters of an address that there is not, in the message about it; chosen."""
MOST_FIELDS = 1200
"""Fields of a form; chosen: a kind and a word for each of the 400 words of a reading, and its lines."""


class Site:
    """The pages of one gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self._ledger = Ledger.open(gateway.owner.place, gateway.clock)  # its connections are each thread's own
        self.door = Door(lambda: gateway.owner.keys, secret_of(self._ledger.path))
        self._threads = [ThreadPoolExecutor(READERS, "pages")]
        self._answers: Kept[View | Done | File] = Kept(MOST_ANSWERS)
        self.live = live.Live(gateway)

    def add_to(self, app: web.Application) -> None:
        """Add all addresses of pages to the application."""
        for (method, address), page in PAGES.items():
            app.router.add_route(method, address, self._bind(page), expect_handler=meet_expectation)
        app.router.add_get("/sign-in", self._show_sign_in)
        app.router.add_post("/sign-in", self._sign_in)
        app.router.add_post("/sign-out", self._sign_out)
        app.router.add_get("/static/{name}", self._static)
        app.router.add_get("/live", self._follow)
        app.middlewares.append(self._show_missing())
        app.on_shutdown.append(self.live.stop)
        app.on_cleanup.append(self._close)

    async def read(self, work: Callable[[Ledger], T], threads: ThreadPoolExecutor | None = None) -> T:
        """The result of the work with the log, done in one of the threads, or of those that quick pages share."""
        return await asyncio.get_running_loop().run_in_executor(threads or self._threads[0], work, self._ledger)

    def visitor(self, request: web.Request) -> Visitor | None:
        """Who sends the request; None for a stranger."""
        if "authorization" in request.headers:
            return self._visitor(self.gateway.admission.key_of(request), is_program=True)
        cookie = request.cookies.get(COOKIE)
        key = self.door.key_of(cookie)
        if key is not None:
            self.gateway.connections.trust(request)
        return self._visitor(key, token=self.door.form_token(cookie or ""))

    def _visitor(self, key: AccessKey | None, *, is_program: bool = False, token: str = "") -> Visitor | None:
        if key is None:
            return None
        name = self._ledger.say(key.holder)
        return Visitor(name, key.id, frozenset(key.scopes), is_program, token)

    def _bind(self, page: Page) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        threads, waiting = self._threads[0], 0
        if page.threads:
            threads = ThreadPoolExecutor(page.threads, "page")
            self._threads.append(threads)

        async def answer(request: web.Request, visitor: Visitor) -> web.StreamResponse:
            nonlocal waiting
            if page.threads and waiting >= MOST_WAITING:
                raise Refused(503, f"{waiting} visits wait for this page; try again later", {"retry-after": "10"})
            waiting += 1
            try:
                return await self._answer(page, request, visitor, threads)
            finally:
                waiting -= 1

        async def handle(request: web.Request) -> web.StreamResponse:
            visitor = self.visitor(request)
            try:
                if visitor is None:
                    return self._ask_in(request)
                return await answer(request, visitor)
            except Exception as error:
                return self._say_error(request, visitor, error)

        return handle

    async def _answer(
        self, page: Page, request: web.Request, visitor: Visitor, threads: ThreadPoolExecutor
    ) -> web.StreamResponse:
        if not visitor.scopes.intersection(page.scopes):
            raise Refused(403, f"this needs a key with the scope {' or '.join(page.scopes)}; yours has none of them")
        form, form_id = Form({}), None
        if request.method == "POST":
            form = await _read_form(request)
            form_id = self._check_sender(request, visitor, form)
        query = _read_query(request)
        page.check(query, form)
        visit = Visit(self._ledger, visitor, request.path, request.match_info, query, form, form_id)

        # The position before the page is made: an open page loads again what comes after it.
        def make(ledger: Ledger) -> web.Response:
            position, found = ledger.position, self._handle(page, visit)
            if isinstance(found, Done):
                return self._send_on(request, visitor, found, position)
            if isinstance(found, File):
                return web.Response(body=found.body, content_type=found.kind, headers={**HEADERS, **OF_FILES})
            return self._show(request, visitor, found, position)

        return await self.read(make, threads)

    def _handle(self, page: Page, visit: Visit) -> View | Done | File:
        """What the page answers. A person's form that comes again, as after a double click, gets its first answer again."""
        if visit.form_id is None or visit.visitor.is_program:
            return page.handler(visit)
        sent = frozenset((name, tuple(values)) for name, values in visit.form.values.items())
        return self._answers.get((visit.form_id, visit.path, sent), lambda: page.handler(visit))

    def _check_sender(self, request: web.Request, visitor: Visitor, form: Form) -> str | None:
        """The id of the form. Raises ``Refused`` unless the visitor sent the form from a page of this gateway."""
        if visitor.is_program:
            return check_id(form.one("id") or None)
        id = self.door.form_id(request.cookies.get(COOKIE, ""), form.one("token"))
        if id is None or not is_from_here(request):
            raise Refused(403, "this form was not sent from a page of yours; load the page again")
        return id

    def _show(
        self, request: web.Request, visitor: Visitor | None, view: View, position: int = 0, message: str = ""
    ) -> web.Response:
        if wants_json(request):
            return json_reply(view.data, view.status, HEADERS)
        said = {"message": message, "undo": "", "failed": True} if message else _read_said(request)
        nonce = secrets.token_urlsafe(12)
        text = render(view, Frame(request.path, nonce, visitor, position, said))
        headers = {**HEADERS, "content-security-policy": POLICY.format(nonce=nonce)}
        response = web.Response(text=text, status=view.status, content_type="text/html", headers=headers)
        if SAID in request.cookies:
            response.del_cookie(SAID)
        return response

    def _send_on(self, request: web.Request, visitor: Visitor, done: Done, position: int) -> web.Response:
        failed = None if done.failed is None else reply_to(done.failed)
        if wants_json(request):
            status = 200 if failed is None else failed.status
            error = {} if done.failed is None else error_body(status, str(done.failed))
            return json_reply({"message": done.message, "next": done.to, **done.data, **error}, status, HEADERS)
        if done.form is not None:
            return self._show(request, visitor, done.form, position, done.message)
        response = web.Response(status=303, headers={**HEADERS, "location": done.to})
        if not done.message:
            return response
        said = quote(json.dumps({"message": done.message, "undo": done.undo}))
        response.set_cookie(SAID, said, max_age=60, httponly=True, samesite="Strict")
        return response

    def _say_error(self, request: web.Request, visitor: Visitor | None, error: Exception) -> web.Response:
        """The page of an error; a program gets the API's own shape. A bug says no more than that it is one."""
        reply = error_reply(error.status, error.reason) if isinstance(error, web.HTTPException) else reply_to(error)
        if reply is None:
            request.app.logger.error("a page failed", exc_info=error)
            reply = error_reply(500, "the gateway has a bug; its output has the details")
        if wants_json(request):
            return reply
        assert isinstance(reply.body, bytes)
        data = {"status": reply.status, "message": json.loads(reply.body)["error"]["message"]}
        response = self._show(request, visitor, View("error", "That did not work", data, status=reply.status))
        if "retry-after" in reply.headers:
            response.headers["retry-after"] = reply.headers["retry-after"]
        return response

    def _show_missing(self) -> Middleware:
        """The middleware that shows a person who asks for an address that there is not a page in place of JSON."""

        @web.middleware
        async def show(request: web.Request, handler: Handler) -> web.StreamResponse:
            try:
                return await handler(request)
            except web.HTTPNotFound:
                if "text/html" not in request.headers.get("accept", ""):
                    raise
                missing = NotFound(f"there is no page {short_text(request.path, SHOWN)}")
                return self._say_error(request, self.visitor(request), missing)

        return show

    def _ask_in(self, request: web.Request) -> web.Response:
        """Send a stranger to the door; a program is told that it needs a key."""
        if wants_json(request) or "authorization" in request.headers:
            message = "this page needs a key with the scope rate or admin"
            if request.headers.get("authorization", "").strip():
                message = "this gateway does not know the key of this request: it is wrong, or was revoked"
            return error_reply(401, message, headers={"www-authenticate": "Bearer"})
        to = request.path_qs  # each form has a page at its own address
        return web.Response(status=303, headers={**HEADERS, "location": f"/sign-in?to={quote(to, safe='')}"})

    async def _show_sign_in(self, request: web.Request) -> web.StreamResponse:
        return self._show(
            request, None, View("sign_in", "Sign in", {"to": _local(request.query.get("to")), "message": ""})
        )

    async def _sign_in(self, request: web.Request) -> web.StreamResponse:
        form = Form({})
        try:
            form = await _read_form(request)
            if not is_from_here(request):
                raise Refused(403, "this form was not sent from here; load the page again")
            cookie = self.door.sign_in(form.one("key"), request.remote or "")
        except (GrokputerError, web.HTTPException) as error:
            status = error.status if isinstance(error, Refused | web.HTTPException) else 400
            if wants_json(request):
                return error_reply(status, str(error))
            view = View("sign_in", "Sign in", {"to": _local(form.one("to")), "message": str(error)}, status=status)
            response = self._show(request, None, view)
            if isinstance(error, Refused):
                response.headers.update(error.headers)
            return response
        response = web.Response(status=303, headers={**HEADERS, "location": _local(form.one("to"))})
        is_secure = request.secure or request.headers.get("x-forwarded-proto") == "https"
        response.set_cookie(COOKIE, cookie, max_age=VALID_S, httponly=True, samesite="Strict", secure=is_secure)
        return response

    async def _sign_out(self, request: web.Request) -> web.StreamResponse:
        response = web.Response(status=303, headers={**HEADERS, "location": "/sign-in"})
        if is_from_here(request):
            response.del_cookie(COOKIE)
        return response

    async def _static(self, request: web.Request) -> web.StreamResponse:
        found = static_file(request.match_info["name"])
        if found is None:
            return error_reply(404, "there is no such file")
        body, kind = found
        headers = {"cache-control": "public, max-age=31536000, immutable", "x-content-type-options": "nosniff"}
        return web.Response(body=body, content_type=kind, charset="utf-8", headers=headers)

    async def _follow(self, request: web.Request) -> web.StreamResponse:
        visitor = self.visitor(request)
        if visitor is None:
            return error_reply(401, "sign in first")
        return await self.live.follow(request, visitor.name, lambda: self.visitor(request) is not None)

    async def _close(self, app: web.Application) -> None:
        for threads in self._threads:
            await asyncio.to_thread(threads.shutdown)


def wants_json(request: web.Request) -> bool:
    """Whether the request asks for JSON: by its address, or because it takes JSON and no HTML."""
    accepted = request.headers.get("accept", "")
    is_program = "application/json" in accepted and "text/html" not in accepted
    return is_program or request.query.get("format") == "json"


async def _read_form(request: web.Request) -> Form:
    """The fields of the form. Raises ``Refused``: 408 for one that does not come in time, 413, 415."""
    if request.content_type not in ("application/x-www-form-urlencoded", "application/json"):
        raise Refused(415, "a form is sent as application/x-www-form-urlencoded, or as a JSON object")
    body = await read_body(request, LONGEST_FORM)
    return _parse_json(body) if request.content_type == "application/json" else _parse_form(body)


def _parse_form(body: bytes) -> Form:
    from urllib.parse import parse_qsl

    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError:
        raise Refused(400, "the form is not one that a browser sends") from None
    return _gather(pairs)


def _parse_json(body: bytes) -> Form:
    try:
        given = json.loads(body)
        rows = [(str(name), value) for name, value in given.items()]
    except (ValueError, AttributeError, RecursionError):
        raise Refused(400, "the body is not a JSON object") from None
    pairs: list[tuple[str, str]] = []
    for name, value in rows:
        for one in value if isinstance(value, list) else [value]:
            if not isinstance(one, str | int):
                raise BadRequest(f"{name[:40]!r} is neither a text nor a whole number", name[:40])
            pairs.append((name, str(one)))
    return _gather(pairs)


def _gather(pairs: list[tuple[str, str]]) -> Form:
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(check_text(name, "a field's name"), []).append(check_text(value, name))
    return Form(values)


def _read_query(request: web.Request) -> Form:
    return _gather([(name, value) for name, value in request.query.items()])


def _read_said(request: web.Request) -> dict[str, Any] | None:
    """What was recorded by the request before this one."""
    try:
        said = json.loads(unquote(request.cookies.get(SAID, "")))
        message, undo = said["message"], said["undo"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if not isinstance(message, str) or not isinstance(undo, str):
        return None
    return {"message": message, "undo": _local(undo) if undo else "", "failed": False}


def _local(address: str | None) -> str:
    """The address if it is one of this site, else that of the first page."""
    if (
        address
        and address.startswith("/")
        and not address.startswith("//")
        and "\\" not in address
        and address.isprintable()
    ):
        return address
    return "/"
