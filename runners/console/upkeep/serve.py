"""Serving: the gateway for other programs, pages for people, and a worker beside them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from ....domain.errors import GrokputerError
from ....domain.vocabulary import Scope
from ..options import DEFAULT_DB, Db, name_actor
from ..rendering import print_line, say

if TYPE_CHECKING:
    from ...store.ledger import Ledger


def serve(
    host: Annotated[
        str, typer.Option(help="The address to listen on; by default this machine alone reaches it.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = 8484,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A name that other machines reach it by; give it again for more."),
    ] = None,
    api: Annotated[bool, typer.Option("--api/--no-api", help="Serve models to other programs.")] = True,
    pages: Annotated[bool, typer.Option("--pages/--no-pages", help="Serve pages to people.")] = True,
    worker: Annotated[bool, typer.Option("--worker/--no-worker", help="Run a worker beside it.")] = True,
    db: Db = DEFAULT_DB,
) -> None:
    """Serve models to other programs, in the form of OpenAI's API, and pages to people who rate and decide.

    A program changes its base URL and key, and asks for a role, such as action, as its model. Each request is recorded as a
    run. A request without a key from 'grokputer keys' is refused. The first start makes a key and prints it once; people
    sign in to the pages with it. Ctrl-C lets answers end.

    \b
    Examples:
      grokputer serve
      grokputer serve --host 0.0.0.0 --allow-host agents.example.org --no-worker
      grokputer serve --no-api --port 8485
    """
    from ...store.place import read_place
    from ...wiring.extras import require

    require("serve")
    from ...gateway.service.server import Parts, Place, run
    from ...gateway.service.server import serve as listen

    place, parts = Place(host, port, tuple(allow_host or ())), Parts(api, pages, worker)
    try:
        run(listen(read_place(db), place, parts, say=print_line, begin=_make_first_key))
    except OSError as error:
        # asyncio repeats the address in its words; the system's own are shorter, but it has none for an unknown name.
        code = error.errno or 0
        why = os.strerror(code) if code > 0 else error.strerror
        raise GrokputerError(f"cannot listen on {host}:{port}: {why}; give another --host or --port") from None
    say("stopped; every answer that was given is in the log")


def _make_first_key(ledger: Ledger) -> None:
    """Make a key for the user where the log never had one, and print it.

    It is called after the server has begun to listen. So a start that fails prints no key.
    """
    from ...use_cases.access_keys import create_key, list_keys

    if list_keys(ledger):
        return
    name = name_actor(None)
    made = create_key(ledger, name, scopes=list(Scope), limits={}, actor=name)
    say(f"the first key, for {name}; it is shown this once:")
    print_line(made.key)
