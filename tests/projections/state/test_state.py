"""The state: saved and loaded as typed values, equal to the SQL tables, and folded under imagined settings."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from grokputer.domain.errors import LogError
from grokputer.domain.vocabulary import HandDecision
from grokputer.projections.state.state import State
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.improvement.rollouts import decide_by_hand
from grokputer.runners.store.sqlite.connection import connect
from grokputer.runners.store.states import load_state
from story import Story


@pytest.fixture
def story(tmp_path: Path) -> Story:
    """A log with one adapter that is live and one that is a canary."""
    story = Story(tmp_path / "events.db")
    story.promote()
    story.prove(story.train(story.ask()))
    return story


def decide(story: Story, adapter: str, wanted: str) -> State:
    decide_by_hand(story.ledger, process_new_events(story.ledger), adapter, HandDecision(wanted), "tried", "ada")
    return process_new_events(story.ledger)


def test_a_state_that_is_saved_and_loaded_has_the_same_bytes(story: Story) -> None:
    saved = load_state(story.ledger).dump()
    assert State.load(saved).dump() == saved


@pytest.mark.parametrize(
    ("part", "known", "other"),
    [
        ("rollouts", b'"progressing"', b'"almost there"'),
        ("rollouts", b'"weight_percent":', b'"weight_per_cent":'),
        ("registry", b'"status":"live"', b'"status":"dead"'),
        ("registry", b'"base":', b'"pace":'),
        ("alerts", b'"is_open":false', b'"is_open":"yes"'),
        ("metrics", b'"runs":', b'"walks":'),
        ("head", b'"position":', b'"place":'),
    ],
)
def test_a_saved_state_with_a_field_or_a_word_that_does_not_exist_is_damaged(
    story: Story, part: str, known: bytes, other: bytes
) -> None:
    saved = load_state(story.ledger).dump()
    assert known in saved[part]
    with pytest.raises(LogError, match="a saved state is damaged"):
        State.load({**saved, part: saved[part].replace(known, other)})


@pytest.mark.parametrize("part", ["head", "settings", "ratings", "metrics", "rollouts", "registry", "alerts"])
def test_a_saved_state_without_one_of_its_parts_is_damaged(story: Story, part: str) -> None:
    saved = load_state(story.ledger).dump()
    del saved[part]
    with pytest.raises(LogError, match="a saved state is damaged"):
        State.load(saved)


@pytest.mark.parametrize(
    ("decisions", "statuses"),
    [
        ([], ["live", "canary"]),
        ([("lora-v2", "promote")], ["replaced", "live"]),
        ([("lora-v2", "roll back")], ["live", "rolled back"]),
        ([("lora-v1", "roll back")], ["rolled back", "rolled back"]),
        ([("lora-v2", "promote"), ("lora-v2", "roll back")], ["live", "rolled back"]),
        ([("lora-v2", "promote"), ("lora-v1", "forward")], ["live", "replaced"]),
    ],
)
def test_adapters_have_the_same_status_in_the_state_and_in_the_tables(
    story: Story, decisions: list[tuple[str, str]], statuses: list[str]
) -> None:
    state = process_new_events(story.ledger)
    for adapter, wanted in decisions:
        state = decide(story, adapter, wanted)
    assert [adapter.status for adapter in state.registry.adapters.values()] == statuses
    with closing(connect(story.path)) as connection:
        rows = connection.execute("SELECT status FROM adapters ORDER BY name").fetchall()
    assert [status for (status,) in rows] == statuses


def test_imagined_settings_hold_for_all_roles_whatever_is_recorded(story: Story) -> None:
    story.set("run.max_tokens", 64)
    story.set("run.temperature", 0.7)
    story.set("ocr.run.temperature", 0.9)
    state = process_new_events(story.ledger)
    imagined = state.imagine({"run.temperature": 0.0})
    assert [imagined.policy.run(role).temperature for role in ("action", "ocr")] == [0.0, 0.0]
    assert [state.policy.run(role).temperature for role in ("action", "ocr")] == [0.7, 0.9]
    assert imagined.settings == state.settings
    assert imagined.policy.run("action").max_tokens == state.policy.run("action").max_tokens == 64
