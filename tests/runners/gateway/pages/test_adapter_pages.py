"""Adapters and trainings in a browser: their origin, progress, loss and cost, and asking for a training."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path
from uuid import UUID

import pytest
from command_line import document, lines
from gateways import Served, make_key, serving
from page_visits import Person, opened, visiting

from grokputer.domain.aggregates.training import TrainingJob
from grokputer.runners.environments.browser import Browser
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.store.ledger import Ledger
from story import Story

HOSTILE = "</textarea><script>alert(1)</script> \"quoted\" 'too' \u202eevil " + "long " * 2000
JSON = {"content-type": "application/json", "accept": "application/json"}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log with a live adapter and a training under way, half done."""
    story = Story(tmp_path_factory.mktemp("adapters") / "events.db")
    story.promote()
    story.ask(HOSTILE)
    manifest = story.ledger.put("[]")

    def begin(job: TrainingJob) -> None:
        context, up_to = story.ledger.context("ada"), story.ledger.position
        job.build_dataset(
            context, dataset="sha256:dd", manifest=manifest, examples=9, by_source={}, runs=9, up_to=up_to
        )
        job.start(context)
        job.progress(2, 8, 0.75, context)
        job.progress(4, 8, 0.5, story.ledger.context("ada"))

    story.ledger.write(TrainingJob, story.training(), begin)
    story.ledger.close()
    return story.path


@pytest.fixture
def path(told: Path, tmp_path: Path) -> Path:
    """A copy of that log."""
    shutil.copytree(told.parent, tmp_path / "log")
    return tmp_path / "log" / told.name


def training_of(path: Path) -> str:
    return str(lines(path, "--event", "TrainingRequested")[-1]["id"])


def test_an_adapter_shows_what_it_was_made_from_and_how_it_does(path: Path, browser: Browser) -> None:
    with visiting(path, browser, with_api=False) as (gateway, person):
        person.go("/adapters")
        person.click("a[href='/adapters/lora-v1']")
        text = person.text()
        assert "Live" in text and "14 of 22 held-out failures now succeed" in text and "7 examples" in text
        assert "promoted, in place of the base" in person.text(".events") and "base" in person.text(".descent")
        site = Served(person.site, gateway.key, path)
        _, _, listed = site.ask("/adapters", headers=JSON)
        _, _, shown = site.ask("/adapters/lora-v1", headers=JSON)
    [known] = document("adapters", db=path)
    for name in ("weights_missing", "is_pushed"):  # what only this machine knows
        known.pop(name)
    assert [row["adapter"] for row in listed["adapters"]] == ["lora-v1"]
    assert known == {name: shown["shown"][name] for name in known}


def test_a_training_shows_progress_loss_and_cost_as_they_change(path: Path, browser: Browser) -> None:
    id = training_of(path)
    with visiting(path, browser, with_api=False) as (gateway, person):
        person.go("/trainings")
        person.click(f"a[href='/trainings/{id}']")
        text = person.text("#live")
        assert "Step 4 of 8" in text and "0.5000" in text and "Cost so far" in text and "to go" in text
        assert "Loss over the steps" in text
        with opened(path) as ledger:
            ledger.write(TrainingJob, ledger.newest(1, ("TrainingRequested",))[0].event.originator_id,
                         lambda job: job.progress(6, 8, 0.25, ledger.context("ada")))  # fmt: skip
        person.wait_for("document.querySelector('#live').innerText.includes('Step 6 of 8')")
        assert "0.2500" in person.text("#live")
        _, _, shown = Served(person.site, gateway.key, path).ask(f"/trainings/{id[:8]}", headers=JSON)
    assert [point["loss"] for point in shown["loss"]] == [0.75, 0.5, 0.25]
    assert shown["training"]["step"] == 6 and shown["now"]["cost"]["currency"]


