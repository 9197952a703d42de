"""Trainings that a command starts elsewhere, with a scheduler of shell scripts: each ends as what it is, and runs once."""

from __future__ import annotations

import itertools
import os
import signal
import time
from pathlib import Path

import pytest
from scheduler import ShellScheduler, wait_until

from grokputer.adapters.launching.command import CommandScheduler
from grokputer.adapters.launching.jobs import JobLauncher
from grokputer.adapters.launching.scheduler import JobState
from grokputer.adapters.training.job import TrainingJobSpec
from grokputer.adapters.training.process import train
from grokputer.domain.errors import NotPossible, TrainingError, TrainingInterrupted
from grokputer.domain.ports import Progress, Waiting

POLL_S = 0.1


@pytest.fixture
def queue(tmp_path: Path) -> ShellScheduler:
    return ShellScheduler(tmp_path / "queue")


@pytest.fixture
def spec(tmp_path: Path) -> TrainingJobSpec:
    (tmp_path / "training").mkdir()
    return TrainingJobSpec(tmp_path / "training" / "job", tmp_path / "training" / "dataset.jsonl")


def launcher(queue: ShellScheduler, attempt: int = 1) -> JobLauncher:
    return JobLauncher(queue.port, f"grokputer-7-{attempt}", POLL_S)


def test_a_job_is_started_followed_and_its_weights_are_as_it_trained_them(
    queue: ShellScheduler, spec: TrainingJobSpec
) -> None:
    steps: list[int] = []
    result = train(spec, lambda progress: steps.append(progress.step), launcher=launcher(queue))
    assert (steps, result.steps, queue.done("started"), queue.done("killed")) == (
        [1, 2, 3, 4],
        4,
        ["grokputer-7-1"],
        [],
    )


def test_a_worker_that_comes_back_finds_the_job_and_tells_the_rest_of_its_steps(
    queue: ShellScheduler, spec: TrainingJobSpec
) -> None:
    (spec.directory.parent / "stop-at-2").touch()
    first = launcher(queue).start(spec)
    for update in first.progress():
        if isinstance(update, Progress) and update.step == 2:
            break
    first.leave()
    (spec.directory.parent / "stop-at-2").unlink()
    steps: list[int] = []
    result = train(spec, lambda progress: steps.append(progress.step), launcher=launcher(queue))
    assert (steps, result.steps, queue.done("started")) == ([3, 4], 4, ["grokputer-7-1"])


def test_a_worker_that_was_killed_before_it_noted_the_job_does_not_start_a_second_one(
    queue: ShellScheduler, spec: TrainingJobSpec
) -> None:
    (spec.directory.parent / "stop-at-1").touch()
    first = launcher(queue).start(spec)
    next(iter(first.progress()))
    (spec.directory / "submitted").unlink()
    (spec.directory.parent / "stop-at-1").unlink()
    assert train(spec, launcher=launcher(queue)).steps == 4
    assert queue.done("started") == ["grokputer-7-1"]


def test_a_killed_job_ends_as_that_and_the_next_attempt_continues_from_its_checkpoint(
    queue: ShellScheduler, spec: TrainingJobSpec
) -> None:
    (spec.directory.parent / "stop-at-2").touch()

    def kill(progress: Progress) -> None:
        if progress.step == 2:
            queue.kill("grokputer-7-1")

    with pytest.raises(TrainingInterrupted, match=r"ended without a result: FAILED \(the process is gone\)"):
        train(spec, kill, launcher=launcher(queue))
    (spec.directory.parent / "stop-at-2").unlink()
    steps: list[int] = []
    train(spec, lambda progress: steps.append(progress.step), launcher=launcher(queue, attempt=2))
    assert (steps, queue.done("started")) == ([3, 4], ["grokputer-7-1", "grokputer-7-2"])


def test_a_job_that_the_scheduler_no_longer_knows_is_lost(queue: ShellScheduler, spec: TrainingJobSpec) -> None:
    (spec.directory.parent / "stop-at-1").touch()

    def lose(progress: Progress) -> None:
        queue.forget("grokputer-7-1")

    with pytest.raises(TrainingInterrupted, match=r"was lost: .* knows no such job"):
        train(spec, lose, launcher=launcher(queue))


