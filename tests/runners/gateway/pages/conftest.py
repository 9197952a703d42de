"""One browser for all pages: each person has a profile of their own in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from page_visits import browsing

from grokputer.runners.environments.browser import Browser


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with browsing() as browser:
        yield browser
