"""Archives of trainings that were damaged on the way, or made to do harm: each is refused in one line."""

from __future__ import annotations

import json
import os
import struct
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command_line import call
from tiny_base import click_examples

from grokputer.adapters.data.examples import write_examples
from grokputer.adapters.launching.parcel import MANIFEST, REQUEST, RESULT, BadParcel, _write, read_result, write_request
from grokputer.adapters.training.job import TrainingJobSpec, TrainingResult
from grokputer.domain.errors import TrainingError

NAME = f"grokputer-{'7' * 32}-1"


@pytest.fixture
def request_file(tmp_path: Path) -> Path:
    """A whole request."""
    dataset = tmp_path / "dataset.jsonl"
    digest = write_examples(dataset, click_examples(3))
    file = tmp_path / "request.zip"
    write_request(file, TrainingJobSpec(tmp_path / "job", dataset), NAME, "sha256:00", digest)
    return file


def entry_at(file: Path, name: str) -> tuple[int, int]:
    """Where the entry's local header begins, and its packed bytes."""
    with zipfile.ZipFile(file) as archive:
        at = archive.getinfo(name).header_offset
    names, extra = struct.unpack_from("<HH", file.read_bytes(), at + 26)
    return at, at + 30 + names + extra


def central_at(file: Path, name: str) -> int:
    """Where the entry's place in the directory begins."""
    return file.read_bytes().rindex(name.encode()) - 46


def patch(file: Path, at: int, content: bytes) -> None:
    data = bytearray(file.read_bytes())
    data[at : at + len(content)] = content
    file.write_bytes(data)


def flip_bytes(file: Path, name: str) -> None:
    patch(file, entry_at(file, name)[1], b"\xff" * 12)


def rename_locally(file: Path, name: str) -> None:
    patch(file, entry_at(file, name)[0] + 30, b"X")


def encrypt(file: Path, name: str) -> None:
    patch(file, central_at(file, name) + 8, b"\x01\x00")


def pack_otherwise(file: Path, name: str) -> None:
    patch(file, central_at(file, name) + 10, struct.pack("<H", 99))


def ask_for_a_later_zip(file: Path, name: str) -> None:
    patch(file, central_at(file, name) + 6, struct.pack("<H", 255))


def break_the_name(file: Path, name: str) -> None:
    at = central_at(file, name)
    patch(file, at + 8, struct.pack("<H", 0x800))
    patch(file, at + 46, b"\xff")


def place_it_beyond_the_end(file: Path, name: str) -> None:
    patch(file, central_at(file, name) + 42, struct.pack("<I", 0x7FFFFFFF))


def claim_to_be(method: int) -> Callable[[Path, str], None]:
    def change(file: Path, name: str) -> None:
        at, packed = entry_at(file, name)
        patch(file, at + 8, struct.pack("<H", method))
        patch(file, central_at(file, name) + 10, struct.pack("<H", method))
        patch(file, packed, b"\x09\x04\x05\x00" + b"\xff" * 20)

    return change


DAMAGES: dict[str, Callable[[Path, str], None]] = {
    "flipped bytes": flip_bytes,
    "a local header of another file": rename_locally,
    "an encrypted entry": encrypt,
    "an unknown compression": pack_otherwise,
    "a later version of zip": ask_for_a_later_zip,
    "a name that is not UTF-8": break_the_name,
    "a place beyond the end": place_it_beyond_the_end,
    "broken bzip2": claim_to_be(zipfile.ZIP_BZIP2),
    "broken LZMA": claim_to_be(zipfile.ZIP_LZMA),
}


