"""The loop on long tasks in a small form: the base's plans fail, and role decomposition learns from what the reviewer shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from grokputer.benchmarks import plan_loop
from grokputer.runners.archive.replay import replay
from grokputer.runners.store.ledger import Ledger


@pytest.mark.slow
def test_the_plans_of_long_tasks_breach_are_learnt_and_judged_and_each_cycle_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ["--parts", "2", "--round", "12", "--rounds", "2", "--last", "4"]
    cheap = ["--settings", "decomposition.training.epochs=8", "gate.runs=2", "run.max_steps=4", "canary.min_runs=3"]
    monkeypatch.setattr("sys.argv", ["plan_loop.py", "--folder", str(tmp_path), *small, *cheap])
    plan_loop.main()
    told = capsys.readouterr().out
    assert re.search(r"\| decomposition \| breach: mean [1-3]\.\d\d of \d+ ratings", told)
    assert any(f"| decomposition | {outcome}: " in told for outcome in ("promoted", "rolled back", "rejected"))
    assert "lora-v1" in told and "for role decomposition" in told
    assert replay(Ledger.open(tmp_path / "events.db")).is_equal
