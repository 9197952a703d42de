"""People decide on rollouts in a browser: what is shown, what each button records, and who may press it."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from command_line import document, lines
from gateways import Served, make_key, serving
from page_forms import ask, cookie_of, token_of
from page_visits import Person, opened, visiting

from grokputer.runners.environments.browser import Browser
from story import Story

HOSTILE = "</textarea><script>alert(1)</script> \"quoted\" 'too' & \u202eevil\u202c " + "long " * 2000
JSON = {"content-type": "application/json", "accept": "application/json"}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log with a promoted adapter and a canary that is judged by evidence."""
    story = Story(tmp_path_factory.mktemp("rollouts") / "events.db")
    story.promote()
    story.set("canary.rule", "sequential")
    story.prove(story.train(story.ask()))
    for number in range(20):
        run = story.run(succeeds=number % 4 != 0, session=f"s{number}")
        story.rate(run, 4, "bob")
    story.ledger.close()
    return story.path


@pytest.fixture
def path(told: Path, tmp_path: Path) -> Path:
    """A copy of that log."""
    shutil.copytree(told.parent, tmp_path / "log")
    return tmp_path / "log" / told.name


def buttons(person: Person) -> list[str]:
    return list(person.value("[...document.querySelectorAll('.decide summary')].map(each => each.textContent)"))


def press(person: Person, name: str, reason: str, **fields: str) -> None:
    """Open the decision, fill its form, and press its button."""
    number = buttons(person).index(name) + 1
    place = f".decide details:nth-of-type({number})"
    person.value(f"document.querySelector('{place} summary').click()")
    person.fill(f"{place} textarea", reason)
    for field, value in fields.items():
        person.value(f"document.querySelector('{place} [name={field}]').value = '{value}'")
    person.click(f"{place} form button")


def last_decision(path: Path, event: str) -> tuple[str, Any]:
    newest = lines(path, "--event", event)[-1]
    return newest["actor"], newest["data"]["reason"]


def test_each_button_takes_its_decision_in_the_persons_name(path: Path, browser: Browser) -> None:
    with visiting(path, browser, with_api=False) as (_, person):
        person.go("/rollouts")
        person.click("a[href='/rollouts/lora-v2']")
        assert buttons(person) == ["Promote", "Set the share", "Pause", "Roll back"]
        press(person, "Pause", "the site is down")
        assert "lora-v2 is paused, with 15 % of the runs" in person.text(".said")
        assert last_decision(path, "RolloutPaused") == ("ada", "the site is down")
        assert buttons(person) == ["Promote", "Set the share", "Resume", "Roll back"]
        press(person, "Resume", "it is back")
        assert last_decision(path, "RolloutResumed") == ("ada", "it is back")
        press(person, "Set the share", "little traffic", percent="30")
        assert last_decision(path, "CanaryWeightSet") == ("ada", "little traffic")
        assert "lora-v2 has 30 % of the sessions" in person.text("#live")
        press(person, "Promote", "looked at 40 runs")
        assert last_decision(path, "AdapterPromoted") == ("ada", "looked at 40 runs")
        assert buttons(person) == ["Roll back"] and "live is lora-v2" in person.text(".said")
        press(person, "Roll back", "clicks Cancel", to="base")
        assert last_decision(path, "AdapterRolledBack") == ("ada", "clicks Cancel")
        assert buttons(person) == ["Roll forward"] and "live is the base" in person.text(".said")
        press(person, "Roll forward", "it was the network")
        assert last_decision(path, "AdapterPromoted") == ("ada", "it was the network")
    assert [row["phase"] for row in document("rollouts", db=path)] == ["promoted", "promoted"]


def test_a_step_that_waits_is_approved(tmp_path: Path, browser: Browser) -> None:
    story = Story(tmp_path / "events.db")
    story.set("canary.approval", "promotion")
    story.run()
    story.run()
    rollout = story.prove(story.train(story.ask()))
    story.assess(rollout, "promote")
    story.ledger.close()
    with visiting(story.path, browser, with_api=False) as (_, person):
        person.go("/rollouts/lora-v1")
        assert "Approve" in buttons(person) and "is promoted: it answers all runs of role action" in person.value(
            "document.querySelector('.decide').textContent"
        )
        press(person, "Approve", "reviewed on Monday")
    assert last_decision(story.path, "AdapterPromoted") == ("ada", "reviewed on Monday")


