"""One browser for each process of the tests of web pages, and a server of pages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from local_pages import Outsider, Pages

from grokputer.domain.errors import EnvironmentUnavailable
from grokputer.runners.environments.browser import find_browser
from grokputer.runners.environments.web.environment import Browse


@pytest.fixture(scope="session")
def browse() -> Iterator[Browse]:
    """The environment of any page."""
    try:
        find_browser()
    except EnvironmentUnavailable as error:
        pytest.skip(str(error))
    with Browse() as browse:
        yield browse


@pytest.fixture(scope="session")
def server() -> Iterator[Pages]:
    """The server; each test sets its pages."""
    server = Pages()
    yield server
    server.close()


@pytest.fixture
def outsider() -> Iterator[Outsider]:
    """A place beside the server that nothing may reach."""
    outsider = Outsider()
    yield outsider
    outsider.close()
