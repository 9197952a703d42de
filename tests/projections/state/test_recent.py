"""The newest records, in parts: whatever is added, taken out and saved, they are what a plain list would hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grokputer.domain.errors import LogError
from grokputer.projections.state import rings as recent
from grokputer.projections.state.rings import RecentSet, Record, RingBuffer, StickyAssignments
from grokputer.projections.state.shards import StateShards

KEPT = 6
FORM = list[tuple[Any, ...]]


@pytest.fixture(scope="module", autouse=True)
def _small_parts() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recent, "PER_PART", 3)
        yield


def saved(parts: StateShards[Any]) -> StateShards[Any]:
    """As another process loads them."""
    return StateShards(parts.dump(), FORM)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["add", "add", "add", "take out", "save"]), st.sampled_from('abc"'))))
def test_a_saved_ring_buffer_equals_a_list_of_the_newest_records(doings: list[tuple[str, str]]) -> None:
    parts, held, number = StateShards[Any](form=FORM), list[Record](), 0
    mine = RingBuffer(parts, "x", KEPT)
    RingBuffer(parts, "xy", KEPT).append(("another", 0))
    for what, key in doings:
        if what == "add":
            number += 1
            dropped = mine.append((key, number))
            held.append((key, number))
            assert dropped == held[: len(dropped)]
            del held[: len(dropped)]
        elif what == "take out" and key in mine:
            record = next(mine.of(key))
            mine.remove(record)
            held.remove(record)
        elif what == "save":
            parts = saved(parts)
            mine = RingBuffer(parts, "x", KEPT)
        assert mine.newest(99) == held
        assert mine.newest(2) == held[-2:]
        assert list(mine.of(key)) == [it for it in reversed(held) if it[0] == key]
        assert (key in mine) == any(it[0] == key for it in held)
    assert RingBuffer(parts, "xy", KEPT).newest(99) == [("another", 0)]


def test_as_many_as_asked_for_are_kept_and_at_most_a_part_more() -> None:
    parts = StateShards[Any](form=FORM)
    mine = RingBuffer(parts, "x", KEPT)
    for number in range(100):
        mine.append((str(number),))
        assert number < KEPT or KEPT <= len(mine.newest(99)) <= KEPT + recent.PER_PART


def test_a_new_one_changes_one_part_and_the_others_are_not_read() -> None:
    parts = StateShards[Any](form=FORM)
    for number in range(10):
        RingBuffer(parts, "x", KEPT).append((f"key {number}",))
    before = parts.dump()
    parts = saved(parts)
    mine = RingBuffer(parts, "x", KEPT)
    assert "key 10" not in mine
    mine.append(("key 10",))
    after = parts.dump()
    assert [name for name in before if after[name] != before[name]] == ["x/3"]
    assert parts.saved("x/1") is not None


def test_a_set_of_the_newest_keys_forgets_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent, "REMEMBERED", KEPT)
    keys = RecentSet(StateShards[Any](form=FORM), "x")
    for number in range(20):
        keys.add(str(number))
    assert [str(number) in keys for number in (0, 10, 14, 19)] == [False, False, True, True]
    keys.clear()
    assert "19" not in keys


def test_a_key_keeps_its_first_assignment_until_many_other_keys_came(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent, "ASSIGNED", KEPT)
    parts = StateShards[Any](form=FORM)
    arms = StickyAssignments(parts, "x")
    for number in range(20):
        arms.assign(str(number), "first")
        arms.assign(str(number), "second")
        arms = StickyAssignments(parts := saved(parts), "x")
    assert [arms.get(str(number)) for number in (0, 10, 14, 19)] == [None, None, "first", "first"]
    assert list(arms) == [str(number) for number in range(20 - len(arms), 20)]
    arms.clear()
    assert not arms


def test_a_part_that_has_no_number_is_damage() -> None:
    with pytest.raises(LogError, match="a saved state is damaged"):
        RingBuffer(StateShards({"x/zz": b"[]"}, FORM), "x", KEPT)
