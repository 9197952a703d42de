"""The use case of failures: everything together, on logs with played runs."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from failing import LOGIN, PRESS, play

from grokputer.domain.errors import NotFound
from grokputer.domain.events import TrainingRequested
from grokputer.runners.archive.erasure import Target, erase
from grokputer.runners.explain.run_filter import RunFilter
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.use_cases.reading.failures import view_failures
from grokputer.runners.use_cases.trainings import request_training
from story import Standing


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.create(tmp_path / "events.db", Standing())


def fill(ledger: Ledger) -> list[UUID]:
    """Three failures of a form, one like no other, one erased, and runs that are none or not counted."""
    alike = [play(ledger, stars=stars, issues=["wrong_action"] if stars else ()) for stars in (None, 1, 2)]
    play(ledger, ("canvas[1]",), ["CLICKcanvas[1]"], task="draw-circle", adapter="lora-v1")
    erased = play(ledger)
    play(ledger, ends="succeeded")
    play(ledger, ["Capital of France?"], ["Paris"], environment="chat", ends="answered")
    play(ledger, ends="running")
    play(ledger, ends="environment")
    erase(ledger, Target(run=erased.hex), "asked for", "bob")
    return alike


def test_every_examined_run_is_accounted_for(ledger: Ledger) -> None:
    fill(ledger)
    found = view_failures(ledger)
    assert (found.examined, found.runs, found.unknown) == (9, 7, 1)
    assert (found.left_out.running, found.left_out.lost, found.left_out.trials) == (1, 1, 0)
    assert (found.rate.failures, found.rate.known) == (5, 6)
    assert sum(len(group.runs) for group in found.groups) + found.alone + found.erased == found.rate.failures
    assert (found.alone, found.erased) == (1, 1)


def test_each_count_adds_up_to_all_failures(ledger: Ledger) -> None:
    fill(ledger)
    found = view_failures(ledger)
    for counts in (found.families, found.roles, found.adapters, found.steps, found.issues):
        assert sum(each.rate.failures for each in counts) == 5


def test_any_run_of_a_group_names_it_and_another_run_names_none(ledger: Ledger) -> None:
    alike = fill(ledger)
    found = view_failures(ledger)
    for run in alike:
        assert set(found.group_of(run).runs) == {each.hex for each in alike}
    with pytest.raises(NotFound, match="in no group of similar failures among the 9 runs examined"):
        found.group_of(uuid4())


def test_a_training_from_a_group_is_recorded_with_a_reason_that_quotes_no_page(ledger: Ledger) -> None:
    alike = fill(ledger)
    group = view_failures(ledger).group_of(alike[0])
    request_training(ledger, group.role, reason=group.reason, actor="ada")
    [recorded] = ledger.read(1, None, ("CycleOpened",))
    reason = ledger.reveal(recorded).event.reason  # type: ignore[attr-defined]
    assert reason == f"3 failures like run {alike[0].hex[:8]}"
    assert [*ledger.read(1, None, (TrainingRequested.TOPIC,))]


def test_conditions_and_a_number_choose_what_is_examined(ledger: Ledger) -> None:
    fill(ledger)
    assert view_failures(ledger, RunFilter(adapter="lora-v1")).examined == 1
    assert view_failures(ledger, last=3).examined == 3
    with pytest.raises(NotFound, match="'mover' is not a role"):
        view_failures(ledger, RunFilter(role="mover"))


def test_a_log_without_runs_or_without_failures_has_no_groups_and_nothing_to_gain(ledger: Ledger) -> None:
    empty = view_failures(ledger)
    assert (empty.examined, empty.groups, empty.families, empty.rate.rate) == (0, (), (), None)
    assert {each.sentence for each in empty.advice} == {"nothing to gain: no known runs since its last training"}
    play(ledger, ends="succeeded")
    [action, *_] = view_failures(ledger).advice
    assert action.sentence == "nothing to gain: none of its 1 known run failed by its fault since its last training"


def test_the_result_is_plain_json(ledger: Ledger) -> None:
    fill(ledger)
    document = view_failures(ledger).to_json()
    assert json.loads(json.dumps(document)) == document
    assert [count["name"] for count in document["families"]] == ["miniwob/login-user", "miniwob/draw-circle"]
    assert document["groups"][0]["next"]["train"].startswith("train action --reason")


def test_without_advice_no_dataset_is_built(ledger: Ledger) -> None:
    play(ledger, LOGIN, [PRESS])
    assert view_failures(ledger, with_advice=False).advice == ()
