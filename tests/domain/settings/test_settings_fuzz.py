"""Any value for any setting is refused in one line, or is a setting that can be read back and lived with."""

from __future__ import annotations

import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from grokputer.domain.aggregates.settings import SETTINGS_ID, Settings
from grokputer.domain.errors import GrokputerError
from grokputer.domain.settings.settings import ROLES, SETTINGS
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.states import load_state

TEXT = st.text(st.characters(exclude_categories=()), max_size=12)
"""Also halves of characters, control characters and line breaks."""

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
NUMBERS_AS_TEXT = st.integers(-(10**30), 10**30).map(str) | st.floats().map(str)
KEYS = st.sampled_from(sorted(SETTINGS)) | TEXT
ROLE = st.sampled_from(["", *(f"{role}." for role in ROLES)])
CHANGES = st.lists(st.tuples(ROLE, KEYS, JSON | NUMBERS_AS_TEXT), min_size=1, max_size=8)


@settings(
    derandomize=True, max_examples=60, deadline=None, phases=(Phase.generate,),
    suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip
@given(CHANGES)
def test_any_value_is_refused_in_one_line_or_is_a_setting_that_can_be_read_back(
    changes: list[tuple[str, str, Any]],
) -> None:
    with TemporaryDirectory() as folder:
        ledger = Ledger.create(Path(folder) / "events.db")
        try:
            for role, key, value in changes:
                change(ledger, role + key, value)
            state = process_new_events(ledger)
        finally:
            ledger.close()
        again = Ledger.open(Path(folder) / "events.db")
        try:
            assert load_state(again).settings == state.settings
            assert [it.event.TOPIC for it in again.read()].count("PolicyChanged") >= len(state.settings)
        finally:
            again.close()
    assert not any(isinstance(it, float) and not math.isfinite(it) for it in state.settings.values())


def change(ledger: Ledger, key: str, value: Any) -> None:
    """Set it, as every way of setting it does in the end."""
    context = ledger.context("ada")
    refusal = ""
    try:
        ledger.write(Settings, SETTINGS_ID, lambda it: it.change(key, value, "", context))
    except GrokputerError as error:
        refusal = str(error)
    assert "\n" not in refusal
    assert refusal.encode().decode() == refusal
