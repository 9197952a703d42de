"""People rate runs in a browser: the queue, the form, keys, drafts, corrections, and two people at once."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from command_line import document, lines
from gateways import Served, make_key, serving
from page_forms import Reply, ask, cookie_of, token_of
from page_visits import Person, opened, visiting

from grokputer.runners.environments.browser import Browser
from story import Story


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A log with four runs, of which one was rated, and a question."""
    story = Story(tmp_path / "events.db")
    story.rate(story.run(), 5, "bob")
    for number in range(3):
        story.run(succeeds=number != 1, task=("click-button", "click-link", "enter-text")[number])
    story.ledger.close()
    return story.path


def ratings(path: Path) -> list[tuple[str, int, list[str]]]:
    return [(row["actor"], row["data"]["stars"], row["data"]["issues"]) for row in lines(path, "--event", "TaskRated")]


def test_a_person_rates_with_keys_alone_and_gets_the_next_run(path: Path, browser: Browser) -> None:
    with visiting(path, browser, with_api=False) as (_, person):
        person.go("/rate")
        first = person.path
        person.press("2")
        person.value("document.querySelector('[value=wrong_action]').click()")
        person.fill("#comment", "clicked <b>Cancel</b>")
        person._browser._loaded.discard(person._session)
        person.press("Enter", control=True)
        person.wait_for(f"location.pathname != {first!r} && document.readyState == 'complete'")
        assert "saved: 2 stars" in person.text(".said") and person.path.startswith("/rate/")
        person._browser._loaded.discard(person._session)
        person.press("u")
        person.wait_for(f"location.pathname == {first!r} && document.readyState == 'complete'")
        assert "You gave" in person.text()
        kept = (
            person.value("document.forms[2].comment.value"),
            person.value("document.querySelector('[name=stars]:checked').value"),
        )
        assert kept == ("clicked <b>Cancel</b>", "2")
        person.press("4")
        person.press("Enter", control=True)
        person.wait_for(f"location.pathname != {first!r} && document.readyState == 'complete'")
    assert ratings(path)[-2:] == [("ada", 2, ["wrong_action"]), ("ada", 4, ["wrong_action"])]
    assert [row["stars"] for row in document("runs", db=path) if row["id"] == first[6:]] == [4], "the change supersedes"


def test_a_rating_can_be_changed_and_the_later_one_counts(path: Path, browser: Browser) -> None:
    with visiting(path, browser, with_api=False) as (_, person):
        person.go("/rate")
        address = person.path
        for stars in (1, 4):
            person.go(address)
            person.value(f"document.querySelector('[name=stars][value=\"{stars}\"]').click()")
            person.click("[value=stay]")
            assert person.path == address and f"saved: {stars} star" in person.text(".said")
    assert [stars for _, stars, _ in ratings(path)] == [5, 1, 4]
    run = address.removeprefix("/rate/")
    assert [row["stars"] for row in document("runs", db=path) if row["id"] == run] == [4]


def test_a_draft_survives_a_reload_and_ends_with_the_rating(path: Path, browser: Browser) -> None:
    with visiting(path, browser, with_api=False) as (_, person):
        person.go("/rate")
        address = person.path
        person.press("3")
        person.fill("#comment", "half a thou")
        person.go(address)
        assert person.value("document.querySelector('[name=stars]:checked').value") == "3"
        assert person.value("document.querySelector('#comment').value") == "half a thou"
        person.value("document.querySelector('form.rate [name=token]').value = 'lost'")
        person.click("[value=stay]")
        assert "load the page again" in person.text("[role=alert]")
        person.go(address)
        assert person.value("document.querySelector('#comment').value") == "half a thou", "what was not saved is kept"
        person.click("[value=stay]")
        assert person.value(f"localStorage.getItem('draft:{address.removeprefix('/rate/')}')") is None


def test_two_people_never_get_the_same_run_even_at_two_gateways(path: Path, browser: Browser) -> None:
    keys = {name: make_key(path, "rate", holder=name) for name in ("bob", "cem", "dee")}
    with visiting(path, browser, with_api=False) as (first, ada), serving(path, with_api=False) as second:
        others = [Person(browser, gateway.url.removesuffix("/v1")) for gateway in (first, second)]
        for name, person in zip(("bob", "cem"), others, strict=True):
            person.sign_in(keys[name])
        for person in (ada, *others):
            person.go("/rate")
        assert len({person.path for person in (ada, *others)}) == 3
        others[0].go(ada.path)
        assert "ada is rating this run now" in others[0].text()
        late = Person(browser, second.url.removesuffix("/v1"))
        late.sign_in(keys["dee"])
        late.go("/rate")
        assert "3 runs wait for a rating, and other people have all of them" in late.text()
        others[1].press("5")
        others[1].click("[value=next]")
        assert "other people have all of them" in others[1].text()


