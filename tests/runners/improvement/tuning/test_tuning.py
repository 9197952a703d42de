"""Trainings that an endpoint carries out: the dataset leaves only where that is allowed, and an attempt has one job there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gated import History
from tuning_server import TuningServer
from tunings import KEY, request, topics, train, tuned_history

from grokputer.adapters.tuning.api import TuningApi
from grokputer.domain.aggregates.training import TrainingJob
from grokputer.runners.archive.erasure import Target
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.improvement.worker import Reporter, Worker
from grokputer.runners.use_cases import erasures
from grokputer.runners.use_cases.trainings import cancel_training


def reason(job: TrainingJob) -> str:
    return str(vars(job.over).get("reason"))


def test_the_file_has_the_prompts_of_runs_and_no_key_is_kept(server: TuningServer, tmp_path: Path) -> None:
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
    assert {it.key for it in server.asked} == {f"Bearer {KEY}"}
    assert KEY.encode() not in b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
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
