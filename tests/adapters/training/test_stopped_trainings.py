"""Trainings that are killed, that fail, or that are asked for once more: no half adapter is left, and no step is lost."""

from __future__ import annotations

import json
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from places import SUPPORT
from tiny_base import RECIPE, Trained, build_base, click_examples, job, quiet_libraries

from grokputer.adapters.training.child import main
from grokputer.adapters.training.job import TrainingJobSpec, TrainingResult
from grokputer.adapters.training.process import train
from grokputer.adapters.training.trainer import train_job
from grokputer.domain.errors import TrainingError

SHORT = RECIPE.replace(epochs=1, checkpoint_steps=100)


@pytest.fixture(autouse=True)
def _quiet_libraries() -> Iterator[None]:
    with quiet_libraries():
        yield


def test_a_job_that_was_killed_after_its_last_step_only_has_its_adapter_written(
    trained: Trained, tiny_base: Path, tmp_path: Path
) -> None:
    spec = job(tmp_path, tiny_base, click_examples(64, done=True))
    shutil.copytree(trained.done.adapter.parent, spec.directory, dirs_exist_ok=True)
    again = train_job(spec)  # it finds the last checkpoint, and an adapter without a result
    assert again.adapter_hash == trained.done.adapter_hash
    assert (again.steps, again.final_loss) == (16, trained.done.final_loss)


def test_a_finished_job_is_not_trained_again(trained: Trained, tiny_base: Path) -> None:
    folder = trained.asked.adapter.parent.parent
    assert train(job(folder, tiny_base, click_examples(64))) == trained.asked


def test_the_folder_of_another_job_is_refused(trained: Trained, tiny_base: Path) -> None:
    folder = trained.asked.adapter.parent.parent
    with pytest.raises(TrainingError, match="holds another training job; give an empty folder"):
        train(job(folder, tiny_base, click_examples(64), RECIPE.replace(r=4)))


def test_a_loss_that_is_no_number_ends_the_training(tmp_path: Path) -> None:
    broken = build_base(tmp_path / "base", fill=float("nan"))
    spec = write(job(tmp_path, broken, click_examples(8), SHORT))
    assert main(spec.directory) == 1
    with pytest.raises(TrainingError, match="the loss is nan at step 1; lower the learning rate"):
        TrainingResult.read(spec.directory)
    assert not (spec.directory / "adapter").exists()


def write(spec: TrainingJobSpec) -> TrainingJobSpec:
    (spec.directory / "job.json").write_text(json.dumps(spec.to_json(), indent=1))
    return spec


def test_a_base_that_is_not_there_ends_the_training(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    spec = write(job(tmp_path, tmp_path / "empty", click_examples(8), SHORT))
    assert main(spec.directory) == 1
    with pytest.raises(TrainingError, match=r"lacks config\.json") as failed:
        TrainingResult.read(spec.directory)
    assert "\n" not in str(failed.value)


def test_a_folder_that_is_being_trained_is_left_alone(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    monkeypatch.setattr("grokputer.adapters.training.trainer.LOCK_WAIT_S", 0.1)
    spec = job(tmp_path, tiny_base, click_examples(8), SHORT)
    with (spec.directory / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(TrainingError, match="is being trained by another process; wait for it"):
            train_job(spec)


def test_a_full_disk_fails_the_training_and_leaves_no_adapter(tiny_base: Path, tmp_path: Path) -> None:
    """A limit on the size of files stands in for the full disk: the write of the weights fails in the same way."""
    spec = write(job(tmp_path, tiny_base, click_examples(8), SHORT))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, limits[1]))
    try:
        code = main(spec.directory)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert code == 1
    with pytest.raises(TrainingError, match=r"File too large.*; check whether the disk is full") as failed:
        TrainingResult.read(spec.directory)
    assert "\n" not in str(failed.value)
    assert not (spec.directory / "adapter").exists()


@pytest.mark.slow
def test_a_killed_training_resumes_before_a_damaged_checkpoint_and_ends_with_the_same_adapter(
    tiny_base: Path, tmp_path: Path
) -> None:
    recipe = RECIPE.replace(epochs=4)  # 32 steps
    spec = job(tmp_path / "killed", tiny_base, click_examples(64), recipe)
    code = (
        "import os, signal, sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path; from tiny_base import *\n"
        "spec = job(Path(sys.argv[2]), Path(sys.argv[3]), click_examples(64), RECIPE.replace(epochs=4))\n"
        "train(spec, lambda progress: os.kill(os.getpid(), signal.SIGKILL) if progress.step >= 6 else None)"
    )
    arguments = [str(SUPPORT), str(tmp_path / "killed"), str(tiny_base)]
    parent = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, check=False)
    assert parent.returncode == -signal.SIGKILL
    wait_until_unlocked(spec.directory / ".lock")  # the trainer died with its parent
    assert TrainingResult.read(spec.directory) is None
    assert not (spec.directory / "adapter").exists()
    reached = max(int(file.parent.name.split("-")[1]) for file in spec.directory.glob("checkpoint-*/complete"))
    assert 4 <= reached < 32

    newest = spec.directory / f"checkpoint-{reached}"
    flip_a_bit(newest / "adapter_model.safetensors")
    steps: list[int] = []
    lines: list[str] = []
    resumed = train(spec, lambda progress: steps.append(progress.step), say=lines.append)
    whole = train_job(job(tmp_path / "whole", tiny_base, click_examples(64), recipe))
    before = reached - 4
    place = f"checkpoint-{before}" if before else "the beginning"
    assert f"checkpoint-{reached} cannot be used: adapter_model.safetensors was changed" in lines[0]
    assert lines[0].endswith(f"the training continues from {place}")
    assert steps == list(range(before + 1, 33))
    assert resumed.adapter_hash == whole.adapter_hash


def flip_a_bit(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


@pytest.mark.slow
def test_finished_weights_that_were_changed_are_made_again_from_the_last_checkpoint(
    trained: Trained, tiny_base: Path, tmp_path: Path
) -> None:
    folder = trained.asked.adapter.parent.parent
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    flip_a_bit(tmp_path / "job" / "adapter" / "adapter_model.safetensors")
    steps: list[int] = []
    lines: list[str] = []
    spec = job(tmp_path, tiny_base, click_examples(64))
    again = train(spec, lambda progress: steps.append(progress.step), say=lines.append)
    assert (again.adapter_hash, steps) == (trained.asked.adapter_hash, [])
    assert "were changed; they are made again" in lines[0]


def wait_until_unlocked(lock: Path) -> None:
    import fcntl

    with lock.open("w") as file:
        for _ in range(1000):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                time.sleep(0.01)
    raise AssertionError("the trainer outlives its parent")
