"""Checkpoints: the newest that is as it was written is used, and what is wrong with a newer one is said."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from grokputer.adapters.training.checkpoints import COMPLETE, find_fault, newest_whole, seal


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """A job with three whole checkpoints."""
    for step in (4, 8, 12):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        (folder / "adapter_model.safetensors").write_bytes(bytes(range(200)))
        (folder / "optimizer.pt").write_bytes(b"state" * step)
        seal(folder)
    return tmp_path


def cut(folder: Path) -> None:
    file = folder / "optimizer.pt"
    file.write_bytes(file.read_bytes()[:-1])


def empty(folder: Path) -> None:
    (folder / "adapter_model.safetensors").write_bytes(b"")


def flip(folder: Path) -> None:
    file = folder / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"\x00")


def remove(folder: Path) -> None:
    (folder / "optimizer.pt").unlink()


def add(folder: Path) -> None:
    (folder / "pytorch_model.bin").write_bytes(b"pickle")


def unseal(folder: Path) -> None:
    (folder / COMPLETE).unlink()


def empty_seal(folder: Path) -> None:
    (folder / COMPLETE).write_bytes(b"")


def cut_seal(folder: Path) -> None:
    file = folder / COMPLETE
    file.write_text(file.read_text().splitlines()[0] + "\n")


def garble_seal(folder: Path) -> None:
    (folder / COMPLETE).write_bytes(b"\xff\xfe")


DAMAGES: list[tuple[Callable[[Path], None], str]] = [
    (cut, "optimizer.pt was changed"),
    (empty, "adapter_model.safetensors was changed"),
    (flip, "adapter_model.safetensors was changed"),
    (remove, "optimizer.pt is missing"),
    (add, "pytorch_model.bin was changed"),
    (unseal, "it is incomplete"),
    (empty_seal, "its list of files is empty"),
    (cut_seal, "optimizer.pt was changed"),
    (garble_seal, "its file complete cannot be read"),
]


@pytest.mark.parametrize(("damage", "fault"), DAMAGES)
def test_the_newest_whole_checkpoint_is_used_and_a_damaged_newer_one_removed_and_named(
    job: Path, damage: Callable[[Path], None], fault: str
) -> None:
    damage(job / "checkpoint-12")
    lines: list[str] = []
    assert newest_whole(job, lines.append) == job / "checkpoint-8"
    assert lines == [f"checkpoint-12 cannot be used: {fault}; the training continues from checkpoint-8"]
    assert not (job / "checkpoint-12").exists()


def test_without_a_whole_checkpoint_the_training_goes_on_from_the_beginning(job: Path) -> None:
    for step in (4, 8, 12):
        cut(job / f"checkpoint-{step}")
    lines: list[str] = []
    assert newest_whole(job, lines.append) is None
    assert [line.split(" ")[0] for line in lines] == ["checkpoint-12", "checkpoint-8", "checkpoint-4"]
    assert all(line.endswith("the training continues from the beginning") for line in lines)


def test_whole_checkpoints_are_used_without_a_word(job: Path) -> None:
    lines: list[str] = []
    assert newest_whole(job, lines.append) == job / "checkpoint-12"
    assert lines == []
    assert newest_whole(job / "nothing") is None


def test_a_checkpoint_in_a_folder_that_was_moved_is_whole_and_sha256sum_agrees(job: Path) -> None:
    moved = (job / "checkpoint-4").rename(job / "checkpoint-16")
    assert find_fault(moved) == ""
    assert newest_whole(job) == moved
    subprocess.run(["sha256sum", "--check", "--strict", COMPLETE], cwd=moved, check=True, capture_output=True)