def test_a_run_that_someone_else_has_is_not_saved(path: Path, browser: Browser) -> None:
    bobs = make_key(path, "rate", holder="bob")
    with visiting(path, browser, with_api=False) as (gateway, person):
        person.go("/rate")
        site = Served(gateway.url.removesuffix("/v1"), bobs, path)
        status, _, said = site.ask(
            person.path, {"stars": 3}, headers={"content-type": "application/json", "accept": "application/json"}
        )
    assert status == 409 and "ada is rating this run now" in said["error"]["message"]
    assert len(ratings(path)) == 1


def test_a_rating_works_without_scripts(path: Path, browser: Browser) -> None:
    with visiting(path, browser, with_api=False) as (_, person):
        person.call("Emulation.setScriptExecutionDisabled", value=True)
        person.go("/rate")
        rated = person.path
        for selector in ("#s4", "button[value=next]"):
            person.touch(selector)
        person.wait_for("document.querySelector('.said') !== null")
        assert person.path != rated
        person.touch(".said a")
        person.wait_for("document.querySelector('[name=stars]:checked')?.value === '4'")
        assert person.path == rated
        for selector in ("#s2", "button[value=next]"):
            person.touch(selector)
        person.wait_for("document.querySelector('.said') !== null")
        person.call("Emulation.setScriptExecutionDisabled", value=False)
    assert [rating[:2] for rating in ratings(path)[-2:]] == [("ada", 4), ("ada", 2)]


def test_a_form_that_is_sent_again_is_one_rating(path: Path) -> None:
    bobs = make_key(path, "rate", holder="bob")
    with serving(path, with_api=False) as gateway:
        adas, bob = ({"cookie": cookie_of(gateway, key)} for key in (gateway.key, bobs))
        address = ask(gateway, "GET", "/rate", adas).headers["location"]
        form = {
            "token": token_of(gateway, adas["cookie"], address),
            "stars": "2",
            "comment": "slow",
            "issue": "timeout",
        }

        def send(**fields: str) -> Reply:
            return ask(gateway, "POST", address, adas, **{**form, **fields})

        with ThreadPoolExecutor() as threads:  # a double click
            replies = [*threads.map(lambda _: send(), range(4))]
        assert ask(gateway, "GET", address, bob).status == 200  # another person has the run now
        replies.append(send())  # a reload
        assert [(reply.status, reply.headers["location"]) for reply in replies] == [(303, "/rate")] * 5
        changed = send(stars="3")  # the same form, as a browser may bring it back
        assert changed.status == 422 and "this form was saved before; load the run again to change it" in changed.text
    assert [(actor, stars) for actor, stars, _ in ratings(path)] == [("bob", 5), ("ada", 2)]
    run = address.removeprefix("/rate/")
    assert [row["data"]["run"] for row in lines(path, "--event", "FeedbackGiven")] == [run]


def test_a_program_that_repeats_its_rating_with_or_without_an_id_records_it_once(path: Path) -> None:
    with serving(path, with_api=False) as gateway, opened(path) as ledger:
        run = ledger.newest(1, ("TaskStarted",))[0].event.originator_id.hex
        site = Served(gateway.url.removesuffix("/v1"), gateway.key, path)
        as_json = {"content-type": "application/json", "accept": "application/json"}
        forms = ({"stars": 3}, {"stars": 3}, {"stars": 2, "id": "mine"}, {"stars": 2, "id": "mine"})
        positions = [site.ask(f"/rate/{run}", form, headers=as_json)[2]["position"] for form in forms]
        other = site.ask(f"/rate/{run}", {"stars": 1, "id": "mine"}, headers=as_json)
        long = site.ask(f"/rate/{run}", {"stars": 1, "id": "x" * 300}, headers=as_json)
    assert positions[0] == positions[1] < positions[2] == positions[3]
    assert other[0] == 422 and "feedback mine came before with other stars" in other[2]["error"]["message"]
    assert long[0] == 400 and "id takes 1 to 255" in long[2]["error"]["message"]
    assert [stars for _, stars, _ in ratings(path)] == [5, 3, 2]


def test_an_answer_that_nothing_can_try_is_corrected_as_unverified(tmp_path: Path, browser: Browser) -> None:
    with opened(_with_a_question(tmp_path)) as ledger:
        run = ledger.newest(1, ("TaskStarted",))[0].event.originator_id.hex
    with visiting(tmp_path / "events.db", browser, with_api=False) as (_, person):
        person.go(f"/rate/{run}")
        assert "Nothing here can try it" in person.value("document.querySelector('form.rate details').textContent")
        person.press("1")
        person.fill("#correction", "It is Ankara.\nSince 1923.")
        person.click("[value=stay]")
        assert "the correction is saved, unverified" in person.text(".said")
        person.go(f"/runs/{run}")
        assert "unverified" in person.text() and "Since 1923." in person.text()


