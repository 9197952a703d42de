"""Trainings that a scheduler runs, as the worker and the log see them: one training and one adapter, whoever is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from scheduler import ShellScheduler, wait_until
from tiny_base import RECIPE

from grokputer.adapters.registry.lock import hold
from grokputer.adapters.training.process import CHILD
from grokputer.domain.aggregates.training import TrainingJob
from grokputer.domain.errors import LogError, TrainingError, TrainingInterrupted
from grokputer.projections.explain.lineage import read_manifest
from grokputer.runners.archive.erasure import Target
from grokputer.runners.improvement import trainings
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.improvement.trainings import run_training
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.states import load_state
from grokputer.runners.use_cases.erasures import forget
from grokputer.runners.use_cases.trainings import cancel_training
from grokputer.runners.wiring.services import Services
from story import Story


def told(story: Story) -> Counter[str]:
    return Counter(recorded.event.TOPIC for recorded in story.ledger.read(1, None))


def elsewhere(folder: Path, base: Path, queue: ShellScheduler) -> Story:
    """A log whose next training the scheduler runs."""
    story = Story(folder / "events.db")
    settings: dict[str, object] = {f"training.{key}": value for key, value in queue.commands.items()}
    figures = {f"training.{name}": getattr(RECIPE, name) for name in ("batch", "checkpoint_steps")}
    more = {"training.launcher": "command", "training.poll_s": 0.1, "training.retries": 0, "model.base": str(base)}
    for key, value in {**settings, **figures, **more}.items():
        story.set(key, value)
    return story


def carry_on(ledger: Ledger, training: object, on_wait: object = lambda: None) -> TrainingJob:
    with Services(ledger, process_new_events(ledger)) as services:
        return run_training(ledger, services, training, lambda progress: None, print, on_wait)  # type: ignore[arg-type]


def test_a_job_that_waits_long_is_an_alert_and_cancelling_ends_it(tiny_base: Path, tmp_path: Path) -> None:
    queue = ShellScheduler(tmp_path / "queue")
    queue.has("full")
    story = elsewhere(tmp_path, tiny_base, queue)
    story.set("training.pending_alert_s", 0)
    training = story.fall()

    def cancel() -> None:
        process_new_events(story.ledger)
        job = story.ledger.get(TrainingJob, training)
        if job.queued is not None and job.over is None:
            context = story.ledger.context("ada")
            story.ledger.write(TrainingJob, training, lambda it: it.fail("cancelled", context))

    done = carry_on(story.ledger, training, cancel)
    state = process_new_events(story.ledger)
    [alert] = [alert for alert in state.alerts if alert.kind == "training pending"]
    assert "PENDING (no node is free)" in alert.message
    assert (done.over is not None, alert.is_open, queue.done("killed")) == (True, False, queue.done("started"))
    said = told(story)
    assert (said["TrainingStarted"], said["TrainingPending"], said["AttemptInterrupted"]) == (1, 1, 0)


def test_cancelling_holds_where_the_scheduler_cannot_end_the_job(tiny_base: Path, tmp_path: Path) -> None:
    queue = ShellScheduler(tmp_path / "queue")
    queue.has("full")
    (queue.folder / "kill").write_text("#!/bin/sh\nexit 4\n")
    story = elsewhere(tmp_path, tiny_base, queue)
    training = story.fall()

    def cancel() -> None:
        job = story.ledger.get(TrainingJob, training)
        if job.started is not None and job.over is None:
            cancel_training(story.ledger, training.hex, reason="no longer wanted", actor="ada")

    assert carry_on(story.ledger, training, cancel).over is not None
    assert told(story)["TrainingFailed"] == 1
    queue.is_no_longer("full")


def test_a_training_that_ends_while_it_is_cancelled_stays_cancelled(tiny_base: Path, tmp_path: Path) -> None:
    story = elsewhere(tmp_path, tiny_base, ShellScheduler(tmp_path / "queue"))
    training = story.fall()
    error = TrainingInterrupted("its machine was lost")
    cancel_training(story.ledger, training.hex, reason="no longer wanted", actor="ada")
    before = story.ledger.position
    ended = partial(trainings._record_end, story.ledger, training, tmp_path, error)
    assert trainings._unless_ended(story.ledger, training, tmp_path, ended).over is not None
    assert story.ledger.position == before


def test_a_launcher_that_lacks_a_setting_fails_the_training_with_its_name(tiny_base: Path, tmp_path: Path) -> None:
    story = elsewhere(tmp_path, tiny_base, ShellScheduler(tmp_path / "queue"))
    story.set("training.launcher", "ray")
    done = carry_on(story.ledger, story.fall())
    assert "training.ray_address is not set" in vars(done.over)["reason"]


def test_a_worker_that_loses_the_log_leaves_the_job_running(tiny_base: Path, tmp_path: Path) -> None:
    queue = ShellScheduler(tmp_path / "queue")
    story = elsewhere(tmp_path, tiny_base, queue)
    training = story.fall()
    folder = story.path.parent / "events.adapters" / "trainings" / training.hex
    folder.mkdir(parents=True)
    (folder / "stop-at-2").touch()

    def lose() -> None:
        if (folder / "job" / "progress.jsonl").exists():
            raise LogError("the log cannot be reached")

    with pytest.raises(LogError):
        carry_on(story.ledger, training, lose)
    (folder / "stop-at-2").unlink()
    wait_until(lambda: (folder / "job" / "result.json").exists())
    assert queue.done("killed") == []
    assert told(story)["AttemptInterrupted"] == 0


def test_a_job_that_its_scheduler_lost_is_followed_while_a_trainer_has_its_folder(
    tiny_base: Path, tmp_path: Path
) -> None:
    queue = ShellScheduler(tmp_path / "queue")
    story = elsewhere(tmp_path, tiny_base, queue)
    training = story.fall()
    folder = story.path.parent / "events.adapters" / "trainings" / training.hex / "job"
    folder.parent.mkdir(parents=True)
    (folder.parent / "stop-at-2").touch()
    looks = 0
    with ExitStack() as trainer:

        def lose() -> None:
            nonlocal looks
            looks += (folder / "progress.jsonl").exists()
            if looks == 1:
                trainer.enter_context(hold(folder / ".lock"))
                queue.forget_all()
            if looks == 20:
                (folder.parent / "stop-at-2").unlink()
                trainer.close()

        carry_on(story.ledger, training, lose)
    assert (told(story)["AttemptInterrupted"], len(queue.done("started"))) == (0, 1)
    assert (folder / "result.json").exists() or told(story)["TrainingFailed"] == 1


def test_a_training_that_was_to_be_carried_runs_in_the_shared_folder_once_a_scheduler_has_it(
    tiny_base: Path, tmp_path: Path
) -> None:
    queue, shared = ShellScheduler(tmp_path / "queue"), tmp_path / "shared"
    story = elsewhere(tmp_path, tiny_base, queue)
    story.set("training.launcher", "carry")
    training = story.fall()
    assert carry_on(story.ledger, training).over is None
    story.set("training.launcher", "command")
    story.set("training.shared_folder", str(shared))
    job = carry_on(story.ledger, training)
    assert queue.done("started") == [f"{job.name}-2"]
    assert [f"grokputer-{folder.name}" for folder in (shared / "trainings").iterdir()] == [job.name]


def test_two_logs_meet_neither_in_the_queue_nor_in_the_shared_folder(tiny_base: Path, tmp_path: Path) -> None:
    queue, shared = ShellScheduler(tmp_path / "queue"), tmp_path / "shared"
    names = []
    for log in ("ours", "theirs"):
        (tmp_path / log).mkdir()
        story = elsewhere(tmp_path / log, tiny_base, queue)
        story.set("training.shared_folder", str(shared))
        training = story.fall()
        names.append(carry_on(story.ledger, training).name)
        assert training == story.training() and training.hex in names[-1]
    ours, theirs = names
    assert ours.rpartition("-")[0] == theirs.rpartition("-")[0]  # the log has the same id for both
    assert queue.done("started") == [f"{ours}-1", f"{theirs}-1"]
    assert {f"grokputer-{folder.name}" for folder in (shared / "trainings").iterdir()} == {ours, theirs}


def test_forgetting_deletes_the_dataset_in_each_shared_folder_that_was_ever_set(
    tiny_base: Path, tmp_path: Path
) -> None:
    story = elsewhere(tmp_path, tiny_base, ShellScheduler(tmp_path / "queue"))
    story.set("training.shared_folder", str(tmp_path / "then"))
    job = carry_on(story.ledger, story.fall())
    assert job.dataset is not None
    [dataset] = tmp_path.glob("then/trainings/*/dataset.jsonl")
    run = read_manifest(str(story.ledger.get_content(job.dataset.manifest)))["examples"][0]["run"]
    copies = [dataset]
    for folder in ("between", "now"):
        story.set("training.shared_folder", str(tmp_path / folder))
        copies.append(tmp_path / folder / dataset.relative_to(tmp_path / "then"))
        copies[-1].parent.mkdir(parents=True)
        copies[-1].write_text("the words once more")
    forget(story.ledger, Target(run), reason="asked for", actor="eve")
    assert not any(copy.exists() for copy in copies)


def test_a_job_that_an_earlier_program_started_is_found_under_its_old_name(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue, shared = ShellScheduler(tmp_path / "queue"), tmp_path / "shared"
    story = elsewhere(tmp_path, tiny_base, queue)
    story.set("training.shared_folder", str(shared))
    training = story.fall()
    queue.has("full")

    def lose() -> None:
        if queue.done("started"):
            raise LogError("the log cannot be reached")

    with monkeypatch.context() as earlier:
        earlier.setattr(TrainingJob, "name", property(lambda job: f"grokputer-{job.id.hex}"))
        with pytest.raises(LogError):
            carry_on(story.ledger, training, lose)
    queue.is_no_longer("full")
    assert carry_on(story.ledger, training).over is not None
    assert queue.done("started") == [f"grokputer-{training.hex}-1"]
    assert [folder.name for folder in (shared / "trainings").iterdir()] == [training.hex]


WORKER = (
    "import sys; from pathlib import Path; from grokputer.runners.store.ledger import Ledger\n"
    "from grokputer.runners.improvement.worker import *\n"
    "from grokputer.runners.improvement.process_manager import process_new_events\n"
    "from grokputer.runners.wiring.services import Services\n"
    "ledger = Ledger.open(Path(sys.argv[1]))\n"
    "with Services(ledger, process_new_events(ledger)) as services:\n"
    "    Worker(ledger, services, Reporter(print))._train(services.state)\n"
)


def start_worker(story: Story) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", WORKER, str(story.path)], stdout=subprocess.DEVNULL)


@pytest.mark.slow
def test_workers_that_are_killed_at_each_moment_make_one_training_and_one_adapter(
    tiny_base: Path, tmp_path: Path
) -> None:
    queue = ShellScheduler(tmp_path / "queue", f"{sys.executable} -P -m {CHILD}")
    story = elsewhere(tmp_path, tiny_base, queue)
    training = story.fall()
    folder = next(iter([story.path.parent / "events.adapters" / "trainings" / training.hex / "job"]))
    moments = [
        lambda: told(story)["TrainingStarted"] == 1,
        lambda: queue.done("started") != [],
        lambda: (folder / "submitted").exists(),
        lambda: (folder / "progress.jsonl").exists(),
        lambda: any(folder.glob("checkpoint-*/complete")),
        lambda: (folder / "result.json").exists() or told(story)["TrainingCompleted"] == 1,
    ]
    for has_come in moments:
        with start_worker(story) as worker:
            wait_until(lambda done=has_come, it=worker: done() or it.poll() is not None)  # type: ignore[misc]
            worker.send_signal(signal.SIGKILL)
    with start_worker(story) as worker:
        assert worker.wait(120) == 0
    state, said = process_new_events(story.ledger), told(story)
    assert queue.done("started") == [f"{story.ledger.get(TrainingJob, training).name}-1"]
    assert (said["TrainingStarted"], said["TrainingCompleted"], said["AttemptInterrupted"]) == (1, 1, 0)
    assert len(state.registry.adapters) == 1


@pytest.mark.slow
def test_a_real_trainer_that_is_killed_there_continues_from_its_checkpoint(tiny_base: Path, tmp_path: Path) -> None:
    queue = ShellScheduler(tmp_path / "queue", f"{sys.executable} -P -m {CHILD}")
    story = elsewhere(tmp_path, tiny_base, queue)
    training = story.fall()
    folder = story.path.parent / "events.adapters" / "trainings" / training.hex / "job"

    killed: list[str] = []

    def kill() -> None:
        if not killed and any(folder.glob("checkpoint-*/complete")):
            killed.extend(queue.done("started"))
            queue.kill(killed[0])

    first = carry_on(story.ledger, training, kill)
    assert (first.over, first.attempts, first.running) == (None, 1, None)
    done = carry_on(story.ledger, training)
    assert vars(done.over)["steps"] > 0
    assert queue.done("started") == [f"{done.name}-{attempt}" for attempt in (1, 2)]
    assert (
        "FAILED (the process is gone)"
        in vars(next(recorded.event for recorded in story.ledger.read(1, None, ("AttemptInterrupted",))))["reason"]
    )
    assert load_state(story.ledger).registry.trainings[training.hex].job.endswith("-2")


def test_the_environment_of_this_machines_gpus_does_not_go_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from grokputer.adapters.launching.command import CommandScheduler

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    out = tmp_path / "env"
    CommandScheduler(f"sh -c 'env > {out}' {{job}}", "true {job}", "true {job}").submit("a", tmp_path)
    assert "CUDA_VISIBLE_DEVICES" not in out.read_text()
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "3"
    with pytest.raises(TrainingError, match="ended with 4"):
        CommandScheduler("sh -c 'exit 4' {job}", "true {job}", "true {job}").submit("a", tmp_path)
