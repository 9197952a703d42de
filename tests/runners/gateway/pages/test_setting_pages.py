"""Settings in a browser: all as they are declared, who changed what, and a change in the person's name."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import document, lines
from gateways import Served, make_key, serving
from page_visits import Person, visiting

from grokputer.runners.environments.browser import Browser
from story import Story

HOSTILE = "</textarea><script>alert(1)</script> \"quoted\" 'too' \u202eevil " + "long " * 2000
JSON = {"content-type": "application/json", "accept": "application/json"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A log in which two settings were changed."""
    story = Story(tmp_path / "events.db")
    story.ledger.close()
    return story.path


def changes(path: Path) -> list[tuple[str, str, object, str, bool]]:
    rows = lines(path, "--event", "PolicyChanged")
    return [
        (row["actor"], row["data"]["key"], row["data"]["new"], row["data"]["reason"], row["data"]["is_unset"])
        for row in rows
    ]


def save(person: Person, value: str, reason: str, button: str = "form[action='/settings'] button") -> None:
    person.value(f"document.querySelector('#value').value = {value!r}")
    person.fill("#reason", reason)
    person.click(button)


def test_a_setting_is_found_by_words_changed_with_a_reason_and_unset_again(path: Path, browser: Browser) -> None:
    with visiting(path, browser, with_api=False) as (_, person):
        person.go("/settings")
        person.fill("[name=q]", "share first")
        person.click("form.filter button")
        assert "canary.weight_percent" in person.text() and "rating.rule" not in person.text()
        person.click("a[href='/settings/canary.weight_percent']")
        assert "canary.weight_percent is 15, its default: no person has changed it." in person.text()
        assert person.value("[document.querySelector('#value').min, document.querySelector('#value').max]") == [
            "1",
            "99",
        ]
        save(person, "25", "more traffic now")
        assert "canary.weight_percent is 25" in person.text(".said") and "more traffic now" in person.text()
        person.go("/settings?changed=1")
        assert "Set by ada" in person.text() and "more traffic now" in person.text()
        person.go("/settings/canary.weight_percent")
        save(person, "25", "as before", "[name=unset]")
        assert "canary.weight_percent is 15 again" in person.text(".said")
    assert changes(path)[2:] == [
        ("ada", "canary.weight_percent", 25, "more traffic now", False),
        ("ada", "canary.weight_percent", 15, "as before", True),
    ]


def test_a_choice_is_a_list_and_a_role_has_a_page_of_its_own(path: Path, browser: Browser) -> None:
    with visiting(path, browser, with_api=False) as (_, person):
        person.go("/settings/rating.rule")
        person.click("a[href='/settings/ocr.rating.rule']")
        assert person.value("[...document.querySelector('#value').options].map(each => each.text)") == [
            "sequential",
            "threshold",
        ]
        save(person, "sequential", "ocr has many ratings")
        assert "ocr.rating.rule is sequential" in person.text(".said")
    assert changes(path)[-1] == ("ada", "ocr.rating.rule", "sequential", "ocr has many ratings", False)


def test_instructions_are_words_on_the_page_and_never_a_file_of_the_machine(path: Path, browser: Browser) -> None:
    secret = path.with_name("secret.txt")
    secret.write_text("the words of a file", encoding="utf-8")
    with visiting(path, browser, with_api=False) as (gateway, person):
        person.go("/settings/run.instructions")
        save(person, str(secret), "a path")
        assert str(secret) in person.text(".words") and "the words of a file" not in person.text()
        site = Served(person.site, gateway.key, path)
        for key, value in (("run.instructions", f"@{secret}"), ("model.chat_template", str(secret))):
            status, _, said = site.ask("/settings", {"key": key, "value": value, "reason": "x"}, headers=JSON)
            assert status == 400 and "a file is read by 'grokputer settings set' alone" in said["error"]["message"]
        person.go("/settings/run.instructions")
        save(person, HOSTILE, HOSTILE)
        assert "<script>alert(1)</script>" in person.text(".words") and "\\u202e" in person.text(".words")
        assert person.value("document.querySelector('#value').value").startswith("</textarea><script>")
        assert len(person.text(".said")) < 400


def test_the_pages_are_json_at_the_same_address(path: Path) -> None:
    with serving(path, with_api=False) as gateway:
        site = Served(gateway.url.removesuffix("/v1"), gateway.key, path)
        _, _, listed = site.ask("/settings?q=rating", headers=JSON)
        _, _, shown = site.ask("/settings/rating.rule", headers=JSON)
        _, _, done = site.ask("/settings", {"key": "rating.window", "value": 30, "reason": "fewer"}, headers=JSON)
    known = {row["key"]: row for row in document("settings", db=path)}
    rows = {row["key"]: row for row in listed["settings"]}
    assert {"rating.rule", "alert.min_mean_rating"} <= rows.keys() < known.keys()
    assert known["rating.rule"].items() <= rows["rating.rule"].items()
    assert rows["rating.rule"]["changed"]["reason"] == "ten low ratings tell the story sooner"
    assert [node["data"]["new"] for node in shown["changes"]] == ["threshold"]
    assert (done["key"], done["value"], done["not_for"]) == ("rating.window", 30, [])


@pytest.mark.parametrize(
    ("form", "status", "says"),
    [
        ({"key": "rating.window", "value": "30"}, 400, "needs its reason"),
        ({"key": "rating.window", "reason": "x"}, 400, "the value of rating.window is missing"),
        ({"key": "rating.window", "value": "many", "reason": "x"}, 400, "rating.window cannot be 'many'"),
        ({"key": "rating.windows", "value": "3", "reason": "x"}, 400, "is not a setting; close to it: rating.window"),
        ({"key": "<script>", "value": "3", "reason": "x"}, 400, "<script> is not a setting"),
        ({"value": "3", "reason": "x"}, 400, "is not a setting"),
    ],
)
def test_a_change_that_is_not_possible_is_one_line(path: Path, form: dict[str, str], status: int, says: str) -> None:
    with serving(path, with_api=False) as gateway:
        site = Served(gateway.url.removesuffix("/v1"), gateway.key, path)
        answered, _, said = site.ask("/settings", form, headers=JSON)
    assert (answered, says in said["error"]["message"]) == (status, True), said
    assert len(changes(path)) == 2


def test_a_key_without_admin_reads_settings_and_changes_none(path: Path, browser: Browser) -> None:
    key = make_key(path, "rate", holder="bob")
    with serving(path, with_api=False) as gateway:
        person = Person(browser, gateway.url.removesuffix("/v1"))
        person.sign_in(key)
        person.go("/settings/rating.rule")
        assert "ten low ratings" in person.text() and not person.value("document.querySelector('main form') !== null")
        form = {"key": "rating.window", "value": "30", "reason": "x"}
        assert Served(person.site, key, path).ask("/settings", form, headers=JSON)[0] == 403
    assert len(changes(path)) == 2


def test_the_pages_are_accessible_at_every_width(path: Path, browser: Browser) -> None:
    pages = ("/settings", "/settings?q=nothing+has+this", "/settings/rating.rule", "/settings/run.instructions")
    with visiting(path, browser, with_api=False) as (_, person):
        person.go("/settings/run.instructions")
        save(person, HOSTILE, HOSTILE)
        assert person.find_faults(pages) == []
