"""The API, the pages and the worker run together or alone; open pages follow the log and do not delay a stop."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import call
from gateways import Served, serving
from page_visits import opened, visiting

from grokputer.runners.environments.browser import Browser
from grokputer.runners.use_cases.ratings import rate
from story import Story


@pytest.fixture
def path(tmp_path: Path) -> Path:
    story = Story(tmp_path / "events.db")
    for _ in range(3):
        story.run()
    story.ledger.close()
    return story.path


def statuses(gateway: Served) -> list[int]:
    site = Served(gateway.url.removesuffix("/v1"), gateway.key, gateway.path)
    return [site.ask(address)[0] for address in ("/v1/models", "/runs?format=json", "/health/live")]


def test_the_api_and_the_pages_can_each_be_left_out(path: Path) -> None:
    with serving(path) as gateway:
        assert statuses(gateway) == [200, 200, 200]
    with serving(path, with_api=False) as gateway:
        assert statuses(gateway) == [404, 200, 200]
    with serving(path, with_pages=False) as gateway:
        assert statuses(gateway) == [200, 404, 200]


def test_there_is_something_to_serve(path: Path) -> None:
    refused = call("serve", "--no-api", "--no-pages", db=path)
    assert refused.exit_code == 1 and "nothing to serve; a worker alone is 'grokputer work'" in refused.stderr


def test_an_open_page_shows_what_is_recorded_meanwhile(path: Path, browser: Browser) -> None:
    with visiting(path, browser, with_api=False) as (_, person):
        person.go("/")
        assert "Mean - of 0 ratings" in person.text("#live")
        with opened(path) as ledger:
            run = ledger.newest(1, ("TaskStarted",))[0].event.originator_id
            rate(ledger, run, 4, actor="bob")
        person.wait_for("document.querySelector('#live').innerText.includes('Mean 4.00 of 1 rating')")
