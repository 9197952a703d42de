"""Trainings that an endpoint carries out: the dataset leaves only where that is allowed, and an attempt has one job there."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import document, output, refused
from gated import History
from tuning_server import TuningServer
from tunings import KEY, request, topics, train, tuned_history

from grokputer.adapters.tuning.api import TuningApi
from grokputer.domain.aggregates.training import TrainingJob
from grokputer.domain.errors import NotServed
from grokputer.runners.archive.erasure import Target
from grokputer.runners.archive.replay import replay
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.improvement.worker import Reporter, Worker
from grokputer.runners.store.states import load_state
from grokputer.runners.use_cases import erasures
from grokputer.runners.use_cases.trainings import cancel_training


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a log of runs that failed and were corrected."""
    with TuningServer() as server:
        history = tuned_history(tmp_path_factory.mktemp("tuning") / "events.db", server)
        history.parts.close()
        history.ledger.close()
    return history.ledger.path.parent


@pytest.fixture
def server() -> Iterator[TuningServer]:
    with TuningServer() as server:
        yield server


@pytest.fixture
def history(written: Path, server: TuningServer, tmp_path: Path) -> Iterator[History]:
    history = copy_of(written, tmp_path / "log", server)
    yield history
    history.parts.close()


def copy_of(written: Path, to: Path, server: TuningServer) -> History:
    """The log, with this server as the endpoint of its model."""
    shutil.copytree(written, to)
    history = History(to / "events.db")
    history.set(**{"model.endpoint": server.url})
    return history


def reason(job: TrainingJob) -> str:
    return str(vars(job.over).get("reason"))


def test_a_tuned_model_passes_gate_and_canary_and_becomes_live(server: TuningServer, tmp_path: Path) -> None:
    fast = {"canary.min_runs": 2, "canary.weight_percent": 50, "canary.bake_s": 0, "canary.interval_s": 0}
    history = tuned_history(tmp_path / "events.db", server, 30, **fast)
    done = train(history)
    [name] = server.tuned
    adapter = history.parts.state.registry.adapters["lora-v1"]
    assert vars(done.over)["model"] == adapter.model == name
    assert (vars(done.over)["billed_tokens"], vars(done.over)["steps"], vars(done.over)["final_loss"]) == (
        1200,
        30,
        0.25,
    )
    assert adapter.weights.startswith("tuned:") and adapter.endpoint == server.url
    assert "lora-v1: answers by its name, which is less than a proof" in history.said
    judged = history.judgement()
    assert (judged["verdict"], judged["reason"]) == ("pass", "better")
    assert judged["numbers"]["failed"]["runs"]["parent"] == 0 < judged["numbers"]["failed"]["runs"]["adapter"]
    assert adapter.status == "canary"
    history.feedback("miniwob", range(1000, 1016))
    history.work()
    assert history.parts.state.traffic("action").stable == "lora-v1"
    assert replay(history.ledger).is_equal
    [answered] = history.ledger.read(1, None, ("AdapterAnswered",))
    then = load_state(history.ledger, answered.position).registry.adapters["lora-v1"]
    assert (then.status, then.model) == ("answered", name)
    assert topics(history)[:8] == [
        "TrainingRequested", "DatasetBuilt", "TrainingStarted", "DatasetSent", "TuningSubmitted", "TrainingProgressed",
        "TrainingProgressed", "TrainingCompleted",
    ]  # fmt: skip
    history.parts.close()


def test_the_file_has_the_prompts_that_the_endpoint_is_asked_with(server: TuningServer, tmp_path: Path) -> None:
    history = tuned_history(tmp_path / "events.db", server, 8)
    training = request(history)
    Worker(history.ledger, history.parts, Reporter())._train(process_new_events(history.ledger))
    assert history.ledger.get(TrainingJob, training).over is not None
    [file] = server.files.values()
    rows, [job] = file.rows, server.jobs.values()
    asked = [it.body["messages"] for it in server.asked if it.path == "/chat/completions"]
    assert all(row["messages"][:-1] in asked for row in rows)
    assert {row["messages"][-1]["content"] for row in rows} == {"DONE"}
    assert rows[0]["messages"][-1] == {"role": "assistant", "content": "DONE"}
    assert job.asked["method"]["supervised"]["hyperparameters"] == {"n_epochs": "auto"}
    assert job.asked["model"] == "tiny-base" and job.asked["suffix"].startswith("grokputer-")
    history.parts.close()


def test_nothing_leaves_without_the_setting(server: TuningServer, history: History) -> None:
    history.set(**{"training.data_may_leave": False})
    job = train(history)
    assert reason(job) == (
        f"training.launcher is openai, which sends the dataset to {server.url}, and training.data_may_leave is false; set it "
        "to true to allow that"
    )
    assert (server.count("POST /files"), "DatasetSent" in topics(history)) == (0, False)


