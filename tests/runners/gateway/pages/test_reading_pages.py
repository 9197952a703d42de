"""A reading on the page of its run: a person corrects its words on the picture, and role ``ocr`` learns them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from desks import Told
from gateways import Served
from page_visits import Person, opened, visiting
from panes import READ, Pane
from screened import draw

from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.page.messages import Page
from grokputer.runners.agent.runner import Task, TaskRunner
from grokputer.runners.environments.browser import Browser
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.store.ledger import Ledger
from story import change


class Drawn(Pane):
    """The pane with a picture that a browser can show."""

    def reset(self, task: str, seed: int) -> Page:
        self._page = replace(super().reset(task, seed), picture=draw(90))
        return self._page

    def beside(self, seat: int) -> Drawn:
        return Drawn(self._words, has_tree=self._has_tree)


class Visited(NamedTuple):
    """A person at the pages of a log with one run."""

    gateway: Served
    person: Person
    path: Path
    run: str

    @property
    def page(self) -> str:
        return f"/runs/{self.run}?reading=1"

    def corrected(self) -> list[str]:
        """The lines of the newest correction of the reading."""
        with opened(self.path) as ledger:
            [*_, correction] = ledger.get(TaskRun, UUID(self.run)).corrections
            [row] = json.loads(ledger.get_content(correction.correction) or "")
        return [correction.source, *row["completion"].split("\n")]


@pytest.fixture
def visited(tmp_path: Path, browser: Browser) -> Iterator[Visited]:
    path = tmp_path / "events.db"
    with closing(Ledger.create(path)) as ledger:
        change(ledger, "run.max_resamples", 0)
        change(ledger, "run.observe", "ocr")
        runner = TaskRunner(ledger, Told([f"CLICK{READ[1]}"]), lambda name: None, "told", "ada")
        run = runner.run(Task("pane", "save"), Drawn(has_tree=False), process_new_events(ledger)).id.hex
    with visiting(path, browser, with_api=False) as (gateway, person):
        yield Visited(gateway, person, path, run)


def test_the_words_are_marked_on_the_picture_and_the_doubtful_ones_apart(visited: Visited) -> None:
    person = visited.person
    person.go(f"/runs/{visited.run}")
    marked = "[...document.querySelectorAll('#step-1 .screen .word')].map((it) => it.getAttribute('class'))"
    assert person.value(marked) == ["word", "word", "word low", "word"]
    assert person.value("document.querySelector('#step-1 .screen .word.low title').textContent") == "all, 70.0 %"
    assert [person.text(f"#step-{number} h3") for number in (1, 2)] == ["What it read", "What it did"]
    person.click("#step-1 a[href*=reading]")
    assert person.path == visited.page


def test_a_person_corrects_a_word_on_its_place_and_it_is_the_fact_of_a_correction_by_lines(visited: Visited) -> None:
    person = visited.person
    person.go(visited.page)
    person.touch("#step-1 .screen a:nth-of-type(2)")  # its word is the second that was read
    person.wait_for("document.activeElement.id === 'word-1'")
    assert person.value("document.querySelector('.screen .now').getAttribute('href')") == "#word-1"
    person.fill("#word-1", "Safe")
    person.fill(".reading li:nth-child(2) [name=kind]", "button")
    person.fill("#more", "entry:Title")
    person.leave("document.querySelector('form.reading').requestSubmit()")
    assert "saved: the lines of step 1" in person.text()
    assert visited.corrected() == ["human", "text:Draft[1]", "button:Safe all[2]", "text:Quit[3]", "entry:Title[4]"]
    assert "of what was read, believed" in person.text()
    assert person.value("document.querySelector('#word-1').value") == "Safe"
    assert "read Save, 98.0 %" in person.text(".reading li:nth-child(2)")


def test_it_works_without_scripts_and_a_line_without_a_kind_is_left_out(visited: Visited) -> None:
    person = visited.person
    person.call("Emulation.setScriptExecutionDisabled", value=True)
    person.go(visited.page)
    person.touch("#word-3")
    for key in ("a", "y"):
        person.press(key)
    person.touch(".reading .do button")
    person.call("Emulation.setScriptExecutionDisabled", value=False)
    person.wait_for("document.querySelector('.said') !== null")
    [_, _, _, last] = visited.corrected()
    assert last.startswith("text:") and "ay" in last and "Quit" in last


def test_the_form_is_accessible_and_fits_a_phone(visited: Visited) -> None:
    assert visited.person.find_faults([f"/runs/{visited.run}", visited.page]) == []


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"step": "2", "line": "text:a"}, "step 2 of run {run} does not read; its steps that read are 1"),
        ({"step": "1", "line": "text:a", "kind": ["text"], "word": []}, "the words are not those of the lines"),
        ({"step": "1", "line": "I see a draft"}, "these are no lines of a screen"),
    ],
)
def test_a_form_that_cannot_be_saved_is_one_line(visited: Visited, form: dict[str, object], says: str) -> None:
    status, answer = send(visited, form)
    assert status in (400, 422)
    assert says.format(run=visited.run[:8]) in answer["error"]["message"]


def test_a_program_sends_the_right_lines_alone(visited: Visited) -> None:
    status, answer = send(visited, {"step": "1", "line": ["window:Draft", "button:Save all"]})
    assert (status, answer["step"], answer["is_new"]) == (200, 1, True)
    assert visited.corrected() == ["human", "window:Draft[1]", "button:Save all[2]"]


def send(visited: Visited, form: dict[str, object]) -> tuple[int, dict[str, Any]]:
    """What a program is answered that sends the form of the reading."""
    key = {"authorization": f"Bearer {visited.gateway.key}", "content-type": "application/json"}
    with closing(HTTPConnection(urlsplit(visited.person.site).netloc)) as connection:
        connection.request("POST", f"/runs/{visited.run}", json.dumps(form), {**key, "accept": "application/json"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