def test_a_job_without_a_place_is_pending_and_says_why(queue: ShellScheduler, spec: TrainingJobSpec) -> None:
    queue.has("full")
    said: list[Waiting] = []

    def wait(waiting: Waiting) -> None:
        if waiting.is_pending and waiting.for_s > 0 and not said:
            said.append(waiting)
            queue.is_no_longer("full")

    assert train(spec, on_wait=wait, launcher=launcher(queue)).steps == 4
    assert said[0].reason.endswith("PENDING (no node is free)")


def test_a_job_that_cannot_be_submitted_is_pending_until_it_can(queue: ShellScheduler, spec: TrainingJobSpec) -> None:
    queue.has("closed")
    said: list[str] = []

    def wait(waiting: Waiting) -> None:
        if waiting.is_pending and not said:
            said.append(waiting.reason)
            queue.is_no_longer("closed")

    assert train(spec, on_wait=wait, launcher=launcher(queue)).steps == 4
    assert "training.command ended with 3 for job grokputer-7-1: the queue is closed" in said[0]
    assert queue.done("started") == ["grokputer-7-1"]


def test_a_queue_that_takes_no_job_for_long_is_told_once(queue: ShellScheduler, spec: TrainingJobSpec) -> None:
    queue.has("closed")
    clock = itertools.count(0, 40)
    notes: list[str] = []
    waits = itertools.count(1)

    def wait(waiting: Waiting) -> None:
        if next(waits) == 20:
            queue.is_no_longer("closed")

    patient = JobLauncher(queue.port, "grokputer-7-1", POLL_S, monotonic=lambda: float(next(clock)))
    assert train(spec, say=notes.append, on_wait=wait, launcher=patient).steps == 4
    [line] = notes
    assert "3 for job grokputer-7-1: the queue is closed; it is submitted again" in line


def test_a_scheduler_that_does_not_answer_says_nothing_about_the_job(
    queue: ShellScheduler, spec: TrainingJobSpec
) -> None:
    (spec.directory.parent / "stop-at-1").touch()
    clock = itertools.count(0, 40)
    notes: list[str] = []

    def note(line: str) -> None:
        notes.append(line)
        queue.is_no_longer("silent")
        (spec.directory.parent / "stop-at-1").unlink()

    def silence(progress: Progress) -> None:
        if progress.step == 1:
            queue.has("silent")

    patient = JobLauncher(queue.port, "grokputer-7-1", POLL_S, monotonic=lambda: float(next(clock)))
    assert train(spec, silence, say=note, launcher=patient).steps == 4
    [line] = notes
    assert "does not answer (exit code 1: no connection); it is asked again" in line


def test_an_error_of_the_caller_ends_the_job_and_a_worker_that_ends_does_not(
    queue: ShellScheduler, spec: TrainingJobSpec
) -> None:
    (spec.directory.parent / "stop-at-1").touch()

    def leave(progress: Progress) -> None:
        raise KeyboardInterrupt

    def fail(waiting: Waiting) -> None:
        raise TrainingError("the disk is full")

    with pytest.raises(KeyboardInterrupt):
        train(spec, leave, launcher=launcher(queue))
    assert queue.done("killed") == []
    with pytest.raises(TrainingError, match="the disk is full"):
        train(spec, on_wait=fail, launcher=launcher(queue))
    assert queue.done("killed") == ["grokputer-7-1"]
    wait_until(lambda: queue.port.look("grokputer-7-1").state == JobState.ENDED)


def test_a_job_that_cannot_be_ended_hides_no_error_and_is_told(queue: ShellScheduler, spec: TrainingJobSpec) -> None:
    (spec.directory.parent / "stop-at-1").touch()
    (queue.folder / "kill").write_text("#!/bin/sh\necho no permission >&2\nexit 4\n")
    notes: list[str] = []

    def fail(waiting: Waiting) -> None:
        raise NotPossible("a person has ended it")

    with pytest.raises(NotPossible):
        train(spec, say=notes.append, on_wait=fail, launcher=launcher(queue))
    assert notes == ["training.kill_command ended with 4 for job grokputer-7-1: no permission; it may run on"]
    (spec.directory.parent / "stop-at-1").unlink()
    wait_until(lambda: queue.port.look("grokputer-7-1").state == JobState.ENDED)
    queue.port.kill("grokputer-7-1")  # what is over needs no end


