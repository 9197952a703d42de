"""The improvement process: what follows from each event, on a real log, once however often and by however many."""

from __future__ import annotations

import subprocess
import sys
from copy import copy
from pathlib import Path
from uuid import UUID

import pytest
from eventsourcing.persistence import Tracking
from improving import (
    DATASET,
    NUMBERS,
    RESULT,
    assess,
    breach,
    causes,
    complete,
    count,
    rated_run,
    roll_out,
    threshold_ledger,
)

from grokputer.domain.aggregates.adapter import Adapter
from grokputer.domain.aggregates.base import derive_id
from grokputer.domain.aggregates.role import RoleImprovement, role_id
from grokputer.domain.aggregates.rollout import Rollout
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.aggregates.settings import SETTINGS_ID, Settings
from grokputer.domain.aggregates.training import TrainingJob, training_id
from grokputer.domain.events import (
    AdapterRegistered,
    AlertRaised,
    CycleClosed,
    RatingThresholdBreached,
    TrainingRequested,
)
from grokputer.domain.settings.settings import Policy
from grokputer.projections.state.state import State
from grokputer.runners.improvement import process_manager as improvement
from grokputer.runners.improvement.process_manager import NAME, process_new_events
from grokputer.runners.store import snapshots
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.snapshots import load_moment
from grokputer.runners.store.states import fold, load_state
from grokputer.runners.store.tables import are_tables_current


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return threshold_ledger(tmp_path / "events.db")


def test_low_ratings_lead_to_one_breach_and_one_training(ledger: Ledger) -> None:
    breach(ledger)
    for number in range(10, 40):
        rated_run(ledger, 1, number)
        process_new_events(ledger)
    assert count(ledger)["RatingThresholdBreached"] == 1
    assert count(ledger)["TrainingRequested"] == 1
    assert count(ledger)["TriggerSuppressed"] == 1


def test_good_ratings_lead_to_nothing(ledger: Ledger) -> None:
    for number in range(20):
        rated_run(ledger, 5, number)
    process_new_events(ledger)
    assert count(ledger)["RatingThresholdBreached"] == 0


def test_runs_pinned_to_an_adapter_by_hand_count_for_no_window(ledger: Ledger) -> None:
    for number in range(20):
        rated_run(ledger, 1, number, arm="pinned")
    process_new_events(ledger)
    assert count(ledger)["RatingThresholdBreached"] == 0


def test_a_request_carries_the_whole_recipe_in_force(ledger: Ledger) -> None:
    change = lambda it: it.change("action.training.r", 8, "", ledger.context("ada"))  # noqa: E731
    ledger.write(Settings, SETTINGS_ID, change)
    requested = ledger.get(TrainingJob, breach(ledger)).requested
    assert requested is not None
    assert requested.recipe["r"] == 8
    assert requested.recipe["quantization"] == "none"  # the embedded base is held as it is


def test_a_completed_training_becomes_an_adapter_with_the_next_name(ledger: Ledger) -> None:
    adapter = complete(ledger, breach(ledger))
    registered = ledger.get(Adapter, adapter).registered
    assert isinstance(registered, AdapterRegistered)
    assert (registered.adapter, registered.weights, registered.parent) == ("lora-v1", "sha256:ff", None)


@pytest.mark.parametrize("outcome", ["declined", "failed"])
def test_a_training_without_weights_closes_the_cycle_with_the_reason(ledger: Ledger, outcome: str) -> None:
    context = ledger.context("grokputer")
    training = breach(ledger)

    def end(job: TrainingJob) -> None:
        if outcome == "declined":
            job.decline("too little", 2, 5, 9, context)
        else:
            job.fail("loss is not a number", context)

    ledger.write(TrainingJob, training, end)
    process_new_events(ledger)
    [closed] = [recorded.event for recorded in ledger.read(1, None, ("CycleClosed",))]
    assert isinstance(closed, CycleClosed)
    assert closed.outcome == outcome
    assert ledger.get(RoleImprovement, role_id("action")).open_cycle is None


def test_no_traffic_before_the_proof_and_none_after_a_rejection(ledger: Ledger) -> None:
    adapter = complete(ledger, breach(ledger))
    assert process_new_events(ledger).traffic("action").canary is None
    ledger.write(Adapter, adapter, lambda it: it.evaluate(False, True, NUMBERS, ledger.context("grokputer")))
    state = process_new_events(ledger)
    assert state.traffic("action").canary is None
    assert state.registry.adapters["lora-v1"].status == "rejected"
    assert count(ledger)["CycleClosed"] == 1


