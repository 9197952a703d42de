"""The past in a browser: the log, one event with cause and effects, why, and the state at any moment."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import document, lines
from gateways import Served
from page_visits import Person, visiting

from grokputer.runners.environments.browser import Browser
from grokputer.runners.gateway.pages import history
from story import Story

HOSTILE = "<script>alert(1)</script> \u202eevil"
JSON = {"content-type": "application/json", "accept": "application/json"}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log with a promotion by ratings that fell, and a setting that a person with a hostile name changed."""
    story = Story(tmp_path_factory.mktemp("history") / "events.db")
    story.promote()
    for number in range(3):
        story.rate(story.run(session=f"s{number}"), 4, HOSTILE)
    story.ledger.close()
    return story.path


@pytest.fixture(scope="module")
def site(told: Path, tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[tuple[Served, Person]]:
    """A gateway on a copy of that log for all tests here, which only read."""
    copy = tmp_path_factory.mktemp("served") / "log"
    shutil.copytree(told.parent, copy)
    with visiting(copy / told.name, browser, with_api=False) as (gateway, person):
        yield Served(person.site, gateway.key, gateway.path), person


def positions(person: Person) -> list[int]:
    return list(person.value("[...document.querySelectorAll('ol.events > li')].map(each => Number(each.id.slice(1)))"))


def test_the_log_is_read_in_pages_back_and_forth(site: tuple[Served, Person]) -> None:
    _, person = site
    person.go("/log?limit=20")
    first = positions(person)
    assert first == [*range(first[0], first[0] - 20, -1)]
    person.click("a[rel=next]")
    assert positions(person) == [*range(first[-1] - 1, first[-1] - 21, -1)]
    person.click("a[rel=prev]")
    assert positions(person) == first
    person.go(f"/log?limit=20&before={first[0] - 50}&after={first[0] - 55}")
    assert len(positions(person)) == 4


def test_the_log_is_filtered_by_event_person_and_id(site: tuple[Served, Person]) -> None:
    served, person = site
    person.go("/log")
    person.value("document.querySelector('[name=event]').value = 'TaskRated'")
    person.fill("[name=actor]", HOSTILE)
    person.click("form.filter button")
    rated = lines(served.path, "--event", "TaskRated")
    assert positions(person) == [row["position"] for row in rated[::-1] if row["actor"] == HOSTILE] and len(rated) > 3
    person.go("/log?event=TaskRated&actor=ada&after=1&limit=2")
    assert positions(person) == [row["position"] for row in rated if row["actor"] == "ada"][1::-1]
    person.go("/log?actor=a+stranger")
    assert "No event meets these conditions" in person.text()
    id = rated[0]["id"]
    person.go(f"/log?id={id[:6]}")
    assert positions(person) == [row["position"] for row in lines(served.path, "--id", id[:6])][::-1]


def test_the_log_opens_around_an_event(site: tuple[Served, Person]) -> None:
    _, person = site
    person.go("/log?around=40&limit=10")
    assert positions(person) == [*range(45, 35, -1)]
    assert person.value("document.querySelector('.sought').id") == "p40"


def test_an_event_shows_its_cause_its_effects_and_its_data(site: tuple[Served, Person]) -> None:
    served, person = site
    [started] = lines(served.path, "--event", "RolloutStarted")
    person.go(f"/log/{started['position']}")
    assert "RolloutStarted" in person.text("h1") and '"weight_percent": 15' in person.text(".words")
    followed = [row["position"] for row in lines(served.path) if row["caused_by"] == started["position"]]
    assert positions(person) == [started["caused_by"], *followed] and followed
    _, _, shown = served.ask(f"/log/{started['position']}", headers=JSON)
    assert started.items() <= shown.items()
    assert [row["position"] for row in shown["effects"]] == followed


def test_why_has_the_sentence_the_tree_and_the_curves(site: tuple[Served, Person]) -> None:
    served, person = site
    person.go("/why/lora-v1")
    text = person.text()
    assert "lora-v1 was promoted on 2025-03-01" in text and "breach: mean" in text and "dataset of 7 examples" in text
    assert person.value("[...document.querySelectorAll('main h2')].map(each => each.textContent)") == [
        "Why", "The canary", "Ratings", "Adapters",
    ]  # fmt: skip
    assert "stars for run" not in person.text(".tree")
    person.click("a[href='?ratings=1']")
    assert "stars for run" in person.text(".tree")
    known, (_, _, shown) = document("why", "lora-v1", db=served.path), served.ask("/why/lora-v1", headers=JSON)

    def facts(node: dict[str, object]) -> object:
        children = node["children"]
        assert isinstance(children, list)
        return node["position"], node["kind"], node["text"], node["data"], [facts(child) for child in children]

    assert [facts(node) for node in shown["tree"]] == [facts(node) for node in known["tree"]]


def test_in_a_long_log_the_curves_are_of_the_part_around_the_newest_cause(
    site: tuple[Served, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    served, person = site
    whole = served.ask("/why/lora-v1", headers=JSON)[2]
    person.go("/why/lora-v1")
    descent = person.text(".descent")
    assert whole["curves"] == {"first": 1, "last": whole["position"]} and "because the log is long" not in person.text()
    monkeypatch.setattr(history, "MOST_FOLDED", 40)
    _, _, shown = served.ask("/why/lora-v1", headers=JSON)
    first, last = shown["curves"]["first"], shown["curves"]["last"]
    newest = max(map(int, re.findall(r'"position": (\d+)', json.dumps(shown["tree"]))))
    assert 1 < first <= newest <= last and last - first <= 60 and shown["tree"] == whole["tree"]
    person.go("/why/lora-v1")
    assert f"The curves are of positions {first} to {last} only" in person.text()
    assert person.text(".descent") == descent and (person.violations(), person.overflow) == ([], 0)
    assert served.ask("/why/rating.window", headers=JSON)[0] == 200, "a setting that was never changed has no cause"


def test_curves_keep_their_styles_under_the_strict_policy(site: tuple[Served, Person]) -> None:
    _, person = site
    person.go("/why/lora-v1")
    tops = person.value(
        "[...document.querySelectorAll('.plot .tick')].slice(0, 3).map(each => getComputedStyle(each).top)"
    )
    assert len(set(tops)) == 3
    assert person.value("document.querySelectorAll('[style]').length") == 0
    assert person.value("getComputedStyle(document.querySelector('.descent svg')).width") == "22px"


def test_why_explains_a_run_and_a_setting_too(site: tuple[Served, Person]) -> None:
    served, person = site
    person.go("/why/rating.rule")
    assert "rating.rule is threshold because ada set it" in person.text(".sentence")
    run = lines(served.path, "--event", "TaskStarted")[-1]["id"]
    person.go(f"/why/{run[:8]}")
    assert f"Run {run[:8]} used lora-v1" in person.text(".sentence")
    person.go("/why/%3Cscript%3E")
    assert "'<script>' is not an adapter" in person.text("[role=alert]")


def test_the_state_at_a_position_and_at_a_time(site: tuple[Served, Person]) -> None:
    served, person = site
    [promoted] = lines(served.path, "--event", "AdapterPromoted")
    person.go("/at")
    person.fill("[name=moment]", str(promoted["position"] - 1))
    person.click("form.filter button")
    assert "lora-v1: canary" in person.text() and f"At position {promoted['position'] - 1}" in person.text("h1")
    person.go(f"/at?moment={promoted['time'][:19]}&adapter=lora-v1")
    assert "lora-v1: live" in person.text() and "Promoted, 100 %" in person.text()
    _, _, shown = served.ask(f"/at?moment={promoted['position']}", headers=JSON)
    assert shown["then"] == document("at", promoted["position"], db=served.path)


@pytest.mark.parametrize(
    ("address", "status", "says"),
    [
        ("/log/100000", 404, "no event at position 100000"),
        ("/log/x", 400, "'x' is neither a position nor a time"),
        ("/log?event=TaskRatd", 404, "close to it: TaskRated"),
        ("/log?before=0", 400, "before cannot be '0'"),
        ("/log?limit=1e9", 400, "limit cannot be '1e9'"),
        ("/at?moment=2001-01-01", 404, "before the log begins"),
        ("/at?moment=soon", 400, "neither a position nor a time"),
        ("/at?moment=3&adapter=lora-v1", 404, "at position 3: "),
    ],
)
def test_what_is_not_there_is_one_line(site: tuple[Served, Person], address: str, status: int, says: str) -> None:
    answered, _, said = site[0].ask(address, headers=JSON)
    assert (answered, says in said["error"]["message"]) == (status, True), said


def test_the_pages_are_accessible_at_every_width(site: tuple[Served, Person]) -> None:
    served, person = site
    last = lines(served.path, "--event", "TaskRated")[-1]
    pages = ["/log", "/log?around=64", "/log/64", f"/log/{last['position']}", "/why/lora-v1", "/why/rating.rule"]
    pages += [f"/why/{last['id'][:8]}", "/at", "/at?moment=100", "/at?moment=100&adapter=lora-v1"]
    assert person.find_faults(pages) == []
    person.go(f"/log/{last['position']}")
    assert "<script>alert(1)</script>" in person.text() and "\\u202e" in person.text()
