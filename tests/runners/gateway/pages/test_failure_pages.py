"""Failures in a browser: what fails, the groups, and a training from one of them."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
from command_line import document, lines
from gateways import Served, serving
from page_visits import PATIENCE_S, visiting

from grokputer.runners.environments.browser import Browser
from grokputer.runners.explain.run_filter import RunFilter
from grokputer.runners.gateway.pages import failures
from grokputer.runners.store.log import Log
from grokputer.runners.use_cases.reading.failures import Failures, view_failures
from story import Story


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A log with six failures that are alike, two of them rated, and four successes."""
    story = Story(tmp_path / "events.db")
    for number in range(10):
        run = story.run(succeeds=number > 5)
        if number < 2:
            story.rate(run, 1)
    story.ledger.close()
    return story.path


def test_a_person_goes_from_what_fails_most_to_a_training(path: Path, browser: Browser) -> None:
    with visiting(path, browser, with_api=False) as (_, person):
        person.go("/failures")
        assert "6 failures in 10 runs: 60.0 %" in person.text()
        person.click("tbody a")
        assert "6 similar failures" in person.text() and "4 unrated" in person.text()
        assert person.value("document.querySelectorAll('.runs li').length") == 6
        person.fill("[name=reason]", "it never finds <b>the button</b>")
        person.leave("document.querySelector('main form').requestSubmit()")
        assert "a training of role action is requested" in person.text(".said")
    [opened] = lines(path, "--event", "CycleOpened")
    assert opened["actor"] == "ada" and "it never finds <b>the button</b>; " in opened["data"]["reason"]


def test_the_page_says_what_the_command_says(path: Path) -> None:
    with serving(path, with_api=False) as gateway:
        site = Served(gateway.url.removesuffix("/v1"), gateway.key, path)
        *_, shown = site.ask("/failures", headers={"accept": "application/json"})
    printed = document("failures", db=path)
    assert {name: shown[name] for name in printed} == printed


def test_other_pages_are_answered_while_failures_are_counted_once_for_all_who_wait(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, may_go, counted = Event(), Event(), list[int]()

    def count_slowly(log: Log, wanted: RunFilter, last: int, *, with_advice: bool) -> Failures:
        counted.append(last)
        begun.set()
        assert may_go.wait(PATIENCE_S)
        return view_failures(log, wanted, last, with_advice=with_advice)

    monkeypatch.setattr(failures, "view_failures", count_slowly)
    as_json = {"accept": "application/json"}
    with serving(path, with_api=False) as gateway, ThreadPoolExecutor(8) as threads:
        site = Served(gateway.url.removesuffix("/v1"), gateway.key, path)
        asked = [threads.submit(site.ask, "/failures?last=10000&since=9999d", headers=as_json) for _ in range(6)]
        assert begun.wait(PATIENCE_S)
        others = [
            site.ask(page, headers=as_json)[0] for page in ("/", "/runs", "/log", "/settings", "/why/rating.rule")
        ]
        may_go.set()
        shown = [each.result()[2]["failures"] for each in asked]
        too_many = site.ask("/failures?last=20000", headers=as_json)
    assert (others, shown, counted) == ([200] * 5, [6] * 6, [10_000])
    assert too_many[0] == 400 and "it takes a whole number from 1 to 10000" in too_many[2]["error"]["message"]


def test_filters_and_what_is_wrong_with_them(path: Path) -> None:
    with serving(path, with_api=False) as gateway:
        site = Served(gateway.url.removesuffix("/v1"), gateway.key, path)
        as_json = {"accept": "application/json"}
        *_, none = site.ask("/failures?task=click-link", headers=as_json)
        refused = [
            site.ask(f"/failures?{bad}", headers=as_json) for bad in ("role=x", "since=soon", "last=0", "last=x")
        ]
        unknown = site.ask(f"/failures/{'f' * 32}", headers=as_json)
    assert none["examined"] == 0
    assert [status for status, *_ in refused] == [404, 400, 400, 400]
    assert unknown[0] == 404


def test_the_pages_are_accessible_and_fit_a_phone(path: Path, browser: Browser) -> None:
    with visiting(path, browser, with_api=False) as (_, person):
        person.go("/failures")
        group = person.value("document.querySelector('tbody a').getAttribute('href')")
        assert person.find_faults(["/failures", "/failures?role=ocr", group]) == []


def test_a_group_is_reached_with_the_conditions_that_made_it(tmp_path: Path, browser: Browser) -> None:
    story = Story(tmp_path / "events.db")
    for number in range(10):
        story.run(succeeds=number > 3, task="click-link" if number < 4 else "click-button")
    story.ledger.close()
    with visiting(story.path, browser, with_api=False) as (_, person):
        person.go("/failures?task=click-link&last=4")
        assert "No run meets" in person.text() or "0 failures" in person.text()  # the newest four are others
        person.go("/failures?task=click-link&last=9")
        person.click("tbody a")
        assert person.path.endswith("?task=click-link&last=9") and "similar failures" in person.text()
        person.leave("document.querySelector('main form').requestSubmit()")
        assert (
            person.path.endswith("?task=click-link&last=9")
            and "a training of role action is requested" in person.text()
        )


def test_times_without_a_zone_are_utc_on_pages(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        with serving(path, with_api=False) as gateway:
            site = Served(gateway.url.removesuffix("/v1"), gateway.key, path)
            as_json = {"accept": "application/json"}
            after, before = (
                site.ask(f"/runs?{name}=2025-03-01T12:00", headers=as_json)[2] for name in ("since", "until")
            )
    finally:
        monkeypatch.undo()
        time.tzset()
    assert (len(after["runs"]), len(before["runs"])) == (10, 0)
