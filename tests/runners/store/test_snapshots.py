"""Snapshots of the state: each equals the log at its position, also after one was lost or damaged."""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise

import pytest
from world import world_after

from grokputer.domain.aggregates.base import derive_id
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.errors import LogError
from grokputer.projections.state.state import State
from grokputer.runners.archive.replay import Replay, replay
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.store import snapshots
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.log import Log
from grokputer.runners.store.snapshots import load_moment
from grokputer.runners.store.states import fold, load_state


def rows(ledger: Ledger) -> list[tuple[str, int, bytes]]:
    with ledger.reading() as connection:
        return connection.execute("SELECT name, position, state FROM moments ORDER BY position, name").fetchall()


def spoil(ledger: Ledger, statement: str) -> None:
    ledger.change(lambda it: it.connection.execute(statement))


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A state is kept every five events."""
    monkeypatch.setattr(snapshots, "EVERY", 5)


SOME_RUNS: list[tuple[str, object, object]] = [("run", "action", "wrong"), ("rate", 0, 2)] * 6


@pytest.mark.usefixtures("often")
def test_a_snapshot_equals_the_state_folded_from_the_log_at_its_position() -> None:
    with world_after(SOME_RUNS) as ledger:
        assert len(rows(ledger)) > 20
        with ledger.reading() as connection:
            for position in range(5, ledger.position + 1):
                kept = load_moment(connection, position)
                assert kept is not None
                assert kept.position == position // 5 * 5
                assert kept.dump() == fold(ledger, State(), kept.position).dump()
        for position in range(ledger.position + 1):
            assert load_state(ledger, position).dump() == fold(ledger, State(), position).dump()


@pytest.mark.usefixtures("often")
def test_an_unchanged_part_of_the_state_is_not_saved_again() -> None:
    with world_after(SOME_RUNS) as ledger:
        kept = rows(ledger)
        for name in {name for name, _, _ in kept} - {"head"}:
            states = [state for it, _, state in kept if it == name]
            assert all(state != before for before, state in pairwise(states)), name
        heads = [position for name, position, _ in kept if name == "head"]
        assert len([name for name, _, _ in kept if name == "registry"]) < len(heads)


@pytest.mark.usefixtures("often")
def test_a_replay_names_and_mends_a_changed_snapshot_and_makes_a_lost_one() -> None:
    with world_after(SOME_RUNS) as ledger:
        kept = rows(ledger)
        damage = (
            "UPDATE moments SET state = replace(state, 'action', 'auction') WHERE name = 'ratings' AND position = 25"
        )
        ledger.change(lambda it: it.connection.execute(damage))
        assert rows(ledger) != kept
        assert [name for name, equal in replay(ledger).equal.items() if not equal] == ["moments"]
        assert rows(ledger) == kept
        ledger.change(lambda it: it.connection.execute("DELETE FROM moments WHERE position > 10"))
        assert replay(ledger).is_equal
        assert rows(ledger) == kept
        for name in ("ratings", "head", "%"):
            spoil(ledger, f"UPDATE moments SET state = x'7b' WHERE name LIKE '{name}'")
            with pytest.raises(LogError, match="a saved state is damaged"):
                load_state(ledger)
            replay(ledger)
            assert rows(ledger) == kept


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("head", [b"{}", b"[]", b"null", b'{"version":"99","form":2}', b'{"version":1}'])
def test_a_head_of_another_form_is_one_line_and_replay_repairs_it(head: bytes) -> None:
    with world_after(SOME_RUNS) as ledger:
        kept = rows(ledger)
        ledger.change(lambda it: it.connection.execute("UPDATE moments SET state = ? WHERE name = 'head'", (head,)))
        with suppress(LogError):
            load_state(ledger)
        replay(ledger)
        assert rows(ledger) == kept


@pytest.mark.usefixtures("often")
def test_snapshots_lost_while_a_process_goes_on_from_its_own_state_are_saved_again() -> None:
    with world_after(SOME_RUNS[:4]) as ledger:
        known = process_new_events(ledger)
        spoil(ledger, "DELETE FROM moments WHERE position > 5")
        rated = ledger.get(TaskRun, derive_id("run", 0))
        for stars in (1, 2, 3, 1, 2, 3):
            rated.rate(stars, "human", [], None, ledger.context("ada"))
            ledger.store(rated)
            known = process_new_events(ledger, known)
        assert replay(ledger).is_equal


@pytest.mark.usefixtures("often")
def test_a_snapshot_saved_while_a_replay_mends_is_not_lost() -> None:
    with world_after(SOME_RUNS[:4]) as ledger:
        known = process_new_events(ledger)
        spoil(ledger, "UPDATE ratings SET stars = 5")

        def go_on(done: int, total: int) -> None:
            run = ledger.get(TaskRun, derive_id("run", 0))
            for stars in (1, 2, 3, 1, 2, 3):
                run.rate(stars, "human", [], None, ledger.context("ada"))
                ledger.store(run)
            process_new_events(ledger, known)

        assert [name for name, equal in replay(ledger, go_on).equal.items() if not equal] == ["ratings"]
        assert replay(ledger).is_equal


@pytest.mark.usefixtures("often")
def test_snapshots_of_another_program_are_rebuilt_and_count_as_no_difference() -> None:
    with world_after(SOME_RUNS) as ledger:
        kept = rows(ledger)
        other = "UPDATE moments SET state = replace(state, '\"version\":\"', '\"version\":\"9') WHERE name = 'head'"
        for anew in (process_new_events, replay):
            ledger.change(lambda it: it.connection.execute(other))
            assert rows(ledger) != kept
            assert load_state(ledger).dump() == fold(ledger, State()).dump()
            done = anew(ledger)
            assert rows(ledger) == kept
            assert not isinstance(done, Replay) or done.is_equal


def test_a_log_without_snapshots_is_read_and_gets_them_when_it_is_replayed() -> None:
    with world_after(SOME_RUNS) as ledger:
        ledger.change(lambda it: it.connection.execute("DROP TABLE moments"))
        for read in (Log.open(ledger.path), Ledger.open(ledger.path)):
            assert load_state(read).dump() == fold(read, State()).dump()
        ledger.change(lambda it: it.connection.execute("DROP TABLE moments"))
        assert replay(Log.open(ledger.path)).is_equal
        assert process_new_events(ledger).dump() == fold(ledger, State()).dump()