def test_a_setting_that_is_taken_back_before_the_upload_is_kept(
    server: TuningServer, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    def taken_back(*_: Any) -> None:
        history.set(**{"training.data_may_leave": False})

    monkeypatch.setattr("grokputer.runners.improvement.trainings.collect_examples", taken_back)
    assert "training.data_may_leave is false" in reason(train(history))
    assert server.count("POST /files") == 0


def test_a_local_model_is_not_sent_anywhere(server: TuningServer, history: History) -> None:
    history.set(**{"model.backend": "local", "model.base": "embedded"})
    assert "the model is not at one endpoint (model.backend local)" in reason(train(history))


def test_a_text_that_is_erased_before_the_upload_does_not_leave(server: TuningServer, history: History) -> None:
    server.refusals["POST /files"] = [(503, {})] * 2
    training = request(history)
    worker = Worker(history.ledger, history.parts, Reporter(history.said.append))

    def forget() -> None:
        if server.count("POST /files") == 1:
            erasures.forget(history.ledger, Target(person="ada"), reason="left", actor="bob")

    worker._look_around = forget  # type: ignore[method-assign]
    worker.step()
    job = history.ledger.get(TrainingJob, training)
    assert reason(job) == "the recorded dataset can no longer be built: some of its content was erased"
    assert (server.files, server.jobs) == ({}, {})


REFUSED = {
    "a wrong key": ("POST /files", 401, "invalid_api_key", "check the environment variable OPENAI_API_KEY"),
    "no quota": ("POST /fine_tuning/jobs", 429, "insufficient_quota", "the account has no quota left (insufficient_quota)"),
    "a bad file": ("POST /fine_tuning/jobs", 400, "invalid_file_format", "HTTP 400 (invalid_file_format)"),
    "no such API": ("POST /files", 404, "", "HTTP 404; it seems to offer no fine-tuning API"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_endpoint_refuses_ends_the_training_in_one_line(
    case: str, server: TuningServer, history: History
) -> None:
    request_line, status, code, words = REFUSED[case]
    server.refusals[request_line] = [(status, {"code": code or None, "message": f"{KEY} and a word of ada's"})]
    job = train(history)
    assert reason(job).startswith(f"{server.url} did not ") and reason(job).endswith(words)
    assert KEY not in reason(job) and "ada" not in reason(job)
    assert f"failed: {reason(job)}" in history.said[-1]


def test_an_endpoint_that_is_busy_is_asked_again(server: TuningServer, history: History) -> None:
    server.refusals["POST /fine_tuning/jobs"] = [(429, {"code": "rate_limit_exceeded"}), (500, {})]
    history.set(**{"training.pending_alert_s": 0})
    train(history)
    assert (len(server.files), len(server.jobs), list(server.tuned) != []) == (1, 1, True)
    [pending] = history.ledger.read(1, None, ("TrainingPending",))
    assert "too many requests or no credit left" in vars(pending.event)["reason"]


def test_a_job_that_fails_says_its_code_and_quotes_nothing(server: TuningServer, history: History) -> None:
    server.course = ("queued", "failed")
    job = train(history)
    assert reason(job) == f"job ftjob-1 failed at {server.url}: invalid_training_file, line 2 of the file"
    assert f"{server.url} says: Line 2 has the word secret-of-ada" in history.said
    assert "lora-v1" not in history.parts.state.registry.adapters


def test_a_job_that_is_cancelled_there_fails_and_one_that_is_lost_is_begun_again(
    server: TuningServer, history: History
) -> None:
    def cancel() -> None:
        server.jobs["ftjob-1"].cancelled = True

    server.on["POST /fine_tuning/jobs"] = cancel
    assert reason(train(history)) == f"job ftjob-1 was cancelled at {server.url}"

    def lose() -> None:
        server.on.clear()
        del server.jobs["ftjob-2"]

    server.on["POST /fine_tuning/jobs"] = lose
    job = train(history)
    assert (job.attempts, [it.tuning for it in job.tunings]) == (2, ["ftjob-2", "ftjob-3"])
    assert "AttemptInterrupted" in topics(history) and len(server.files) == 2


def test_cancelling_ends_the_job_there_with_and_without_a_worker(server: TuningServer, history: History) -> None:
    server.course = ("queued",)
    training = request(history)
    worker = Worker(history.ledger, history.parts, Reporter(history.said.append))

    def cancel() -> None:
        if server.count("GET /fine_tuning/jobs/ftjob-1/events"):
            server.refusals["POST /fine_tuning/jobs/ftjob-1/cancel"] = [(503, {})]
            cancel_training(history.ledger, None, reason="wrong tasks", actor="ada", say=history.said.append)

    worker._look_around = cancel  # type: ignore[method-assign]
    worker.step()
    assert history.ledger.get(TrainingJob, training).over is not None
    assert server.jobs["ftjob-1"].cancelled, "the worker did what the command could not"
    assert any(line.startswith("its job may run on: ") and line.endswith("cancel it there") for line in history.said)
    again = request(history)

    def die() -> None:
        if server.count("GET /fine_tuning/jobs/ftjob-2/events"):
            raise KeyboardInterrupt

    worker._look_around = die  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        worker.step()
    assert not server.jobs["ftjob-2"].cancelled
    cancel_training(history.ledger, again.hex, reason="wrong tasks", actor="ada")
    assert server.jobs["ftjob-2"].cancelled


MOMENTS = ("find_file", "upload", "find_job", "create", "look", "events")
"""The calls of the API, after each of which a worker ends."""


def dying(call: Callable[..., object]) -> Callable[..., None]:
    """The call, after whose effect its process ends."""

    def die(*given: Any, **more: Any) -> None:
        call(*given, **more)
        raise KeyboardInterrupt

    return die


@pytest.mark.parametrize("keeps_metadata", [True, False])
def test_a_worker_that_ends_after_any_call_leaves_one_file_and_one_job(
    keeps_metadata: bool, server: TuningServer, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.keeps_metadata = keeps_metadata
    history.set(**{"gate.enabled": False})
    training = request(history)
    for name in MOMENTS:
        with monkeypatch.context() as patch:
            patch.setattr(TuningApi, name, dying(vars(TuningApi)[name]))
            with pytest.raises(KeyboardInterrupt):
                history.work()
    history.work()
    said, job = topics(history), history.ledger.get(TrainingJob, training)
    assert (server.count("POST /files"), len(server.jobs), job.attempts) == (1, 1, 1)
    assert [said.count(it) for it in ("DatasetSent", "TuningSubmitted", "TrainingCompleted")] == [1, 1, 1]
    assert list(history.parts.state.registry.adapters) == ["lora-v1"]


WORK = (
    "import sys; from pathlib import Path; from grokputer.runners.store.ledger import Ledger\n"
    "from grokputer.runners.improvement.worker import *\n"
    "from grokputer.runners.improvement.process_manager import process_new_events\n"
    "from grokputer.runners.wiring.services import Services\n"
    "ledger = Ledger.open(Path(sys.argv[1]))\n"
    "with Services(ledger, process_new_events(ledger)) as services:\n"
    "    Worker(ledger, services, Reporter(print))._train(services.state)\n"
)


@pytest.mark.slow
def test_a_worker_that_is_killed_while_the_endpoint_answers_leaves_one_file_and_one_job(
    server: TuningServer, history: History
) -> None:
    training = request(history)
    killed: list[int] = []

    def kill() -> None:
        os.kill(killed[-1], signal.SIGKILL)

    for moment in ("POST /files", "POST /fine_tuning/jobs", "GET /fine_tuning/jobs/ftjob-1", None):
        server.on = {} if moment is None else {moment: kill}
        with subprocess.Popen([sys.executable, "-c", WORK, str(history.ledger.path)]) as worker:
            killed.append(worker.pid)
            assert worker.wait(60) == (0 if moment is None else -signal.SIGKILL)
    job = history.ledger.get(TrainingJob, training)
    assert (server.count("POST /files"), len(server.jobs), job.attempts) == (1, 1, 1)
    assert vars(job.over)["model"] in server.tuned


def test_a_name_that_stands_for_the_base_is_rejected(server: TuningServer, history: History) -> None:
    server.answer = lambda asked: "DONE"
    history.set(**{"gate.enabled": False})
    train(history)
    adapter = history.parts.state.registry.adapters["lora-v1"]
    assert (adapter.status, adapter.reason) == ("rejected", "by its name, it answers as its base does")


def test_a_model_that_is_not_listed_yet_waits_and_one_that_is_dropped_is_an_error(
    server: TuningServer, history: History
) -> None:
    listed, server.on = server.tuned, {}
    request(history)
    worker = Worker(history.ledger, history.parts, Reporter(history.said.append))
    worker.step()
    file = dict(listed)
    listed.clear()
    worker.step()
    assert history.said[-1].startswith("lora-v1 waits: lora-v1 is the model ft:tiny-base:grokputer-")
    assert history.said[-1].endswith("does not list it any more; roll it back, or train again")
    listed.update(file)
    history.work()
    assert history.parts.state.registry.adapters["lora-v1"].status == "canary"
    listed.clear()
    history.decide("promote")
    [run] = history.run("miniwob", range(3000, 3001))
    detail = history.ledger.say(vars(run.ended)["detail"])
    assert vars(run.ended)["reason"] == "error" and "adapter lora-v1 is not served by" in detail
    history.set(**{"model.endpoint": "http://127.0.0.1:9/v1"})
    with pytest.raises(NotServed, match=r"set model\.backend to openai and model\.endpoint to that"):
        history.parts.prepare("lora-v1")


def test_what_needs_weights_refuses_and_the_commands_say_what_the_adapter_is(
    server: TuningServer, history: History, tmp_path: Path
) -> None:
    train(history)
    db, [model] = history.ledger.path, server.tuned
    kept = f"lora-v1 is the model {model} at {server.url}, which keeps its weights, so it cannot be"
    history.set(**{"registry.url": str(tmp_path / "registry")})
    assert f"{kept} pushed" in refused("adapters", "push", "lora-v1", db=db)
    assert f"{kept} pulled" in refused("adapters", "pull", "lora-v1", db=db)
    assert f"{kept} exported" in refused("adapters", "export", "lora-v1", tmp_path / "out", db=db)
    assert "not pushed" not in output("adapters", db=db) and "MISSING" not in output("adapters", db=db)
    history.work()
    assert "AdapterPushFailed" not in topics(history)
    [row] = document("adapters", "--json", db=db)
    assert (row["model"], row["endpoint"], row["weights_missing"]) == (model, server.url, False)
    why = output("why", "lora-v1", db=db)
    assert f"registered as lora-v1: the model {model} at {server.url}" in why
    assert "answers by its name, which is less than a proof: of 16 prompts it answers" in why
    assert f"the model {model} at {server.url}, which keeps its weights" in output("doctor", db=db)
    assert f"dataset leaves for {server.url}, as the file grokputer-" in why
    assert output("backup", tmp_path / "backup", db=db)
    process_new_events(history.ledger)


def test_forgetting_deletes_the_file_there_and_names_the_model_that_keeps_what_it_learnt(
    server: TuningServer, history: History
) -> None:
    train(history)
    db, [model] = history.ledger.path, server.tuned
    before = output("forget", "--person", "ada", "--reason", "left", "--dry-run", db=db)
    assert "file file-1 at" in before and "would be deleted there" in before and list(server.files) == ["file-1"]
    said = output("forget", "--person", "ada", "--reason", "left", "--yes", db=db)
    assert server.files == {}
    assert f"file file-1 at {server.url}, of training " in said and ": deleted there" in said
    assert f"model {model} at {server.url}" in said
    assert "it cannot be reached from here, and keeps what it learnt; delete it there by hand" in said
    assert topics(history)[-1] == "SentDatasetDeleted"
    assert replay(history.ledger).is_equal


def test_a_file_that_the_endpoint_does_not_delete_is_named_for_people(server: TuningServer, history: History) -> None:
    train(history)
    server.refusals["DELETE /files"] = [(403, {})]
    done = erasures.forget(history.ledger, Target(person="ada"), reason="left", actor="bob")
    [file, model] = done.elsewhere
    assert (file.kind, file.id, file.is_deleted, model.kind) == ("file", "file-1", False, "model")
    assert "did not delete the file: it refused the API key" in file.problem and KEY not in file.problem
    assert done.words.keys, "the words are erased here all the same"


def test_a_training_over_the_bound_waits_and_the_next_is_estimated_by_its_tokens(
    server: TuningServer, history: History
) -> None:
    history.set(**{"training.max_cost": 1.0, "cost.tuning_price": 25.0})
    training = request(history)
    history.work()
    assert "its cost is unknown, as the log has no training of tiny-base at an endpoint" in history.said[-1]
    assert server.files == {}
    output("train", "approve", db=history.ledger.path)
    history.work()
    known = process_new_events(history.ledger).registry.trainings[training.hex]
    assert known.cost is not None and (known.cost.money, known.cost.energy_kwh) == (0.03, 0.0)
    assert "about 1200 tokens, 0.03 EUR" in output("train", "action", "--dry-run", db=history.ledger.path)


def test_no_key_is_in_the_log_or_in_what_is_said(server: TuningServer, history: History) -> None:
    train(history)
    assert {it.key for it in server.asked} == {f"Bearer {KEY}"}
    assert KEY not in "".join(history.said)
    assert KEY.encode() not in b"".join(
        path.read_bytes() for path in history.ledger.path.parent.rglob("*") if path.is_file()
    )
