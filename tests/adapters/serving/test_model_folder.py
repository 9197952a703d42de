"""The check of a model's folder: what is missing or cut off is said in a line, before any library is loaded."""

from __future__ import annotations

import json
import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from grokputer.adapters.serving.base_model import EMBEDDED, Base
from grokputer.adapters.serving.model_folder import complain_of_folder, count_parameters, has_template


@pytest.fixture
def folder(tiny_base: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_base, tmp_path / "base"))


def test_a_whole_model_has_no_fault(tiny_base: Path) -> None:
    assert complain_of_folder(tiny_base) == complain_of_folder(EMBEDDED) == ""


def remove(*names: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return damage


def write(name: str, content: bytes) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return damage


def pickle(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def pack(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-q4.gguf")


def shorten(folder: Path) -> None:
    file = folder / "model.safetensors"
    os.truncate(file, file.stat().st_size - 1)


def shard(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


HEADER = json.dumps({"a": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}).encode()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (remove("config.json"), "lacks config.json"),
        (remove("model.safetensors"), "lacks *.safetensors"),
        (remove("tokenizer.json", "tokenizer_config.json"), "lacks a tokenizer (tokenizer.json)"),
        (remove("config.json", "model.safetensors"), "lacks config.json and *.safetensors"),
        (write("config.json", b"{"), "has a config.json that is no JSON object"),
        (pickle, "holds its weights as pickles alone, which can run code; only safetensors are read, so convert it"),
        (pack, "holds GGUF files; name one of them instead of the folder"),
        (shorten, "bytes) model.safetensors"),
        (shard, "lacks model-00002-of-00002.safetensors of its weights"),
        (write("model.safetensors", b"abc"), "has the truncated file model.safetensors"),
        (write("model.safetensors", struct.pack("<Q", 100) + b"{"), "has the truncated file model.safetensors"),
        (
            write("model.safetensors", struct.pack("<Q", len(HEADER)) + HEADER + b"123"),
            f"has the truncated file ({11 + len(HEADER)} of {12 + len(HEADER)} bytes) model.safetensors",
        ),
        (write("model.safetensors", b"\xff" * 50), "has the damaged file model.safetensors"),
        (write("model.safetensors", struct.pack("<Q", 4) + b"[1]]"), "has the damaged file model.safetensors"),
        (write("model.safetensors", b"version https://git-lfs.github.com/spec/v1\noid sha256:1"), "run 'git lfs pull'"),
    ],
)
def test_a_missing_or_damaged_file_of_a_model_folder_is_named(
    folder: Path, damage: Callable[[Path], None], words: str
) -> None:
    damage(folder)
    found = complain_of_folder(folder)
    assert words in found
    assert "\n" not in found


def test_a_template_is_found_in_any_of_its_places(folder: Path) -> None:
    assert has_template(folder)
    text = (folder / "chat_template.jinja").read_text(encoding="utf-8")
    (folder / "chat_template.jinja").unlink()
    assert not has_template(folder)
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": text}))
    assert has_template(folder)


def test_parameters_are_counted_without_reading_weights(tiny_base: Path, tmp_path: Path) -> None:
    model, _ = Base(str(tiny_base), quantization="none").load()
    assert Base(str(tiny_base)).count_parameters() == model.num_parameters()
    assert 4e6 < (Base().count_parameters() or 0) < 6e6
    assert Base("org/not-downloaded").count_parameters() is None
    assert count_parameters(tmp_path) is None
    (tmp_path / "model.safetensors").write_bytes(b"\xff" * 64)
    assert count_parameters(tmp_path) is None
