"""Settings that an older program let in: nothing ends by them, and they are set anew as any other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from command_line import count, document, output, refused

from grokputer.domain.aggregates.base import Context
from grokputer.domain.aggregates.settings import SETTINGS_ID, Settings
from grokputer.domain.events import CycleClosed, PolicyChanged, TrainingDeclined
from grokputer.runners.store.ledger import Ledger
from story import Story


class Older(Settings):
    """Settings of a program that did not check the figures of the recipe."""

    def let_in(self, key: str, value: Any, context: Context) -> None:
        self._record(PolicyChanged, context, key=key, old=None, new=value, reason="", is_unset=False, document=None)


def let_in(ledger: Ledger, key: str, value: Any) -> None:
    context = ledger.context("eve")
    ledger.write(Older, SETTINGS_ID, lambda it: it.let_in(key, value, context))


@pytest.fixture
def breached(tmp_path: Path) -> Story:
    """A breach after which a training is asked for, under a rank that no adapter can have."""
    story = Story(tmp_path / "events.db")
    let_in(story.ledger, "training.r", 9999)
    for _ in range(10):
        story.rate(story.run(succeeds=False), 2)
    return story


def test_a_training_asked_for_under_a_bad_setting_is_declined_and_names_it(breached: Story) -> None:
    [declined] = (it.event for it in breached.ledger.read(1, None, (TrainingDeclined.TOPIC,)))
    assert isinstance(declined, TrainingDeclined)
    assert "training.r is 9999" in declined.reason
    [closed] = (it.event for it in breached.ledger.read(1, None, (CycleClosed.TOPIC,)))
    assert isinstance(closed, CycleClosed)
    assert (closed.outcome, closed.detail) == ("declined", declined.reason)
    assert output("work", "--once", db=breached.path) is not None


def test_such_a_decision_is_made_again_from_the_log(breached: Story) -> None:
    found = document("replay", "--decisions", db=breached.path)
    assert found["is_equal"]
    assert found["kinds"]["TrainingDeclined"] == {"made": 1, "equal": 1}


def test_a_bad_setting_is_mended_by_setting_it_and_the_next_training_is_asked_for(breached: Story) -> None:
    assert "training.r is 9999" in refused("train", "action", db=breached.path)
    assert output("settings", "set", "training.r", "16", db=breached.path) == "training.r is 16\n"
    assert "is requested" in output("train", "action", db=breached.path)


def test_another_setting_can_be_changed_while_one_is_bad(breached: Story) -> None:
    before = count(breached.path)
    output("settings", "set", "rating.threshold", "4", db=breached.path)
    assert count(breached.path) == (before or 0) + 1


def test_the_list_of_settings_shows_default_range_and_help_of_every_figure(breached: Story) -> None:
    let_in(breached.ledger, "ocr.training.r", 8)
    rows = {row["key"]: row for row in document("settings", db=breached.path)}
    shown = {
        "key": "training.r",
        "value": 9999,
        "default": 16,
        "takes": "a whole number from 1 to 512",
        "is_changed": True,
    }
    assert shown.items() <= rows["training.r"].items()
    assert (rows["ocr.training.r"]["default"], rows["ocr.training.r"]["takes"]) == (16, "a whole number from 1 to 512")
    assert rows["ocr.training.r"]["help"].startswith("For role ocr alone. Rank")
    assert all(row["takes"] and row["help"] for row in rows.values())
    output("settings", "set", "training.preset", "seed", db=breached.path)
    seeded = {row["key"]: row for row in document("settings", db=breached.path)}
    assert (seeded["training.epochs"]["default"], seeded["ocr.training.r"]["default"]) == (3, 16)


def test_why_a_setting_of_the_recipe_shows_its_default(tmp_path: Path) -> None:
    story = Story(tmp_path / "events.db")
    assert "training.r is 16, its default" in output("why", "training.r", db=story.path)
    story.set("training.preset", "seed")
    assert "action.training.r is 8, its default" in output("why", "action.training.r", db=story.path)
