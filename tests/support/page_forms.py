"""Pages without a browser: requests as one sends them, with the cookie of a person and the token of a form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse
from urllib.parse import urlencode, urlsplit

from gateways import Served


class Reply:
    """A response with its body."""

    def __init__(self, response: HTTPResponse) -> None:
        self.status, self.headers, self.text = response.status, response.headers, response.read().decode()


def ask(gateway: Served, method: str, address: str, headers: Mapping[str, str] | None = None, **form: str) -> Reply:
    """The reply to a request, with the form as its body."""
    with closing(HTTPConnection(urlsplit(gateway.url).netloc)) as connection:
        kind = {"content-type": "application/x-www-form-urlencoded"} if method == "POST" else {}
        connection.request(method, address, urlencode(form) if method == "POST" else None, {**kind, **(headers or {})})
        return Reply(connection.getresponse())


def cookie_of(gateway: Served, key: str) -> str:
    """The cookie of a person who signs in with the key."""
    given = ask(gateway, "POST", "/sign-in", key=key).headers["set-cookie"]
    return given.split(";")[0]


def token_of(gateway: Served, cookie: str, address: str) -> str:
    """The token of the forms at the address."""
    tokens = re.findall(r'name="token" value="([^"]+)"', ask(gateway, "GET", address, {"cookie": cookie}).text)
    [token] = set(tokens)
    return str(token)