def test_a_dangerous_decision_says_first_what_will_happen(path: Path, browser: Browser) -> None:
    with visiting(path, browser, with_api=False) as (_, person):
        person.go("/rollouts/lora-v2")
        said = person.value("document.querySelector('.decide').textContent")
        assert (
            "lora-v2 answers all runs of role action from now on, whatever its canary has shown; lora-v1 gets none."
            in said
        )
        assert "The 15 % of the runs that lora-v2 has go back to lora-v1, and this rollout is over." in said
        person.value("document.querySelector('.decide summary').click()")
        assert not person.value("document.querySelector('.decide form').checkValidity()"), "without a reason"


def test_a_decision_works_without_scripts(path: Path, browser: Browser) -> None:
    with visiting(path, browser, with_api=False) as (_, person):
        person.go("/rollouts/lora-v2")
        number = buttons(person).index("Pause") + 1
        person.call("Emulation.setScriptExecutionDisabled", value=True)
        person.go("/rollouts/lora-v2")
        place = f".decide details:nth-of-type({number})"
        person.touch(f"{place} summary")
        person.touch(f"{place} textarea")
        person.call("Input.insertText", text="no scripts here")
        person.touch(f"{place} form button")
        person.wait_for("document.querySelector('.said') !== null")
        person.call("Emulation.setScriptExecutionDisabled", value=False)
    assert last_decision(path, "RolloutPaused") == ("ada", "no scripts here")


def test_an_open_page_shows_share_and_evidence_as_they_change(path: Path, browser: Browser) -> None:
    from grokputer.runners.use_cases.rollouts import set_share

    with visiting(path, browser, with_api=False) as (_, person):
        person.go("/rollouts/lora-v2")
        assert "Evidence over the canary's runs" in person.text("#live")
        tops = "new Set([...document.querySelectorAll('#live .tick')].map(each => getComputedStyle(each).top)).size"
        before = person.value(tops)
        with opened(path) as ledger:
            set_share(ledger, "lora-v2", 40, reason="a busy day", actor="bob")
        person.wait_for("document.querySelector('#live').innerText.includes('has 40 % of the sessions')")
        assert "was given 40 % of the runs by bob" in person.text("#live")
        assert person.value(tops) == before > 1, "the new curve has the styles of its drawing"


def test_the_page_is_json_at_the_same_address(path: Path) -> None:
    with serving(path, with_api=False) as gateway:
        site = Served(gateway.url.removesuffix("/v1"), gateway.key, path)
        _, _, listed = site.ask("/rollouts", headers=JSON)
        _, _, shown = site.ask("/rollouts/lora-v2", headers=JSON)
    known = document("rollouts", db=path)
    assert [row for row in listed["rollouts"] if row.pop("is_over") in (True, False)][::-1] == known
    assert shown["rollout"] == known[1] and shown["live"] == "lora-v1"
    assert [step["weight_percent"] for step in shown["steps"]] == [15, 50, 100]
    assert [each["decision"] for each in shown["decisions"]] == ["promote", "share", "pause", "roll back"]
    assert shown["looks"][-1]["evidence"] == known[1]["numbers"]["evidence"]
    works = {row["arm"]: (row["adapter"], row["value"], row["of"], row["target"]) for row in shown["metrics"]}
    runs = {adapter: len(document("runs", "--adapter", adapter, db=path)) for adapter in ("lora-v2", "lora-v1")}
    assert works == {
        "canary": ("lora-v2", 1.0, f"{runs['lora-v2']} runs", 0.85),
        "stable": ("lora-v1", 1.0, f"{runs['lora-v1']} runs", 0.85),
    }


def test_a_key_without_admin_sees_no_button_and_decides_nothing(path: Path, browser: Browser) -> None:
    key = make_key(path, "rate", holder="bob")
    with serving(path, with_api=False) as gateway:
        person = Person(browser, gateway.url.removesuffix("/v1"))
        person.sign_in(key)
        person.go("/rollouts/lora-v2")
        assert "lora-v2 has 15 %" in person.text() and not buttons(person)
        site = Served(person.site, key, path)
        status, _, said = site.ask("/rollouts/lora-v2", {"decision": "promote", "reason": "mine"}, headers=JSON)
    assert status == 403 and "admin" in said["error"]["message"]
    assert len(lines(path, "--event", "AdapterPromoted")) == 1


def test_a_decision_that_is_sent_again_is_one_decision(path: Path) -> None:
    with serving(path, with_api=False) as gateway:
        ada = {"cookie": cookie_of(gateway, gateway.key)}
        address, before = "/rollouts/lora-v2", len(lines(path, "--event", "CanaryWeightSet"))

        def send(token: str, percent: str) -> tuple[int, str | None]:
            form = {"decision": "share", "percent": percent, "reason": "busy", "token": token}
            reply = ask(gateway, "POST", address, ada, **form)
            return reply.status, reply.headers["location"]

        token = token_of(gateway, ada["cookie"], address)
        with ThreadPoolExecutor() as threads:
            sent = [*threads.map(lambda _: send(token, "30"), range(3))]
        other = send(token_of(gateway, ada["cookie"], address), "40")
    assert [*sent, other] == [(303, address)] * 4
    assert [row["data"]["weight_percent"] for row in lines(path, "--event", "CanaryWeightSet")[before:]] == [30, 40]