@pytest.mark.parametrize("name", [MANIFEST, "job.json", "dataset.jsonl"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_request_is_one_line(request_file: Path, tmp_path: Path, damage: str, name: str) -> None:
    DAMAGES[damage](request_file, name)
    said = refused_run(request_file, tmp_path)
    assert "request.zip" in said and "carry it again" in said


def refused_run(file: Path, tmp_path: Path) -> str:
    """The one line with which the command refuses the request."""
    result = call("train", "run", file, tmp_path / "out.zip", "--folder", tmp_path / "files")
    assert result.exit_code == 1 and not (tmp_path / "out.zip").exists()
    [line] = result.stderr.splitlines()
    return str(line)


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_weights_are_one_line(tmp_path: Path, damage: str) -> None:
    weights, file = tmp_path / "adapter_model.safetensors", tmp_path / "result.zip"
    weights.write_bytes(b"\x02\0\0\0\0\0\0\0{}" + os.urandom(200))
    about = {"name": NAME, "base": "sha256:00", "dataset": "sha256:00"}
    _write(file, RESULT, about, {"adapter/adapter_model.safetensors": weights}, {"result.json": b"{}"})
    DAMAGES[damage](file, "adapter/adapter_model.safetensors")
    with pytest.raises(BadParcel, match="carry it again"):
        read_result(file, NAME, tmp_path / "there")


def test_every_flipped_byte_of_an_archive_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "result.zip"
    about = {"name": NAME, "base": "sha256:00", "dataset": "sha256:00"}
    _write(file, RESULT, about, {}, {"result.json": b"{}"})
    whole = file.read_bytes()
    for at in range(len(whole)):
        patch(file, at, bytes([whole[at] ^ 0xFF]))
        with pytest.raises(BadParcel):
            read_result(file, NAME, tmp_path / "there")
        (tmp_path / "there" / "result.json").unlink(missing_ok=True)
        file.write_bytes(whole)


JOBS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "nested too deep": lambda job: "[" * 100_000,
    "a list": lambda job: [1],
    "a recipe that is a list": lambda job: {**job, "recipe": [1]},
    "a recipe of texts": lambda job: {**job, "recipe": {"r": "x"}},
    "a base that is a list": lambda job: {**job, "base": [1]},
    "a base whose name is a list": lambda job: {**job, "base": {"name": [1]}},
    "a base that may run its code, in words": lambda job: {**job, "base": {"trust_remote_code": "yes"}},
    "a path that is a number": lambda job: {**job, "dataset": 7},
}


@pytest.mark.parametrize("kind", JOBS)
def test_a_job_that_is_none_is_one_line(request_file: Path, tmp_path: Path, kind: str) -> None:
    with zipfile.ZipFile(request_file) as archive:
        about = json.loads(archive.read(MANIFEST))["about"]
        made = JOBS[kind](json.loads(archive.read("job.json")))
    job = made if isinstance(made, str) else json.dumps(made)
    _write(request_file, REQUEST, about, {"dataset.jsonl": tmp_path / "dataset.jsonl"}, {"job.json": job.encode()})
    assert "asks for no training that can be read" in refused_run(request_file, tmp_path)


RESULTS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "nested too deep": lambda told: "[" * 100_000,
    "a list": lambda told: [1],
    "steps that are no number": lambda told: {**told, "steps": "many"},
    "reasons that are a list": lambda told: {**told, "reasons": [1]},
    "an error": lambda told: {"error": "no memory"},
}


@pytest.mark.parametrize("kind", RESULTS)
def test_a_result_that_is_none_is_one_line(tmp_path: Path, kind: str) -> None:
    told = vars(TrainingResult(tmp_path, "sha256:1", "sha256:2", "sha256:3", 1.0, 1, 1, 0, 1, 1, 0.5, "cpu", {}))
    made = RESULTS[kind]({key: value for key, value in told.items() if key != "adapter"})
    content = made if isinstance(made, str) else json.dumps(made)
    file, about = tmp_path / "result.zip", {"name": NAME, "base": "sha256:00", "dataset": "sha256:00"}
    weights = {"adapter/adapter_model.safetensors": b"\x02\0\0\0\0\0\0\0{}"}
    _write(file, RESULT, about, {}, {"result.json": content.encode(), **weights})
    with pytest.raises(BadParcel, match=r"the result in .* cannot be read"):
        read_result(file, NAME, tmp_path / "there")


def test_a_job_with_fields_of_other_types_is_refused_in_its_folder_too(tmp_path: Path) -> None:
    job = TrainingJobSpec(tmp_path, tmp_path / "dataset.jsonl")
    (tmp_path / "job.json").write_text(json.dumps(job.to_json()))
    assert TrainingJobSpec.read(tmp_path) == replace(job, dataset=tmp_path / "dataset.jsonl")
    (tmp_path / "job.json").write_text(json.dumps({**job.to_json(), "base": {"revision": 3}}))
    with pytest.raises(TrainingError, match=r"job\.json cannot be read"):
        TrainingJobSpec.read(tmp_path)


def test_a_pipe_is_no_archive_and_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "request.zip"
    os.mkfifo(pipe)
    assert "request.zip: a pipe is no plain file; give a file" in refused_run(pipe, tmp_path)