def test_a_training_is_requested_with_a_reason_in_the_persons_name(path: Path, browser: Browser) -> None:
    with visiting(path, browser, with_api=False) as (_, person):
        person.go("/trainings")
        roles = person.value("[...document.querySelector('#role').options].map(each => each.text)")
        assert roles == ["ocr", "decomposition", "recovery"], "role action has a training under way"
        person.fill("#reason", "forty new corrections")
        person.click("form[method=post]:not([action]) button")
        assert "a training for role ocr is requested" in person.text(".said") and person.path.startswith("/trainings/")
    opened_ = lines(path, "--event", "CycleOpened")[-1]
    assert (opened_["actor"], opened_["data"]["role"]) == ("ada", "ocr")
    assert opened_["data"]["reason"] == "forty new corrections"


@pytest.mark.parametrize(
    ("form", "status", "says"),
    [
        ({"role": "ocr"}, 400, "needs its reason"),
        ({"role": "<b>", "reason": "x"}, 404, "'<b>' is not a role"),
        ({"role": "action", "reason": "x"}, 409, "action"),
    ],
)
def test_a_request_that_is_not_possible_is_one_line(path: Path, form: dict[str, str], status: int, says: str) -> None:
    with serving(path, with_api=False) as gateway:
        site = Served(gateway.url.removesuffix("/v1"), gateway.key, path)
        before = len(lines(path))
        answered, _, said = site.ask("/trainings", form, headers=JSON)
        assert (answered, says in said["error"]["message"]) == (status, True), said
        assert len(lines(path)) == before


def test_a_training_that_waits_for_approval_is_approved_on_its_page(path: Path) -> None:
    id = training_of(path)
    with closing(Ledger.open(path)) as ledger:
        ledger.write(
            TrainingJob, UUID(id), lambda it: it.hold("it would cost 9.00 EUR", {}, ledger.context("grokputer"))
        )
        process_new_events(ledger)
    with serving(path, with_api=False) as gateway:
        site = Served(gateway.url.removesuffix("/v1"), gateway.key, path)
        shown = site.ask(f"/trainings/{id}", headers=JSON)[2]
        assert (shown["training"]["status"], shown["decisions"]) == ("held", ["approve", "cancel"])
        form = {"decision": "approve", "reason": "paid for"}
        assert site.ask(f"/trainings/{id}", form, headers=JSON)[0] in (200, 303)
        assert site.ask(f"/trainings/{id}", form, headers=JSON)[0] == 409
        assert site.ask(f"/trainings/{id}", {"decision": "stop", "reason": "x"}, headers=JSON)[0] == 409
        assert site.ask(f"/trainings/{id}", headers=JSON)[2]["decisions"] == ["cancel"]
    [approved] = lines(path, "--event", "TrainingApproved")
    assert (approved["actor"], approved["data"]["reason"]) == ("ada", "paid for")


def test_a_key_without_admin_requests_nothing(path: Path, browser: Browser) -> None:
    key = make_key(path, "rate", holder="bob")
    with serving(path, with_api=False) as gateway:
        person = Person(browser, gateway.url.removesuffix("/v1"))
        person.sign_in(key)
        person.go("/trainings")
        assert "training" in person.text() and not person.value("document.querySelector('main form') !== null")
        form = {"role": "ocr", "reason": "x"}
        assert Served(person.site, key, path).ask("/trainings", form, headers=JSON)[0] == 403
    assert len(lines(path, "--event", "CycleOpened")) == 1


def test_what_is_not_there_is_one_line(path: Path) -> None:
    with serving(path, with_api=False) as gateway:
        site = Served(gateway.url.removesuffix("/v1"), gateway.key, path)
        for address, says in (("/adapters/lora-v9", "lora-v9"), ("/trainings/ffff", "no training begins with 'ffff'")):
            status, _, said = site.ask(address, headers=JSON)
            assert status in (400, 404) and says in said["error"]["message"]


def test_the_pages_are_accessible_with_hostile_reasons_at_every_width(path: Path, browser: Browser) -> None:
    pages = ["/adapters", "/adapters/lora-v1", "/trainings", f"/trainings/{training_of(path)}"]
    with visiting(path, browser, with_api=False) as (_, person):
        assert person.find_faults(pages) == []
