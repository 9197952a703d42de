"""Replay: whatever happened, in whatever order, folding the log gives the same, at once, in pieces and again."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stores import server
from world import HAPPENINGS, MANNERS, world_after

from grokputer.projections.state.state import State
from grokputer.runners.archive.replay import replay
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.improvement.repeated_decisions import decide_again
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.states import fold, load_state
from grokputer.runners.store.tables import update_tables

MADE_UP = ("HeldOutJudged", "DatasetBuilt", "TrainingDeclined")
"""What this world makes up instead of measuring it."""

DECIDED = {
    "AlertRaised",
    "CanaryAssessed",
    "CycleClosed",
    "RatingThresholdBreached",
    "RolloutStarted",
    "TrainingRequested",
}

RULES = settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


@RULES
@given(HAPPENINGS, MANNERS, st.data())
def test_any_history_replays_to_the_same_bits_with_the_same_decisions(
    happenings: list[tuple[str, object, object]], manner: dict[str, str], data: st.DataObject
) -> None:
    with world_after(happenings, manner) as ledger:
        check(ledger, data)


@pytest.mark.slow
@settings(RULES, max_examples=6)
@given(HAPPENINGS, MANNERS, st.data())
def test_any_history_in_a_database_replays_to_the_same_bits_with_the_same_decisions(
    happenings: list[tuple[str, object, object]], manner: dict[str, str], data: st.DataObject
) -> None:
    with world_after(happenings, manner, server().place()) as ledger:
        check(ledger, data)


def check(ledger: Ledger, data: st.DataObject) -> None:
    """A history takes longer to make than to check, so the four promises share each one."""
    check_that_a_fold_is_the_same_in_pieces(ledger, data.draw(st.integers(0, ledger.position)))
    assert replay(ledger).is_equal
    assert [it for it in decide_again(ledger) if it.difference and it.kind not in MADE_UP] == []
    check_that_cycles_and_names_are_single(ledger)
    check_that_handling_again_changes_nothing(ledger)


def check_that_a_fold_is_the_same_in_pieces(ledger: Ledger, cut: int) -> None:
    whole = fold(ledger, State())
    assert fold(ledger, State()).dump() == whole.dump()
    assert load_state(ledger).dump() == whole.dump()
    first = fold(ledger, State(), cut)
    assert fold(ledger, State.load(first.dump())).dump() == whole.dump()


def check_that_cycles_and_names_are_single(ledger: Ledger) -> None:
    """At most one cycle is open per role, and each name is given to one adapter."""
    open_cycles: dict[str, int] = {}
    names: list[str] = []
    for recorded in ledger.read(
        1, None, ("RatingThresholdBreached", "CycleOpened", "CycleClosed", "AdapterRegistered")
    ):
        event = recorded.event
        role = vars(event)["role"]
        if event.TOPIC == "AdapterRegistered":
            names.append(vars(event)["adapter"])
        else:
            open_cycles[role] = open_cycles.get(role, 0) + (-1 if event.TOPIC == "CycleClosed" else 1)
        assert set(open_cycles.values()) <= {0, 1}
    assert len(names) == len(set(names))


def check_that_handling_again_changes_nothing(ledger: Ledger) -> None:
    """The process manager is set back to before its latest decision, as after a restore of what it keeps."""
    end = ledger.position
    decided = [it.event for it in ledger.read() if it.event.actor == "grokputer" and it.event.TOPIC in DECIDED]
    cause = max(ledger.position_of(event.caused_by or "") or 1 for event in decided)
    back = f"UPDATE tracking SET notification_id = {cause - 1} WHERE application_name = 'improvement'"
    ledger.change(lambda it: it.connection.execute(back))
    ledger.change(lambda it: it.connection.execute("DELETE FROM moments"))
    process_new_events(ledger)
    assert {it.event.TOPIC for it in ledger.read(end + 1)} <= {"TriggerSuppressed"}


def test_a_view_that_was_tampered_with_is_named_and_mended() -> None:
    with world_after([("run", "action", ""), ("rate", 0, 4)]) as ledger:
        assert replay(ledger).is_equal
        with sqlite3.connect(ledger.path) as connection:
            connection.execute("UPDATE ratings SET stars = 5")
        connection.close()
        found = replay(ledger)
        assert [name for name, equal in found.equal.items() if not equal] == ["ratings"]
        assert replay(ledger).is_equal, "what differs is mended"


def test_a_view_that_was_dropped_is_built_again() -> None:
    with world_after([("run", "action", ""), ("rate", 0, 4)]) as ledger:
        with sqlite3.connect(ledger.path) as connection:
            connection.execute("DROP TABLE runs")
        connection.close()
        update_tables(ledger)
        assert replay(ledger).is_equal


def test_tables_of_an_earlier_program_are_built_again_with_the_columns_of_this_one() -> None:
    with world_after([("run", "action", "wrong"), ("rate", 0, 2)]) as ledger:
        with sqlite3.connect(ledger.path) as connection:
            connection.execute("ALTER TABLE runs DROP COLUMN fault")
        connection.close()
        update_tables(ledger)
        assert replay(ledger).is_equal
