"""Logins of HTTP: nobody can answer the browser's question for a name and a password, so it is refused and said."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler

import pytest
from local_pages import Pages, do, texts

from grokputer.domain.errors import EnvironmentUnavailable
from grokputer.runners.environments.web.environment import Browse

ASKS = "asks for a name and a password by HTTP, which a run does not give"


def locked(handler: BaseHTTPRequestHandler) -> None:
    """A page that wants a name and a password."""
    body = b"<h1>Unauthorized</h1>"
    handler.send_response(401)
    for name, value in (("WWW-Authenticate", 'Basic realm="Vault"'), ("Content-Length", str(len(body)))):
        handler.send_header(name, value)
    handler.send_header("Content-Type", "text/html")
    handler.end_headers()
    handler.wfile.write(body)


def test_a_first_page_that_wants_a_login_ends_the_run_with_that_reason(browse: Browse, server: Pages) -> None:
    server.clear(index=locked)
    with pytest.raises(EnvironmentUnavailable, match=rf"cannot open {server.url}/: 127.0.0.1:\d+ {ASKS}"):
        browse.reset(f"{server.url}/ Look", 0)


def test_a_link_to_a_login_is_an_error_of_the_step_that_says_so(browse: Browse, server: Pages) -> None:
    server.clear(index="<a href='/locked'>Vault</a>", locked=locked)
    page = do(browse, browse.reset(f"{server.url}/ Look", 0), "CLICK", "a:Vault")
    assert page.error.endswith(ASKS)


def test_a_picture_or_frame_that_wants_a_login_holds_nothing_up_and_is_a_line(browse: Browse, server: Pages) -> None:
    server.clear(index="<h1>Home</h1><img src='/locked'>", framed="<iframe src='/locked'></iframe>", locked=locked)
    for path in ("/", "/framed"):
        page = browse.reset(f"{server.url}{path} Look", 0)
        assert "status:still loading" not in texts(page)
        assert any(line.startswith("refused:a part of the page") and ASKS in line for line in page.lines), page.lines
