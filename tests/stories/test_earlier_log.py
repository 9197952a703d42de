"""A log of an earlier program, whose alerts and rollouts had other rules: it reads, goes on, and its decisions hold.

``earlier_log.jsonl`` holds the stored events of version 0.1.0: a promotion, a pause and its end by hand, a canary that showed
nothing, a rollback of what was live, an approval, and a rollout of runs and one of sessions. It is never changed.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from places import TESTS

from grokputer.domain.events import AlertResolved, RolloutStarted
from grokputer.domain.vocabulary import HandDecision
from grokputer.projections.state.state import State
from grokputer.runners.improvement.process_manager import NAME, process_new_events
from grokputer.runners.improvement.repeated_decisions import decide_again
from grokputer.runners.improvement.rollouts import decide_by_hand
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.recorder import TRACK
from grokputer.runners.store.states import fold
from grokputer.runners.store.writer import Transaction

TOLD = ("DatasetBuilt", "HeldOutJudged", "CanaryAssessed")
"""What the story behind the log made up instead of measuring it."""


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    lines = (TESTS / "earlier_log.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [(row["id"], row["version"], row["topic"], row["state"].encode()) for row in map(json.loads, lines)]
    ledger = Ledger.create(tmp_path / "events.db")

    def insert(transaction: Transaction) -> None:
        transaction.append(rows)
        transaction.connection.execute(TRACK, (NAME, len(rows)))

    ledger.change(insert)
    return ledger


def test_every_decision_of_an_earlier_program_is_made_again_by_its_own_rules(ledger: Ledger) -> None:
    decided = list(decide_again(ledger))
    assert [it for it in decided if it.difference and it.kind not in TOLD] == []
    assert {"AlertRaised", "RolloutStarted", "RolloutPaused", "AdapterRolledBack"} <= {it.kind for it in decided}


def test_a_rollout_that_began_by_runs_without_being_told_to_counts_runs_to_its_end(ledger: Ledger) -> None:
    started = [it.event for it in ledger.read(1, None, ("RolloutStarted",)) if isinstance(it.event, RolloutStarted)]
    assert [(it.unit, it.edition) for it in started] == [("run", 1), ("run", 1), ("run", 1), ("session", 1)]


def test_alerts_of_an_earlier_program_are_not_resolved(ledger: Ledger) -> None:
    before = list(fold(ledger, State()).alerts)
    assert {alert.kind for alert in before} >= {"canary inconclusive", "canary failed", "low mean"}
    decide_by_hand(ledger, process_new_events(ledger), "lora-v3", HandDecision.ROLL_BACK, "tried", "ada")
    decide_by_hand(ledger, process_new_events(ledger), "lora-v3", HandDecision.FORWARD, "tried", "ada")
    after = list(process_new_events(ledger).alerts)
    assert [alert.kind for alert in after[len(before) :]] == ["rolled back", "rolled forward"]
    over = [it.event.originator_id for it in ledger.read(1, None, (AlertResolved.TOPIC,))]
    assert [f"{id}/1" for id in over] == [after[-2].reference]
    assert [it for it in decide_again(ledger) if it.difference and it.kind not in TOLD] == []
