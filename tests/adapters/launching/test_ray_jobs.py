"""Trainings as jobs of a real Ray cluster: a name runs once, a killed job has failed, and what no node has is waited for."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
from ray_cluster import Cluster, free_port, needs_ray, processes_with
from scheduler import wait_until
from tiny_base import RECIPE, click_examples, job

from grokputer.adapters.launching.jobs import JobLauncher
from grokputer.adapters.launching.ray_jobs import RayJobs, find_token
from grokputer.adapters.launching.scheduler import JobState
from grokputer.adapters.training.process import train
from grokputer.domain.errors import TrainingError, TrainingInterrupted
from grokputer.domain.ports import Progress, Waiting


@needs_ray
@pytest.mark.slow
def test_a_killed_job_has_failed_and_the_next_attempt_continues_from_its_checkpoint(
    cluster: Cluster, tiny_base: Path, tmp_path: Path
) -> None:
    ray = RayJobs(cluster.dashboard, 0, sys.executable)
    spec = job(tmp_path, tiny_base, click_examples(64), RECIPE.replace(epochs=8))

    def kill(progress: Progress) -> None:
        if progress.step == 1:
            ray.submit("grokputer-1-1", spec.directory)  # the same name again: it is that job
        if any(spec.directory.glob("checkpoint-*/complete")):
            for process in processes_with("grokputer.adapters.training.child", str(spec.directory.resolve())):
                os.kill(process, signal.SIGKILL)

    with pytest.raises(TrainingInterrupted, match="ended without a result: FAILED"):
        train(spec, kill, launcher=JobLauncher(ray, "grokputer-1-1", 0.5))
    steps: list[int] = []
    result = train(spec, lambda progress: steps.append(progress.step), launcher=JobLauncher(ray, "grokputer-1-2", 0.5))
    assert steps[0] > 4 and steps[-1] == result.steps
    wait_until(lambda: ray.look("grokputer-1-2").words.startswith("SUCCEEDED"))
    assert ray.look("grokputer-1-1").words.startswith("FAILED")


@needs_ray
@pytest.mark.slow
def test_a_job_that_asks_for_what_no_node_has_is_pending_and_can_be_stopped(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "job").mkdir()
    ray = RayJobs(cluster.dashboard, 1, sys.executable)
    seen: list[Waiting] = []

    class Enough(Exception):
        pass

    def wait(waiting: Waiting) -> None:
        seen.append(waiting)
        if waiting.for_s > 1:
            raise Enough

    spec = job(tmp_path, tmp_path, click_examples(1))
    with pytest.raises(Enough):
        train(spec, on_wait=wait, launcher=JobLauncher(ray, "grokputer-2-1", 0.5))
    assert "PENDING" in seen[-1].reason and "waits at the Ray cluster" in seen[-1].reason


def test_a_cluster_that_does_not_answer_says_nothing_about_a_job_and_takes_none(tmp_path: Path) -> None:
    nowhere = RayJobs(f"http://127.0.0.1:{free_port()}", 1, "python")
    assert nowhere.look("grokputer-1-1").state == JobState.UNSAID
    with pytest.raises(TrainingError, match="did not take job grokputer-1-1"):
        nowhere.submit("grokputer-1-1", tmp_path)
    with pytest.raises(TrainingError, match="did not stop job"):
        nowhere.kill("grokputer-1-1")


def test_the_token_of_a_cluster_is_looked_for_where_ray_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "none"))
    assert find_token() == ""
    (tmp_path / "token").write_text("abc\n")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    assert find_token() == "abc"
    monkeypatch.setenv("RAY_AUTH_TOKEN", "def")
    assert find_token() == "def"