def test_a_proven_adapter_gets_fifteen_percent(ledger: Ledger) -> None:
    roll_out(ledger)
    traffic = process_new_events(ledger).traffic("action")
    assert (traffic.stable, traffic.canary, traffic.weight_percent) == (None, "lora-v1", 15)


def test_a_promotion_makes_it_live_with_an_empty_window_and_closes_the_cycle(ledger: Ledger) -> None:
    _, rollout = roll_out(ledger)
    for number in range(50, 60):
        rated_run(ledger, 5, number, adapter="lora-v1", arm="canary")
    state = assess(ledger, rollout, "promote")
    assert state.traffic("action").stable == "lora-v1"
    assert state.window("action").ratings == ()
    assert state.registry.adapters["lora-v1"].status == "live"
    assert count(ledger)["CycleClosed"] == 1


def test_from_the_promotion_the_causes_lead_back_to_a_rating(ledger: Ledger) -> None:
    _, rollout = roll_out(ledger)
    assess(ledger, rollout, "promote")
    assert causes(ledger, "AdapterPromoted") == [
        "AdapterPromoted", "CanaryAssessed", "RolloutStarted", "HeldOutJudged", "AdapterEvaluated",
        "AdapterRegistered", "TrainingCompleted", "TrainingRequested", "RatingThresholdBreached", "TaskRated",
    ]  # fmt: skip


def test_a_run_that_lost_its_browser_judges_neither_arm(ledger: Ledger) -> None:
    _, rollout = roll_out(ledger)
    context = ledger.context("ada")

    def lose(run: TaskRun) -> None:
        run.start(
            context, role="action", arm="canary", adapter="lora-v1", rollout=rollout.hex, environment="miniwob",
            task="click-link", seed=0, base="embedded", session=None, policy={},
        )  # fmt: skip
        run.fail("environment", "the browser was lost", 100, 0.0, Policy(), context)

    ledger.write(TaskRun, derive_id("lost"), lose)
    state = process_new_events(ledger)
    assert state.health.outcomes(rollout.hex, "canary") == []
    assert state.metrics.rows()[-1]["failures"] == {"environment": 1}


def test_a_resumed_rollout_gets_its_whole_time_again(ledger: Ledger) -> None:
    _, rollout = roll_out(ledger)
    paused = copy(assess(ledger, rollout, "inconclusive").rollouts.of(rollout.hex))
    ledger.write(Rollout, rollout, lambda it: it.resume("more traffic", ledger.context("ada")))
    position = ledger.position  # what follows from it has a time of its own
    process_new_events(ledger)
    resumed = load_state(ledger, position).rollouts.of(rollout.hex)
    assert resumed.phase == "progressing"
    assert paused.waited_s > resumed.waited_s == 0
    assert resumed.baked_s >= paused.baked_s > 0


def test_two_trainings_that_complete_in_a_row_get_two_names(ledger: Ledger) -> None:
    context = ledger.context("grokputer")
    ledger.write(RoleImprovement, role_id("action"), lambda it: it.open("action", None, "corrections", context))
    ledger.write(RoleImprovement, role_id("ocr"), lambda it: it.open("ocr", None, "corrections", context))
    trainings = [UUID(key) for key in process_new_events(ledger).registry.trainings]

    def finish(job: TrainingJob) -> None:
        job.build_dataset(context, **DATASET)
        job.start(context)
        job.complete(context, **RESULT)

    for training in trainings:
        ledger.write(TrainingJob, training, finish)
    assert sorted(process_new_events(ledger).registry.adapters) == ["lora-v1", "lora-v2"]


def test_a_rollback_alerts_and_leaves_the_base_live(ledger: Ledger) -> None:
    _, rollout = roll_out(ledger)
    state = assess(ledger, rollout, "roll back")
    assert state.traffic("action").stable is None
    [*_, alert] = [recorded.event for recorded in ledger.read(1, None, ("AlertRaised",))]
    assert isinstance(alert, AlertRaised)
    assert (alert.kind, alert.severity) == ("canary failed", "critical")
    assert "lora-v1 was rolled back" in alert.message
    assert count(ledger)["CycleClosed"] == 1