def _with_a_question(folder: Path, content: object = "Capital of Turkey?", texts_percent: int = 100) -> Path:
    from chat_server import ChatServer

    from grokputer.runners.use_cases.settings import change_setting

    path = folder / "events.db"
    with ChatServer("It is <script>alert(1)</script> \u202eIstanbul", ["tiny"]) as endpoint:
        document_ = {
            "model.backend": "openai",
            "model.endpoint": endpoint.url,
            "model.base": "tiny",
            "gateway.texts_percent": texts_percent,
        }
        Story(path).ledger.close()
        with opened(path) as ledger:
            for key, value in document_.items():
                change_setting(ledger, key, value, actor="ada")
        with serving(path) as gateway:
            body = {"model": "action", "messages": [{"role": "user", "content": content}]}
            assert gateway.ask("/chat/completions", body)[0] == 200
    return path


def test_actions_that_do_not_do_the_task_are_not_saved_and_the_rating_is(path: Path, browser: Browser) -> None:
    with visiting(path, browser, with_api=False) as (gateway, person):
        person.go("/rate")
        person.press("2")
        person.fill("#correction", "CLICKbutton:Nowhere[99]")
        person.click("[value=stay]")
        assert "saved: 2 stars" in person.text(".said") and "the correction was not saved" in person.text(".said")
        assert person.value("document.querySelector('#correction').value") == "CLICKbutton:Nowhere[99]"
        assert person.value("document.querySelector('form.rate details').open") and "You gave" in person.text()
        assert (person.violations(), person.overflow) == ([], 0)
        site, run = Served(person.site, gateway.key, path), person.path.removeprefix("/rate/")
        as_json = {"content-type": "application/json", "accept": "application/json"}
        form = {"stars": 2, "correction": "CLICKbutton:Nowhere[99]"}
        status, _, said = site.ask(f"/rate/{run}", form, headers=as_json)
    assert status == 400 and "these actions do not do the task" in said["error"]["message"]
    assert said["correction"] == {"status": "failed", "position": None, "reason": said["error"]["message"]}
    [*_, rated] = lines(path, "--event", "TaskRated")
    assert (said["run"], said["stars"], said["position"]) == (run, 2, rated["position"])
    assert [stars for _, stars, _ in ratings(path)] == [5, 2]
    assert not lines(path, "--event", "TaskCorrected")


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"stars": "6"}, "1 to 5"),
        ({}, "1 to 5"),
        ({"stars": "3", "step": "x"}, "whole number"),
        ({"stars": "3", "comment": "x" * 4001}, "4000"),
        ({"stars": "3", "order": "3"}, "no field of this form; it takes comment, correction, id, "),
    ],
)
def test_a_form_that_cannot_be_saved_is_one_line(path: Path, form: dict[str, str], says: str) -> None:
    with serving(path, with_api=False) as gateway, opened(path) as ledger:
        run = ledger.newest(1, ("TaskStarted",))[0].event.originator_id.hex
        site = Served(gateway.url.removesuffix("/v1"), gateway.key, path)
        as_json = {"content-type": "application/json", "accept": "application/json"}
        status, _, said = site.ask(f"/rate/{run}", form, headers=as_json)
    assert status in (400, 409) and says in said["error"]["message"]


def test_every_page_of_rating_is_accessible_and_fits_a_phone(path: Path, browser: Browser) -> None:
    with visiting(path, browser, with_api=False) as (_, person):
        person.go("/rate")
        pages = [person.path, "/rate?role=ocr", "/", "/runs", "/runs?failed=1&stars=1", f"/runs/{person.path[6:]}"]
        assert person.find_faults(pages) == []


def test_hostile_words_are_shown_as_words(tmp_path: Path, browser: Browser) -> None:
    path = _with_a_question(tmp_path)
    with visiting(path, browser, with_api=False) as (_, person):
        person.go("/rate")
        assert "<script>alert(1)</script>" in person.text(".did") and "\\u202e" in person.text(".did")
        assert person.value("document.querySelectorAll('main script').length") == 0


def test_a_rater_sees_the_pictures_that_the_agent_saw(tmp_path: Path, browser: Browser) -> None:
    dot = "data:image/png;base64,"
    dot += "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    parts = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": dot}}]
    path = _with_a_question(tmp_path, parts)
    with visiting(path, browser, with_api=False) as (_, person):
        person.go("/rate")
        person.wait_for("[...document.querySelectorAll('main img')].map(each => each.naturalWidth).join() === '1'")
        address = person.value("document.querySelector('main img').getAttribute('src')")
        assert re.fullmatch(r"/runs/[0-9a-f]{32}/media/sha256:[0-9a-f]{64}", address)


def test_a_run_whose_words_were_not_kept_says_so(tmp_path: Path, browser: Browser) -> None:
    path = _with_a_question(tmp_path, texts_percent=0)
    with visiting(path, browser, with_api=False) as (_, person):
        for page in ("/rate", "/runs"):
            person.go(page)
            assert "not kept" in person.text() and "erased" not in person.text()