def test_weights_that_differ_from_what_was_trained_are_not_taken(
    queue: ShellScheduler, spec: TrainingJobSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    training = launcher(queue).start(spec)
    for _ in training.progress():
        pass
    (spec.directory / "adapter" / "adapter_config.json").write_text('{"r": 1}')
    with pytest.raises(TrainingInterrupted, match="differ from what it trained"):
        training.result()


def test_names_and_folders_reach_the_command_as_single_words(tmp_path: Path) -> None:
    out = tmp_path / "out"
    port = CommandScheduler(f"sh -c 'printf %s\\\\n \"$@\" > {out}' sh {{job}} {{folder}}", "true {job}", "true {job}")
    port.submit("a;b", tmp_path)
    assert out.read_text().splitlines() == ["a;b", str(tmp_path)]
    with pytest.raises(TrainingError, match=r"set training\.shared_folder"):
        port.submit("a", tmp_path / "two words")


def test_a_launcher_without_its_commands_says_which_one_to_set() -> None:
    with pytest.raises(TrainingError, match=r"training\.poll_command is not set"):
        CommandScheduler("start {job}", None, None)


def is_alive(process: Path) -> bool:
    """Whether the process whose id is in the file runs; a dead one may wait for its parent."""
    try:
        return Path(f"/proc/{process.read_text().strip()}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_command_that_is_over_its_time_leaves_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grokputer.adapters.launching.command.LIMIT_S", 0.5)
    child = tmp_path / "child"
    slow = f"sh -c 'sleep 1000 & echo $! > {child}; wait; true'"
    port = CommandScheduler(slow, slow, slow)
    with pytest.raises(TrainingError, match=r"0\.5 s"):
        port.submit("a", tmp_path)
    wait_until(lambda: not is_alive(child), limit_s=5)
    with pytest.raises(TrainingError, match=r"0\.5 s"):
        port.kill("a")
    wait_until(lambda: not is_alive(child), limit_s=5)
    assert port.look("a").state == JobState.UNSAID
    wait_until(lambda: not is_alive(child), limit_s=5)


def test_what_a_command_started_in_the_background_goes_on_and_is_not_waited_for(tmp_path: Path) -> None:
    child = tmp_path / "child"
    started = time.monotonic()
    CommandScheduler(f"sh -c 'sleep 1000 & echo $! > {child}'", "true", "true").submit("a", tmp_path)
    assert is_alive(child) and time.monotonic() - started < 30
    os.kill(int(child.read_text()), signal.SIGKILL)


@pytest.mark.parametrize("is_silent", [False, True])
def test_a_start_that_submitted_the_job_and_then_hung_leads_to_no_second_job(
    queue: ShellScheduler, spec: TrainingJobSpec, monkeypatch: pytest.MonkeyPatch, is_silent: bool
) -> None:
    monkeypatch.setattr("grokputer.adapters.launching.command.LIMIT_S", 2.0)
    (spec.directory.parent / "stop-at-1").touch()
    start = queue.folder / "start"
    start.write_text(start.read_text().removesuffix("exit 0\n") + "sleep 1000\n")
    waits = itertools.count()

    def wait(waiting: Waiting) -> None:
        if next(waits) == 0 and is_silent:
            assert "did not end within 2 s" in waiting.reason
            queue.has("silent")
        elif is_silent and "does not say whether it has job" in waiting.reason and (queue.folder / "silent").exists():
            queue.is_no_longer("silent")
        elif not waiting.is_pending:
            (spec.directory.parent / "stop-at-1").unlink(missing_ok=True)

    assert train(spec, on_wait=wait, launcher=launcher(queue)).steps == 4
    assert queue.done("started") == ["grokputer-7-1"]
