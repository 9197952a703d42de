"""The gate before traffic: what passes, what is refused, and what follows, by numbers worked by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from improving import PASSED, complete, count, judge, prove, threshold_ledger
from improving import breach as breach_of

from grokputer.adapters.data.examples import Example
from grokputer.adapters.data.held_out import HeldOut
from grokputer.domain.aggregates.settings import SETTINGS_ID, Settings
from grokputer.domain.rules.gate import HeldOutResult, Losses, Runs, judge_held_out
from grokputer.domain.settings.settings import Policy
from grokputer.runners.improvement.gate import PlayedRow, unheard
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.states import load_state


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return threshold_ledger(tmp_path / "events.db")


def runs(instances: int, adapter: int, parent: int) -> HeldOutResult:
    return HeldOutResult(runs=Runs(instances, adapter, parent))


def losses(instances: int, adapter: float, parent: float) -> HeldOutResult:
    return HeldOutResult(losses=Losses(instances, adapter, parent))


NOTHING = HeldOutResult()


@pytest.mark.parametrize(
    ("failed", "worked", "verdict", "reason"),
    [
        (runs(22, 14, 1), runs(38, 37, 38), "pass", "better"),
        (runs(22, 2, 1), NOTHING, "pass", "better"),
        (runs(22, 1, 1), runs(38, 38, 38), "reject", "no gain"),
        (runs(22, 0, 1), runs(38, 38, 38), "reject", "no gain"),
        # A tenth of 38 is 3.8: three may be lost, four may not.
        (runs(22, 14, 1), runs(38, 35, 38), "pass", "better"),
        (runs(22, 14, 1), runs(38, 34, 38), "reject", "lost"),
        # What the parent itself does not do any more is not lost by the adapter.
        (runs(22, 14, 1), runs(38, 30, 33), "pass", "better"),
        (runs(9, 0, 0), runs(38, 38, 38), "pass", "too few"),
        (runs(9, 9, 0), runs(38, 20, 38), "reject", "lost"),
        (runs(10, 0, 0), NOTHING, "reject", "no gain"),
        (runs(22, 14, 1), runs(9, 0, 9), "pass", "better"),
        (NOTHING, runs(38, 38, 38), "pass", "nothing held out"),
        (NOTHING, NOTHING, "pass", "nothing held out"),
        (losses(12, 0.4, 0.9), losses(30, 0.12, 0.118), "pass", "better"),
        (losses(12, 0.9, 0.9), losses(30, 0.118, 0.118), "reject", "no gain"),
        # A tenth of a token's probability is 0.105 nats.
        (losses(12, 0.4, 0.9), losses(30, 0.304, 0.2), "pass", "better"),
        (losses(12, 0.4, 0.9), losses(30, 0.306, 0.2), "reject", "lost"),
        (losses(9, 1.4, 0.9), NOTHING, "pass", "too few"),
        # Where neither arm succeeds on any failure, the right answers decide, if they were scored.
        (HeldOutResult(Runs(22, 0, 0), Losses(12, 0.4, 0.9)), NOTHING, "pass", "better"),
        (HeldOutResult(Runs(22, 0, 0), Losses(12, 0.9, 0.9)), NOTHING, "reject", "no gain"),
        (HeldOutResult(Runs(22, 0, 0), Losses(3, 0.4, 0.9)), NOTHING, "pass", "too few"),
        (HeldOutResult(Runs(22, 0, 1), Losses(12, 0.4, 0.9)), NOTHING, "reject", "no gain"),
        # Where both were measured, both must hold.
        (HeldOutResult(Runs(22, 14, 1), Losses(12, 0.9, 0.8)), NOTHING, "reject", "no gain"),
        (HeldOutResult(Runs(22, 14, 1), Losses(9, 0.9, 0.8)), NOTHING, "pass", "better"),
    ],
)
def test_a_judgement_follows_from_the_counts(
    failed: HeldOutResult, worked: HeldOutResult, verdict: str, reason: str
) -> None:
    judgement = judge_held_out(failed, worked, Policy(), "action")
    assert (judgement.verdict, judgement.reason) == (verdict, reason)


def test_a_refusal_by_the_failures_alone_stands_whatever_is_counted_on_what_worked() -> None:
    sides = [HeldOutResult(Runs(n, a, p)) for n in (0, 2, 3) for a in range(n + 1) for p in range(n + 1)]
    sides += [losses(3, *both) for both in ((0.4, 0.9), (0.9, 0.4), (0.9, 0.9))]
    sides += [HeldOutResult(Runs(3, 0, 0), scored.losses) for scored in sides[-3:]]
    refused = 0
    for margin in (0.0, 0.1, 0.99):
        policy = Policy({"gate.minimum": 3, "gate.margin": margin})
        for failed in sides:
            alone = judge_held_out(failed, NOTHING, policy, "action")
            for worked in sides if alone.verdict == "reject" else ():
                refused += 1
                assert judge_held_out(failed, worked, policy, "action").verdict == "reject"
    assert refused > 100


def test_right_answers_of_failed_runs_with_plans_are_scored_where_neither_arm_succeeds_on_any() -> None:
    lesson = Example(({"role": "user", "content": "plan: "},), "do a", "reviewer", "decomposition", "r", 0)
    planned = HeldOut(
        "r", "long", "two-parts", 1, "failed", (lesson,), "long/two-parts#1", is_repeatable=True, is_planned=True
    )
    others = [replace(planned, is_planned=False), replace(planned, examples=()), replace(planned, outcome="worked")]
    row: PlayedRow = {
        "outcome": "failed", "by": "runs", "instance": planned.instance, "is_fresh": False, "adapter": "a", "parent": "b",
        "succeeded": {"adapter": False, "parent": False},
    }  # fmt: skip
    assert unheard([planned, *others], [row]) == [planned]
    assert unheard([planned], [row, {**row, "outcome": "worked", "succeeded": {"adapter": True}}]) == [planned]
    assert unheard([planned], [row, {**row, "succeeded": {"adapter": True, "parent": False}}]) == []


def test_the_sentence_carries_the_numbers() -> None:
    passed = judge_held_out(runs(22, 14, 1), runs(38, 37, 38), Policy(), "action")
    assert passed.message == (
        "14 of 22 held-out failures now succeed against 1 of 22 for its parent; 37 of 38 that worked still do, against 38"
    )
    assert passed.numbers["failed"]["runs"] == {"instances": 22, "adapter": 14, "parent": 1, "fresh": 0}
    assert (passed.numbers["margin"], passed.numbers["minimum"]) == (0.1, 10)
    fresh = judge_held_out(HeldOutResult(Runs(40, 14, 1, fresh=18)), NOTHING, Policy(), "action")
    assert fresh.message.startswith("14 of 40 held-out failures (18 of them fresh pages of their tasks) now succeed")
    lost = judge_held_out(runs(22, 14, 1), runs(38, 30, 38), Policy(), "action")
    assert lost.message.endswith("30 of 38 that worked still do, against 38: 8 lost, at most 3 of 38 may be")
    scored = judge_held_out(losses(12, 0.4, 0.9), losses(30, 0.5, 0.2), Policy(), "action")
    assert "loss 0.400 per token on the right answers of 12 held-out failures against 0.900" in scored.message
    assert scored.message.endswith("a loss of at most 0.305 is allowed on what worked")
    assert judge_held_out(NOTHING, NOTHING, Policy(), "action").message.startswith("nothing was held out: ")


def test_margin_and_minimum_are_settings_of_the_role() -> None:
    policy = Policy({"action.gate.margin": 0.0, "gate.minimum": 3})
    assert judge_held_out(runs(3, 1, 0), runs(30, 29, 30), policy, "action").reason == "lost"
    assert judge_held_out(runs(3, 1, 0), runs(30, 29, 30), policy, "ocr").reason == "better"


def refusal(reason: str) -> Any:
    failed, worked = (runs(22, 1, 1), NOTHING) if reason == "no gain" else (NOTHING, runs(38, 0, 38))
    return judge_held_out(failed, worked, Policy(), "action")


def test_a_proven_adapter_gets_no_traffic_before_it_is_judged(ledger: Ledger) -> None:
    adapter = complete(ledger, breach_of(ledger))
    prove(ledger, adapter)
    assert load_state(ledger).registry.adapters["lora-v1"].status == "proven"
    assert count(ledger)["RolloutStarted"] == 0
    judge(ledger, adapter, PASSED)
    assert load_state(ledger).traffic("action").canary == "lora-v1"


@pytest.mark.parametrize("reason", ["no gain", "lost"])
def test_an_adapter_refused_at_the_gate_is_rejected_with_its_numbers_and_the_cycle_closed(
    ledger: Ledger, reason: str
) -> None:
    adapter = complete(ledger, breach_of(ledger))
    prove(ledger, adapter)
    judge(ledger, adapter, refusal(reason))
    [rejected] = [vars(recorded.event) for recorded in ledger.read(1, None, ("AdapterRejected",))]
    assert rejected["reason"] == f"{reason}: {refusal(reason).message}"
    assert rejected["numbers"] == refusal(reason).numbers
    assert rejected["caused_by"] == f"{adapter}/3"
    [closed] = [vars(recorded.event) for recorded in ledger.read(1, None, ("CycleClosed",))]
    assert (closed["outcome"], closed["detail"]) == ("rejected", rejected["reason"])
    known = load_state(ledger).registry.adapters["lora-v1"]
    assert (known.status, known.gate and known.gate.reason, known.reason) == ("rejected", reason, rejected["reason"])
    assert load_state(ledger).traffic("action").canary is None


def test_with_the_gate_off_the_proof_starts_the_rollout(ledger: Ledger) -> None:
    context = ledger.context("ada")
    ledger.write(Settings, SETTINGS_ID, lambda it: it.change("gate.enabled", False, "no time", context))
    adapter = complete(ledger, breach_of(ledger))
    prove(ledger, adapter)
    assert load_state(ledger).traffic("action").canary == "lora-v1"
