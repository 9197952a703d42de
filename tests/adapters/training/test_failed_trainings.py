"""Trainings that cannot succeed: each ends with one clear reason and leaves no half adapter."""

from __future__ import annotations

import fcntl
import json
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny_base import RECIPE, build_base, click_examples, job, quiet_libraries

from grokputer.adapters.data.examples import Example
from grokputer.adapters.training.child import main, reason
from grokputer.adapters.training.job import TrainingJobSpec, TrainingResult
from grokputer.adapters.training.trainer import train_job
from grokputer.domain.aggregates.settings import SETTINGS_ID, Settings
from grokputer.domain.aggregates.training import TrainingJob
from grokputer.domain.errors import TrainingError
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.improvement.trainings import run_training
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.log import adapters_folder
from grokputer.runners.store.states import load_state
from grokputer.runners.wiring.services import Services
from story import Story

SHORT = RECIPE.replace(epochs=1, checkpoint_steps=100)


@pytest.fixture(autouse=True)
def _quiet_libraries() -> Iterator[None]:
    with quiet_libraries():
        yield


def why_it_failed(spec: TrainingJobSpec) -> str:
    """Train in this process as the child does; the one line it leaves, with no adapter beside it."""
    (spec.directory / "job.json").write_text(json.dumps(spec.to_json()))
    assert main(spec.directory) == 1
    with pytest.raises(TrainingError) as failed:
        TrainingResult.read(spec.directory)
    assert "\n" not in str(failed.value)
    assert not (spec.directory / "adapter").exists()
    return str(failed.value)


@pytest.mark.skipif(sys.platform != "linux", reason="the limit on memory is Linux's")
def test_too_little_memory_is_named(tiny_base: Path, tmp_path: Path) -> None:
    import trl.trainer.sft_trainer  # noqa: F401  # what is loaded later would count

    recipe = SHORT.replace(batch=256)
    spec = job(tmp_path, tiny_base, [*click_examples(1), *long_examples(255)], recipe)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 300_000_000, limits[1]))
    try:
        assert "out of memory" in (said := why_it_failed(spec))
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
    assert "use a smaller batch, max_length or rank" in said


def long_examples(count: int) -> list[Example]:
    """Answers as long as the model can take."""
    return [
        replace(example, completion=f"{number} " + "x" * 440) for number, example in enumerate(click_examples(count))
    ]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of its own with room for the adapter but not for the optimiser's state."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if (
        os.geteuid()
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", folder], check=False).returncode
    ):
        pytest.skip("only root can make a small disk")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_named_and_half_a_checkpoint_is_removed(tiny_base: Path, small_disk: Path) -> None:
    spec = job(small_disk, tiny_base, click_examples(8), SHORT)
    assert "check whether the disk is full" in why_it_failed(spec)
    assert not list(spec.directory.glob("checkpoint-*"))


def test_a_damaged_line_of_the_dataset_is_named(tiny_base: Path, tmp_path: Path) -> None:
    spec = job(tmp_path, tiny_base, click_examples(8), SHORT)
    with spec.dataset.open("a") as stream:
        stream.write('{"messages": [{"role": "user", "con')
    assert "line 9 is not an example" in why_it_failed(spec)


def test_errors_of_the_libraries_become_one_line_with_what_to_do() -> None:
    on_a_cpu = RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: you tried")
    assert "use a smaller batch" in reason(on_a_cpu)
    assert "use a smaller batch" in reason(OSError(12, "Cannot allocate memory"))
    assert "the disk is full" in reason(
        RuntimeError("PytorchStreamWriter failed writing file data/3: file write failed")
    )
    assert reason(KeyError("x")) == "KeyError: 'x'"


# A trainer that outlived its parent


def test_an_orphaned_trainer_is_waited_for_until_it_has_ended(tiny_base: Path, tmp_path: Path) -> None:
    spec = job(tmp_path, tiny_base, click_examples(8), SHORT)
    orphan = (spec.directory / ".lock").open("w")
    fcntl.flock(orphan, fcntl.LOCK_EX)
    threading.Timer(0.3, orphan.close).start()
    assert train_job(spec).examples == 8


def test_without_a_signal_for_it_a_trainer_notices_that_its_parent_has_ended() -> None:
    trainer = (
        "import os, time; from grokputer.adapters.training.child import watch_parent; "
        "watch_parent(os.getppid()); print('up', flush=True); time.sleep(60)"
    )
    worker = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {trainer!r}]); sys.stdin.readline()"
    with subprocess.Popen([sys.executable, "-c", worker], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        process.kill()
        assert process.stdout.read() == b""  # the trainer's end of the pipe is closed: it has ended


# As the log tells it


def carry_on(ledger: Ledger, training: Any) -> TrainingJob:
    with Services(ledger, load_state(ledger)) as parts:
        return run_training(ledger, parts, training, lambda progress: None, print)


def change(ledger: Ledger, **values: Any) -> None:
    for key, value in values.items():
        name = key.replace("__", ".")
        context = ledger.context("ada")
        ledger.write(Settings, SETTINGS_ID, lambda it, n=name, v=value, c=context: it.change(n, v, "", c))  # type: ignore[misc]
    process_new_events(ledger)


def test_a_training_whose_loss_is_no_number_fails_and_leaves_no_weights(tmp_path: Path) -> None:
    story = Story(tmp_path / "events.db")
    change(story.ledger, model__base=str(build_base(tmp_path / "base", fill=float("nan"))), training__retries=0)
    done = carry_on(story.ledger, story.fall())
    assert done.over is not None
    assert done.over.TOPIC == "TrainingFailed"
    assert "the loss is nan at step 1; lower the learning rate" in vars(done.over)["reason"]
    assert "\n" not in vars(done.over)["reason"]
    left = adapters_folder(story.path)
    assert not (left / "weights").exists()
    assert not [*left.glob("trainings/*/job/checkpoint-*"), *left.glob("trainings/*/job/adapter")]


def test_a_training_with_lineage_parent_needs_the_weights_of_the_live_adapter_whole(
    tiny_base: Path, tmp_path: Path
) -> None:
    story = Story(tmp_path / "events.db")
    story.promote()
    change(story.ledger, model__base=str(tiny_base), training__retries=0, training__lineage="parent")
    training = story.ask()
    weights = load_state(story.ledger).registry.adapters["lora-v1"].weights.removeprefix("sha256:")
    (adapters_folder(story.path) / "weights" / weights / "adapter_config.json").write_text("{}")
    done = carry_on(story.ledger, training)
    assert done.over is not None
    assert f"weights sha256:{weights} are damaged" in vars(done.over)["reason"]