def test_an_inconclusive_look_pauses_and_alerts_and_keeps_the_cycle_open(ledger: Ledger) -> None:
    _, rollout = roll_out(ledger)
    state = assess(ledger, rollout, "inconclusive")
    assert state.rollouts.of(rollout.hex).phase == "paused"
    assert state.rollouts.cycle("action") is not None
    [*_, alert] = [recorded.event for recorded in ledger.read(1, None, ("AlertRaised",))]
    assert vars(alert)["kind"] == "canary inconclusive"


def test_following_twice_changes_nothing(ledger: Ledger) -> None:
    _, rollout = roll_out(ledger)
    first = assess(ledger, rollout, "promote").dump()
    position = ledger.position
    assert process_new_events(ledger).dump() == first
    assert ledger.position == position


def test_a_process_killed_after_reacting_and_before_saving_its_state_goes_on(ledger: Ledger) -> None:
    _, rollout = roll_out(ledger)
    ledger.change(lambda it: it.connection.execute("DELETE FROM checkpoints"))
    assess(ledger, rollout, "promote")
    assert count(ledger)["TrainingRequested"] == 1
    assert count(ledger)["AdapterPromoted"] == 1


def test_what_follows_is_stored_with_its_rows_and_gone_on_from_without_reading_it_again(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = process_new_events(ledger)
    monkeypatch.setattr(Ledger, "changing_views", None)  # no transaction of the views' own
    monkeypatch.setattr(improvement, "load_snapshot", None)  # and no state from the disk
    for _ in range(2):
        role = ledger.get(RoleImprovement, role_id("action"))
        role.open("action", None, "try it", ledger.context("ada"))
        ledger.store(role)
        process_new_events(ledger, state)
        [training] = [id for id, it in state.registry.trainings.items() if it.status == "requested"]
        assert are_tables_current(ledger)
        assert ledger.tracked(NAME) < ledger.position
        job = ledger.get(TrainingJob, UUID(training))
        job.decline("too little", 0, 5, ledger.position, ledger.context("grokputer"))
        ledger.store(job)
        process_new_events(ledger, state)
        assert state.rollouts.cycle("action") is None


def test_an_event_already_reacted_to_is_not_reacted_to_again(ledger: Ledger) -> None:
    for number in range(10):
        rated_run(ledger, 2, number)
    ledger.store(tracking=Tracking(NAME, ledger.position))
    process_new_events(ledger)
    assert count(ledger)["RatingThresholdBreached"] == 0


FOLLOW_OFTEN = """
import sys; from pathlib import Path
from grokputer.runners.improvement.process_manager import process_new_events; from grokputer.runners.store.ledger import Ledger
ledger = Ledger.open(Path(sys.argv[1]))
for _ in range(5): process_new_events(ledger)
"""


def test_four_processes_at_once_do_each_thing_once(ledger: Ledger) -> None:
    for number in range(30):
        rated_run(ledger, 2, number)
    command = [sys.executable, "-c", FOLLOW_OFTEN, str(ledger.path)]
    processes = [subprocess.Popen(command, cwd="/") for _ in range(4)]
    assert [process.wait() for process in processes] == [0] * 4
    assert count(ledger)["RatingThresholdBreached"] == 1
    assert count(ledger)["TrainingRequested"] == 1


def test_the_state_that_is_kept_equals_the_one_folded_from_nothing(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "EVERY", 10)
    _, rollout = roll_out(ledger)
    assess(ledger, rollout, "promote")
    with ledger.reading() as connection:
        kept = load_moment(connection)
    assert kept is not None
    assert kept.position == ledger.position // 10 * 10
    assert fold(ledger, State(), kept.position).dump() == kept.dump()


def test_the_state_before_the_promotion_shows_the_base_live_and_after_it_the_adapter(ledger: Ledger) -> None:
    _, rollout = roll_out(ledger)
    assess(ledger, rollout, "promote")
    [promotion] = ledger.read(1, None, ("AdapterPromoted",))
    assert load_state(ledger, promotion.position - 1).traffic("action").stable is None
    assert load_state(ledger, promotion.position).traffic("action").stable == "lora-v1"


def test_the_training_of_a_breach_has_the_breachs_own_id(ledger: Ledger) -> None:
    training = breach(ledger)
    [breached] = [recorded.event for recorded in ledger.read(1, None, ("RatingThresholdBreached",))]
    assert isinstance(breached, RatingThresholdBreached)
    assert training == training_id(breached.reference)
    [requested] = [recorded.event for recorded in ledger.read(1, None, (TrainingRequested.TOPIC,))]
    assert requested.caused_by == breached.reference
