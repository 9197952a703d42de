"""Alerts in a browser: open ones first, how far each channel is, and new ones without a reload."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import document, output
from gateways import Served
from page_visits import opened, visiting
from receivers import SECRET, Receiver

from grokputer.runners.environments.browser import Browser
from grokputer.runners.use_cases.rollouts import pause
from story import Story

HOSTILE = "<script>alert(1)</script> \u202eevil " + "long " * 2000
JSON = {"accept": "application/json"}


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A log whose ratings have fallen: an alert was refused once by the webhook, and another waits."""
    monkeypatch.setenv("GROKPUTER_WEBHOOK_SECRET", SECRET)
    story = Story(tmp_path / "events.db")
    with Receiver(503) as receiver:
        story.set("alert.webhook", receiver.url)
        story.set("training.min_examples", 1000)
        story.fall()
        story.ledger.close()
        output("work", "--once", db=story.path)
    return story.path


def test_open_alerts_come_first_with_how_far_each_channel_is(path: Path, browser: Browser) -> None:
    with visiting(path, browser, with_api=False) as (gateway, person):
        person.go("/alerts")
        text = person.text("#live")
        assert "attempt 1 of 10 failed: HTTP 503 Service Unavailable" in text
        assert "webhook: due now" in text and "the cycle ended, declined" in text
        _, _, shown = Served(person.site, gateway.key, path).ask("/alerts", headers=JSON)
    known = document("alerts", db=path)
    rows = [*shown["open"], *shown["over"]]
    assert sorted(row["position"] for row in rows) == [row["position"] for row in known]
    assert [row["is_open"] for row in rows] == sorted((row["is_open"] for row in known), reverse=True)
    by_position = {row["position"]: row for row in rows}
    assert all(row.items() <= by_position[row["position"]].items() for row in known)


def test_an_alert_that_is_raised_meanwhile_appears_on_the_open_page(tmp_path: Path, browser: Browser) -> None:
    story = Story(tmp_path / "events.db")
    story.promote()
    story.prove(story.train(story.ask()))
    story.ledger.close()
    with visiting(story.path, browser, with_api=False) as (_, person):
        person.go("/alerts")
        assert "Nothing needs a person now." in person.text()
        with opened(story.path) as ledger:
            pause(ledger, "lora-v2", reason="the site is down", actor="bob")
        person.wait_for("document.querySelector('#live').innerText.includes('rollout paused')")
        assert "Nothing needs a person now." not in person.text()


def test_the_page_is_accessible_with_hostile_words_at_every_width(tmp_path: Path, browser: Browser) -> None:
    story = Story(tmp_path / "events.db")
    story.promote()
    story.prove(story.train(story.ask()))
    pause(story.ledger, "lora-v2", reason=HOSTILE, actor="<b>eve</b>")
    story.ledger.close()
    with visiting(story.path, browser, with_api=False) as (_, person):
        assert person.find_faults(["/alerts?limit=1"], never="main script, main h3 b") == []
        assert "More" in person.text()