def test_a_share_that_a_program_sends_again_to_another_gateway_is_set_once(path: Path) -> None:
    form = {"decision": "share", "reason": "busy", "id": "night-1"}
    with serving(path, with_api=False) as first, serving(path, with_api=False) as second:
        sites = [Served(each.url.removesuffix("/v1"), first.key, path) for each in (first, second)]
        before = len(lines(path, "--event", "CanaryWeightSet"))
        wanted = [(sites[0], "30", "night-1"), (sites[0], "40", "night-2"), (sites[1], "30", "night-1")]
        answers = [
            site.ask("/rollouts/lora-v2", {**form, "percent": share, "id": id}, headers=JSON)
            for site, share, id in wanted
        ]
    assert [status for status, _, _ in answers] == [200] * 3
    assert [said["weight_percent"] for _, _, said in answers] == [30, 40, 40]
    assert [row["data"]["weight_percent"] for row in lines(path, "--event", "CanaryWeightSet")[before:]] == [30, 40]


def test_a_form_without_its_token_decides_nothing(path: Path, browser: Browser) -> None:
    with visiting(path, browser, with_api=False) as (_, person):
        person.go("/rollouts/lora-v2")
        person.value("document.querySelectorAll('[name=token]').forEach(each => each.remove())")
        press(person, "Promote", "forged")
        assert "this form was not sent from a page of yours" in person.text()
    assert len(lines(path, "--event", "AdapterPromoted")) == 1


@pytest.mark.parametrize(
    ("form", "status", "says"),
    [
        ({"decision": "pause"}, 400, "needs its reason"),
        ({"decision": "pause", "reason": "x" * 20_001}, 400, "the reason has 20001 characters; it takes 20000"),
        ({"decision": "explode", "reason": "x"}, 400, "'explode' is not a decision; there are promote"),
        ({"decision": "resume", "reason": "x"}, 409, "progressing already"),
        ({"decision": "share", "reason": "x"}, 400, "the share is missing"),
        ({"decision": "share", "reason": "x", "percent": "100"}, 400, "a whole number from 1 to 99"),
        ({"decision": "share", "reason": "x", "percent": "15"}, 409, "15 % of the runs already"),
        ({"decision": "roll back", "reason": "x", "to": "<b>"}, 409, "lora-v2 is not live"),
    ],
)
def test_a_decision_that_is_not_possible_is_one_line(path: Path, form: dict[str, str], status: int, says: str) -> None:
    with serving(path, with_api=False) as gateway:
        site = Served(gateway.url.removesuffix("/v1"), gateway.key, path)
        before = len(lines(path))
        answered, _, said = site.ask("/rollouts/lora-v2", form, headers=JSON)
        assert (answered, says in said["error"]["message"]) == (status, True), said
        assert len(lines(path)) == before


def test_an_adapter_that_is_not_there_is_named_as_it_was_typed(path: Path, browser: Browser) -> None:
    with visiting(path, browser, with_api=False) as (_, person):
        person.go("/rollouts/%3Cscript%3Ealert(1)%3C%2Fscript%3E")
        assert "<script>alert(1)</script>" in person.text("[role=alert]") and not person.violations()


def test_the_pages_are_accessible_with_hostile_reasons_at_every_width(path: Path, browser: Browser) -> None:
    with visiting(path, browser, with_api=False) as (_, person):
        person.go("/rollouts/lora-v2")
        press(person, "Set the share", HOSTILE, percent="20")
        assert "<script>alert(1)</script>" in person.text() and "\\u202e" in person.text()
        opened = "document.querySelectorAll('details').forEach(each => { each.name = ''; each.open = true })"
        assert person.find_faults(["/rollouts", "/rollouts/lora-v1", "/rollouts/lora-v2"], opened) == []
    assert last_decision(path, "CanaryWeightSet") == ("ada", HOSTILE.strip())


@pytest.mark.parametrize(("rule", "runs"), [("sequential", 130), ("relative", 100), ("threshold", 100)])
def test_runs_of_unknown_success_are_among_the_runs_of_an_arm_under_every_rule(rule: str, runs: int) -> None:
    from grokputer.runners.gateway.pages.rollouts import _arm

    assert _arm("canary", {"runs": 100, "unknown": 30, "success": 0.5}, rule)["runs"] == runs
