"""The page of a run on a screen: each picture with the element marked, and the run played back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from gateways import serving
from page_forms import ask, cookie_of
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


def focused(person: Person) -> str:
    """The words of the button that has the keyboard, and whether a frame around it shows that."""
    frame = "getComputedStyle(document.activeElement).outlineStyle"
    return str(person.value(f"document.activeElement.textContent + ' ' + {frame}"))


def test_the_run_is_played_paused_and_stepped_through_by_keyboard(visited: Person) -> None:
    visited.go(visited.path)
    visited.value("[...document.querySelectorAll('a, button, summary, [tabindex]')].find((it, n, all) => "
                  "all[n + 1] === document.querySelector('.player button')).focus()")  # fmt: skip
    visited.press("Tab")
    assert focused(visited) == "Play solid"
    visited.press("ArrowRight")
    assert visited.value(TOLD) == SECOND
    visited.press("ArrowLeft")
    assert visited.value(TOLD) == FIRST
    visited.press("End")
    assert visited.value(TOLD) == SECOND
    visited.press("Home")
    visited.press(" ")
    assert focused(visited) == "Pause solid" and visited.value(TOLD) == FIRST
    assert visited.value("document.querySelector('.player output').ariaLive") == "off"
    visited.press(" ")
    assert focused(visited) == "Play solid"
    assert visited.value("document.querySelector('.player output').ariaLive") == "polite"
    visited.press("Tab")
    visited.press("Tab")
    assert focused(visited) == "On solid"
    visited.press(" ")
    assert visited.value(TOLD) == SECOND
    assert visited.violations() == []


def test_whoever_wants_less_motion_is_offered_steps_alone(visited: Person) -> None:
    visited.go(visited.path)
    visited.value("document.querySelector('.player button').click()")
    visited.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-reduced-motion", "value": "reduce"}])
    shown = (
        "[...document.querySelectorAll('.player button')].filter((it) => it.offsetWidth).map((it) => it.textContent)"
    )
    visited.wait_for(f"{shown}.join() === 'Back,On'")
    assert visited.value("document.querySelector('.player output').ariaLive") == "polite", "and what played has stopped"
    assert press(visited, "1") == SECOND
    visited.call("Emulation.setEmulatedMedia", features=[])
    visited.wait_for(f"{shown}.join() === 'Play,Back,On'")


def test_each_picture_says_in_words_which_step_it_belongs_to_and_what_is_marked(visited: Person) -> None:
    named = (
        "[...document.querySelectorAll('.step .screen, .player .screen')].map((it) => it.getAttribute('aria-label'))"
    )
    marked = "The screen before step 1; the element that it named is marked"
    visited.go(visited.path)
    assert visited.value(named) == [marked, marked, "The screen before step 2"]
    assert visited.value("document.querySelector('.player').ariaLabel") == "The run, played back"


def test_a_screen_of_any_size_is_shown_in_one_frame(visited: Person) -> None:
    frame = "document.querySelector('.player div')"
    height = visited.value(f"{frame}.offsetHeight")
    assert height == round(visited.value("Math.min(innerHeight * .6, 30 * 16)"))
    for width, tall in ((255, 191), (1024, 768), (40, 3000)):
        visited.value(
            f"(it => {{ it.setAttribute('width', {width}); it.setAttribute('height', {tall}); "
            f"it.setAttribute('viewBox', '0 0 {width} {tall}') }})({frame}.firstElementChild)"
        )
        assert visited.value(f"{frame}.offsetHeight") == height
        assert visited.value(f"Math.round({frame}.firstElementChild.getBoundingClientRect().height)") == height


def test_the_task_is_told_in_the_words_of_its_page_with_its_name_and_seed(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    with closing(Ledger.create(path)) as ledger:
        run = play(ledger, asked="Press <b>it</b>,\nplease.").id.hex
    with serving(path, with_api=False) as gateway:
        cookie = cookie_of(gateway, gateway.key)
        for address in (f"/runs/{run}", f"/rate/{run}"):
            page = ask(gateway, "GET", address, {"cookie": cookie}).text
            [told] = re.findall(r'aria-label="The task">(.*?)</section>', page, re.DOTALL)
            assert told.startswith("Press &lt;b&gt;it&lt;/b&gt;,\nplease.</div>")
            assert "press, seed 0" in told
        shown = json.loads(ask(gateway, "GET", f"/runs/{run}?format=json", {"cookie": cookie}).text)["shown"]
    assert (shown["task"], shown["instruction"]) == ("press", "Press <b>it</b>,\nplease.")
