"""Weights lie under their own hash, are never changed, and are checked whenever they are asked for."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from grokputer.adapters.registry.local import WeightStore, hash_directory
from grokputer.domain.errors import DamagedWeights


def weights(directory: Path, content: bytes = b"tensors") -> Path:
    directory.mkdir()
    (directory / "adapter_model.safetensors").write_bytes(content)
    (directory / "adapter_config.json").write_text("{}")
    return directory


def add(root: Path, directory: Path) -> str:
    return WeightStore(root).put(directory).hash


def test_stored_weights_come_back_under_their_hash(tmp_path: Path) -> None:
    store = WeightStore(tmp_path / "store")
    ref = store.put(weights(tmp_path / "new"))
    assert ref.hash == hash_directory(tmp_path / "new")
    assert ref.size == len(b"tensors") + len("{}")
    assert (store.path(ref.hash) / "adapter_model.safetensors").read_bytes() == b"tensors"


def test_adding_twice_changes_nothing(tmp_path: Path) -> None:
    store = WeightStore(tmp_path / "store")
    first = store.put(weights(tmp_path / "new"))
    assert store.put(tmp_path / "new") == first
    assert store.put(store.path(first.hash)) == first
    assert [entry.name for entry in store.root.iterdir()] == [first.hash.removeprefix("sha256:")]


def test_other_bytes_and_other_names_give_other_hashes(tmp_path: Path) -> None:
    one, other, renamed = (
        weights(tmp_path / "one"),
        weights(tmp_path / "other", b"tensorz"),
        weights(tmp_path / "renamed"),
    )
    (renamed / "adapter_config.json").rename(renamed / "config.json")
    assert len({hash_directory(one), hash_directory(other), hash_directory(renamed)}) == 3


def test_processes_that_add_the_same_weights_at_once_agree(tmp_path: Path) -> None:
    new = weights(tmp_path / "new", b"t" * 1_000_000)
    with ProcessPoolExecutor(4) as processes:
        hashes = set(processes.map(add, [tmp_path / "store"] * 16, [new] * 16))
    assert len(hashes) == 1
    store = WeightStore(tmp_path / "store")
    assert store.path(hashes.pop()).is_dir()
    assert len(list(store.root.iterdir())) == 1


@pytest.mark.parametrize("damage", ["change", "truncate", "remove", "add", "sums"])
def test_damage_is_one_line_that_names_hash_and_file(tmp_path: Path, damage: str) -> None:
    store = WeightStore(tmp_path / "store")
    ref = store.put(weights(tmp_path / "new"))
    file = store.path(ref.hash) / {"add": "extra.json", "sums": "SHA256SUMS"}.get(damage, "adapter_model.safetensors")
    match damage:
        case "change" | "add":
            file.write_bytes(b"tensorz")
        case "truncate" | "sums":
            file.write_bytes(b"")
        case "remove":
            file.unlink()
    with pytest.raises(DamagedWeights) as refused:
        store.path(ref.hash)
    message = str(refused.value)
    assert ref.hash in message
    assert file.name in message
    assert "\n" not in message


def test_adding_again_repairs_damaged_weights(tmp_path: Path) -> None:
    store = WeightStore(tmp_path / "store")
    ref = store.put(weights(tmp_path / "new"))
    (store.path(ref.hash) / "adapter_model.safetensors").write_bytes(b"")
    assert store.put(tmp_path / "new") == ref
    assert (store.path(ref.hash) / "adapter_model.safetensors").read_bytes() == b"tensors"


@pytest.mark.parametrize("name", ["adapter_model.bin", "code.py", "weights.pt"])
def test_files_that_could_run_code_are_refused(tmp_path: Path, name: str) -> None:
    (weights(tmp_path / "new") / name).write_bytes(b"")
    with pytest.raises(DamagedWeights, match=f"{name} is refused; allowed are plain files"):
        WeightStore(tmp_path / "store").put(tmp_path / "new")
    assert not list((tmp_path / "store").iterdir())


def test_links_and_folders_are_refused(tmp_path: Path) -> None:
    (weights(tmp_path / "linked") / "secret.txt").symlink_to("/etc/hostname")
    (weights(tmp_path / "nested") / "more.json").mkdir()
    for directory in ("linked", "nested"):
        with pytest.raises(DamagedWeights, match="is refused"):
            hash_directory(tmp_path / directory)


@pytest.mark.parametrize("hash", ["lora-v1", "sha256:../../etc", "sha256:" + "g" * 64])
def test_a_text_that_is_not_a_hash_is_refused(tmp_path: Path, hash: str) -> None:
    with pytest.raises(DamagedWeights, match="it takes sha256: and 64 hexadecimal digits"):
        WeightStore(tmp_path).path(hash)


def test_weights_that_were_never_added_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(DamagedWeights, match=r"are not in .*; restore them from a backup or train again"):
        WeightStore(tmp_path).path("sha256:" + "0" * 64)


def test_stored_weights_can_be_checked_with_sha256sum(tmp_path: Path) -> None:
    store = WeightStore(tmp_path / "store")
    folder = store.path(store.put(weights(tmp_path / "new")).hash)
    sums = (folder / "SHA256SUMS").read_text().splitlines()
    by_hand = subprocess.run(
        [sys.executable, "-c", "import hashlib,sys; [print(hashlib.sha256(open(f,'rb').read()).hexdigest()+'  '+f) "
         "for f in sys.argv[1:]]", "adapter_config.json", "adapter_model.safetensors"],
        cwd=folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert by_hand.stdout.splitlines() == sums
