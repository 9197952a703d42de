"""The gate, for real: trained adapters of a tiny model beside their parents on held-out instances, and what poison does."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from gated import SETTINGS, Finished, History
from tiny_base import Trained, click_examples, job, quiet_libraries

from grokputer.adapters.training.trainer import train_job
from grokputer.domain.aggregates.run import TaskRun
from grokputer.runners.archive.replay import replay
from grokputer.runners.feedback.corrections import BadCorrection, correct_by_hand
from grokputer.runners.improvement.gate import judge
from grokputer.runners.improvement.repeated_decisions import decide_again
from grokputer.runners.improvement.worker import Reporter, Worker
from grokputer.runners.store.log import adapters_folder


@pytest.fixture(scope="module")
def offered(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path, trained: Trained) -> Path:
    """The folder of a log in which the base has failed at every instance, and an adapter waits that learned them."""
    history = History(tmp_path_factory.mktemp("offered") / "events.db")
    history.set(**SETTINGS, **{"model.base": str(tiny_base)})
    history.feedback("miniwob", range(45))
    history.offer(trained.done.adapter)
    history.parts.close()
    history.ledger.close()
    return history.ledger.path.parent


@pytest.fixture
def history(offered: Path, tmp_path: Path) -> Iterator[History]:
    shutil.copytree(offered, tmp_path / "log")
    history = History(tmp_path / "log" / "events.db")
    yield history
    history.parts.close()
    Finished.is_lost = False


def test_adapters_are_let_through_and_refused_by_what_they_do_on_held_out_instances(
    history: History, trained: Trained
) -> None:
    history.work()
    first = history.judgement()
    failed = first["numbers"]["failed"]["runs"]
    assert (first["verdict"], first["reason"], first["parent"]) == ("pass", "better", None)
    assert failed["adapter"] > failed["parent"] == 0
    # Fresh pages make up the number, and the parent meets them as the adapter does.
    assert failed["instances"] == 24 > failed["fresh"] > 0
    assert set(history.runs_of("gate/lora-v1").values()) == {1}
    assert len(history.runs_of("gate/lora-v1")) == 2 * failed["instances"]
    history.decide("promote")
    history.feedback("miniwob", range(100, 130))
    history.offer(trained.asked.adapter)  # it was trained to click whatever it is asked
    history.work()
    second = history.judgement()
    failed, worked = (second["numbers"][outcome]["runs"] for outcome in ("failed", "worked"))
    assert (second["verdict"], second["reason"], second["parent"]) == ("reject", "no gain", "lora-v1")
    assert failed["adapter"] == 0 and failed["instances"] == 24
    # The failures refuse it: what worked, of which its parent has plenty, is not played.
    assert worked["instances"] == 0 and len(history.runs_of("gate/lora-v2")) == 2 * failed["instances"]
    known = history.parts.state.registry.adapters["lora-v2"]
    assert known.status == "rejected"
    assert known.reason.endswith("for its parent: it must succeed on more of the failures than its parent")
    assert history.parts.state.traffic("action").stable == "lora-v1"
    assert history.parts.state.ratings.window("action", "lora-v2", 50).ratings == ()
    assert replay(history.ledger).is_equal


def test_killed_in_the_midst_of_the_gate_the_next_worker_goes_on_and_runs_nothing_twice(history: History) -> None:
    worker = Worker(history.ledger, history.parts, Reporter())
    worker.step()  # the proof

    def die(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        judge(history.ledger, history.parts, "lora-v1", die)
    before = history.runs_of("gate/lora-v1")
    assert before
    history.work()
    after = history.runs_of("gate/lora-v1")
    assert before.keys() < after.keys()
    assert set(after.values()) == {1}
    assert history.judgement()["reason"] == "better"


def test_a_gate_that_loses_its_environment_is_tried_again_later(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    Finished.is_lost = True
    history.work()
    assert "tried again later, because its environment is not available: the browser was lost" in history.said[-1]
    assert history.parts.state.registry.adapters["lora-v1"].status == "proven"
    Finished.is_lost = False
    history.work()
    assert history.judgement()["reason"] == "better"


def test_an_adapter_whose_weights_are_damaged_before_the_gate_is_rejected(history: History) -> None:
    worker = Worker(history.ledger, history.parts, Reporter())
    worker.step()
    history.parts.model.unload("lora-v1")  # type: ignore[attr-defined]
    [weights] = adapters_folder(history.ledger.path).glob("weights/*/adapter_model.safetensors")
    weights.chmod(0o644)
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    history.work()
    assert history.parts.state.registry.adapters["lora-v1"].status == "rejected"


def test_a_gate_switched_off_after_the_proof_passes_and_says_so(history: History) -> None:
    Worker(history.ledger, history.parts, Reporter()).step()
    history.set(**{"gate.enabled": False})
    history.work()
    assert history.judgement()["reason"] == "off"
    assert history.parts.state.traffic("action").canary == "lora-v1"


def test_answers_in_words_are_judged_by_their_loss(tmp_path: Path, tiny_base: Path, trained: Trained) -> None:
    history = History(tmp_path / "events.db")
    history.set(**SETTINGS, **{"model.base": str(tiny_base)})
    history.feedback("chat", range(24))
    history.offer(trained.done.adapter)
    history.work()
    judged = history.judgement()
    losses = judged["numbers"]["failed"]["losses"]
    assert (judged["reason"], losses["instances"] >= 3) == ("better", True)
    assert losses["adapter"] < losses["parent"]
    assert not history.runs_of("gate/lora-v1")
    history.decide("promote")
    history.offer(trained.asked.adapter)
    history.work()
    judged = history.judgement()
    assert (judged["verdict"], judged["reason"]) == ("reject", "no gain")
    assert judged["numbers"]["failed"]["losses"]["parent"] == losses["adapter"]
    history.parts.close()


def test_a_wrong_correction_of_an_environments_task_is_refused_and_never_a_target(history: History) -> None:
    [run] = history.run("miniwob", range(200, 201))
    with pytest.raises(BadCorrection, match="no correction was recorded"):
        correct_by_hand(history.ledger, run, Finished(), ["CLICKbutton:Ok[1]"], "mallory")
    assert history.ledger.get(TaskRun, run.id).corrections == []


@pytest.fixture(scope="module")
def poisoned(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights trained on a dataset of which a fifth is wrong."""
    examples = click_examples(40, seed=1, done=True)
    examples[::5] = click_examples(8, seed=1)  # the same pages, and clicks where DONE were right
    with quiet_libraries():
        return train_job(job(tmp_path_factory.mktemp("poisoned"), tiny_base, examples)).adapter


