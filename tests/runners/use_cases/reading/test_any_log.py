"""What holds for failures of every log, whatever people, models and workers did."""

from __future__ import annotations

import json

from hypothesis import given, settings
from world import HAPPENINGS, MANNERS, world_after

from grokputer.runners.explain.run_filter import RunFilter
from grokputer.runners.explain.run_list import list_runs
from grokputer.runners.use_cases.reading.failures import view_failures


@settings(max_examples=15, deadline=None)
@given(HAPPENINGS, MANNERS)
def test_every_run_and_every_failure_is_counted_once(
    happenings: list[tuple[str, object, object]], manner: dict[str, str]
) -> None:
    with world_after(happenings, manner) as ledger:
        rows = list_runs(ledger, 10**9, RunFilter()).rows
        found = view_failures(ledger)
        left = found.left_out
        assert found.examined == len(rows) == found.runs + left.running + left.lost + left.trials
        failed = [row for row in rows if row["status"] == "failed" or (row["stars"] is not None and row["stars"] < 4)]
        assert found.rate.failures == len(failed)
        for counts in (found.families, found.roles, found.adapters, found.steps):
            assert sum(each.rate.failures for each in counts) == len(failed)
            assert all(each.rate.failed <= each.rate.known for each in counts)
        grouped = [run for group in found.groups for run in group.runs]
        assert len(set(grouped)) == len(grouped) == len(failed) - found.alone - found.erased
        assert all(each.gain is None or 0 <= each.gain <= 1 for each in found.advice)
        document = found.to_json()
        assert json.loads(json.dumps(document)) == document
