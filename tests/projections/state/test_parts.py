"""The parts of a saved state: read when they are asked for, written again only then."""

from __future__ import annotations

from typing import Any

import pytest

from grokputer.domain.errors import LogError
from grokputer.projections.state.shards import StateShards

SAVED = {"a": b'{"x": 1}', "b": b"[2]"}


def test_a_part_that_is_not_read_stays_as_it_was_saved() -> None:
    parts = StateShards[Any](SAVED, Any)
    assert parts["b"] == [2]
    assert parts.dump() == SAVED
    assert parts["a"] == {"x": 1}
    assert parts.dump()["a"] == b'{"x":1}', "as this program writes it"


def test_parts_are_a_mapping_whether_they_were_read_or_not() -> None:
    parts = StateShards[Any](SAVED, Any)
    assert sorted(parts) == ["a", "b"]
    assert "a" in parts
    assert "other" not in parts
    parts["b"].append(3)
    parts["c"] = 4
    del parts["a"]
    assert dict(parts) == {"b": [2, 3], "c": 4}
    assert len(parts) == 2
    assert parts.pop("b", None) == [2, 3]
    assert parts.get("b") is None


def test_a_part_that_is_damaged_is_told_each_time() -> None:
    parts = StateShards[Any]({"a": b"{"})
    for _ in range(2):
        with pytest.raises(LogError, match="a saved state is damaged"):
            parts["a"]
    assert parts.dump() == {"a": b"{"}


def test_a_part_that_is_settled_is_kept_as_it_is_and_read_again_when_it_is_asked_for() -> None:
    parts = StateShards[Any](SAVED, Any)
    parts["b"].append(3)
    assert parts.saved("b") is None
    parts.settle("b")
    assert parts.saved("b") == b"[2,3]"
    assert parts["b"] == [2, 3]


def test_a_part_of_another_form_is_damaged_though_it_is_json() -> None:
    parts = StateShards[Any]({"a": b"[[1]]", "b": b'[["run",1]]'}, list[tuple[str, int]])
    with pytest.raises(LogError, match="a saved state is damaged"):
        parts["a"]
    assert parts["b"] == [("run", 1)]