def test_an_adapter_of_a_poisoned_dataset_that_does_no_better_than_its_parent_gets_no_traffic(
    history: History, poisoned: Path
) -> None:
    history.work()
    history.decide("promote")
    history.offer(poisoned)
    history.work()
    judged = history.judgement()
    failed = judged["numbers"]["failed"]["runs"]
    assert (judged["verdict"], judged["reason"], judged["parent"]) == ("reject", "no gain", "lora-v1")
    assert failed["adapter"] <= failed["parent"]
    assert history.parts.state.traffic("action").canary is None
    assert [it.difference for it in decide_again(history.ledger) if it.kind == "HeldOutJudged"] == ["", ""]


def test_the_poison_that_passes_is_the_one_that_does_no_harm(history: History, poisoned: Path) -> None:
    """Against the bare base it is a gain all the same: what most corrections say wins, and the gate looks at what is done."""
    history.work()
    history.decide("roll back")
    history.offer(poisoned)
    history.work()
    judged = history.judgement()
    assert (judged["verdict"], judged["parent"]) == ("pass", None)
    assert judged["numbers"]["failed"]["runs"]["parent"] == 0


def test_the_gate_answers_greedily_though_traffic_is_sampled(history: History) -> None:
    history.set(**{"run.temperature": 0.9, "action.run.temperature": 0.7})
    history.work()
    started = [vars(it.event) for it in history.ledger.read(1, None, ("TaskStarted",))]
    temperatures = {it["policy"]["run.temperature"] for it in started if it["session"] == "gate/lora-v1"}
    assert temperatures == {0.0}
