"""The page of a run on a screen: each picture with the element marked, and the run played back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from page_visits import Person, visiting
from screened import BOX, play

from grokputer.runners.environments.browser import Browser
from grokputer.runners.store.ledger import Ledger

FIRST, SECOND = "Step 1: CLICKbutton:Ok[1]", "Step 2: nothing"
TOLD = "document.querySelector('.player output').textContent"


@pytest.fixture(scope="module")
def visited(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Person]:
    """A person on the page of a run of two steps on a screen."""
    path = tmp_path_factory.mktemp("played") / "events.db"
    with closing(Ledger.create(path)) as ledger:
        run = play(ledger).id.hex
    with visiting(path, browser, with_api=False) as (gateway, person):
        person.sign_in(gateway.key)
        person.go(f"/runs/{run}")
        yield person


def press(person: Person, button: str) -> str:
    """Press a button of the player; the words under it then."""
    person.value(f"document.querySelector('.player button[value=\"{button}\"]').click()")
    return str(person.value(TOLD))


def test_each_step_shows_its_screen_and_marks_the_element_that_it_named(visited: Person) -> None:
    marked = (
        "[...document.querySelectorAll('.step .screen')].map((it) => it.querySelector('rect')?.getAttribute('width'))"
    )
    assert visited.value(f"JSON.stringify({marked})") == f'["{BOX.width}",null]'
    assert visited.value("document.querySelector('.step .screen image').getBBox().width") == 120
    assert visited.violations() == []


def test_the_run_is_stepped_through_and_played_back_without_loading_anything(visited: Person) -> None:
    loaded = visited.value("performance.getEntriesByType('resource').length")
    assert visited.value(TOLD) == FIRST
    assert [press(visited, button) for button in ("1", "1", "-1")] == [SECOND, SECOND, FIRST]
    visited.value("document.querySelector('.player button[value=\"0\"]').click()")
    visited.wait_for(f"{TOLD} === {SECOND!r}")
    assert visited.value("document.querySelector('.player button[value=\"0\"]').textContent") == "Play"
    assert visited.value("performance.getEntriesByType('resource').length") == loaded
