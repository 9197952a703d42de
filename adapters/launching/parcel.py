"""Trainings that people carry: one archive takes a training to a machine without a connection, another brings the weights
home. Everything in an archive is checked by its hash, and nothing is unpacked that an archive of this kind does not have.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import os
import re
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import IO, Any
from uuid import UUID

from ...domain.errors import GrokputerError, TrainingError
from ...domain.ports import Progress
from ..data.examples import dataset_hash, read_examples
from ..data.media_files import FOLDER, INDEX
from ..data.plain_files import open_plain
from ..registry.files import require_new
from ..registry.local import hash_directory
from ..serving.base_model import Base
from ..training.job import TrainingJobSpec, TrainingResult
from ..training.process import train

MANIFEST = "manifest.json"
"""The archive's first file: what it is, and the SHA-256 of every other file."""
REQUEST, RESULT = "grokputer training request 1", "grokputer training result 1"
"""The kinds of archives, with the version of their form."""

MOST_BYTES = 8_000_000_000
"""Of an unpacked archive: pictures of a dataset, or an adapter of a large base; chosen."""
MOST_FILES = 100_000
"""Of an archive; chosen."""
MOST_MANIFEST_BYTES = 20_000_000
BLOCK = 1 << 20
DIGITS = 12
"""Of a request's digest, in the name of its folder."""

_OF_A_ZIP = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, struct.error, OverflowError, KeyError, MemoryError),
    ValueError,  # names that are not UTF-8
    RuntimeError,  # an entry that is encrypted; ``NotImplementedError`` for a compression or version that zipfile lacks
    OSError,  # broken bzip2, and places that no file has
)
"""All errors of reading an archive that is damaged, or made to do harm."""

_WEIGHTS = r"(adapter_model\.safetensors|adapter_config\.json|reference\.json)"
_NAMES = {
    REQUEST: re.compile(rf"job\.json|dataset\.jsonl|{FOLDER}/({re.escape(INDEX)}|[0-9a-f]{{64}})|parent/{_WEIGHTS}"),
    RESULT: re.compile(rf"result\.json|adapter/{_WEIGHTS}"),
}
"""The only files that an archive of each kind may have."""


class BadParcel(GrokputerError):
    """An archive that is not one of a training, was changed, or belongs to another training."""


def write_request(file: Path, spec: TrainingJobSpec, name: str, base: str, dataset: str) -> None:
    """Write the request: job, dataset with its pictures, and the weights that it continues from.

    ``name`` is the attempt's, ``base`` the fingerprint of the base and ``dataset`` the hash of the dataset. The same
    training makes the same bytes.
    """
    files = {"dataset.jsonl": spec.dataset}
    media = sorted(spec.media.iterdir()) if spec.media.is_dir() else []
    files |= {f"{FOLDER}/{each.name}": each for each in media}
    if spec.parent is not None:
        files |= {f"parent/{each.name}": each for each in sorted(spec.parent.iterdir()) if each.name != "SHA256SUMS"}
    moved = replace(spec, directory=Path("job"), dataset=Path("dataset.jsonl"))
    if spec.parent is not None:
        moved = replace(moved, parent=Path("parent"))
    job = json.dumps(moved.to_json(), indent=1).encode()
    _write(file, REQUEST, {"name": name, "base": base, "dataset": dataset}, files, {"job.json": job})


def run_request(
    file: Path,
    out: Path,
    folder: Path,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    say: Callable[[str], None] = lambda line: None,
) -> TrainingResult:
    """Train what the request asks for in the folder, and write the result. A training that was cut off continues from its
    last checkpoint there. Each request has a folder of its own in it, so no other one is in its way.

    Raises ``BadParcel``, also where the base here is another one, ``NotPossible`` where ``out`` exists, ``TrainingError``
    and ``TrainingInterrupted``.
    """
    require_new(out)
    about = read_about(file, REQUEST)
    place = folder / f"{_plain(about['name'])}-{_digest(file, REQUEST)[:DIGITS]}"
    if (place / "unpacked").exists():
        check(file, REQUEST)
    else:
        shutil.rmtree(place, ignore_errors=True)
        unpack(file, REQUEST, place)
        (place / "job").mkdir()
        (place / "job.json").rename(place / "job" / "job.json")
        (place / "unpacked").touch()
    parent = place / "parent"
    try:
        asked = TrainingJobSpec.read(place / "job")
    except TrainingError as error:
        raise BadParcel(f"{file} asks for no training that can be read: {error}") from None
    # The job's own paths are not followed: an archive has the files that it has.
    spec = replace(
        asked,
        dataset=place / "dataset.jsonl",
        parent=parent if parent.is_dir() else None,
        report_to="none",
    )
    _check_base(spec.base, about)
    if dataset_hash(read_examples(spec.dataset)) != about["dataset"]:
        raise BadParcel(
            f"the dataset in {place} is not the one that was recorded; remove this folder and run the request again"
        )
    result = train(spec, on_progress, say=say)
    write_result(out, result, about["name"])
    return result


def write_result(file: Path, result: TrainingResult, name: str) -> None:
    """Write the result of the attempt of this name."""
    files = {f"adapter/{each.name}": each for each in sorted(result.adapter.iterdir())}
    told = {key: value for key, value in asdict(result).items() if key != "adapter"}
    about = {"name": name, "base": result.base_fingerprint, "dataset": result.dataset_hash}
    _write(file, RESULT, about, files, {"result.json": json.dumps(told, indent=1).encode()})


def read_result(file: Path, name: str, folder: Path) -> TrainingResult:
    """The result in the archive, unpacked into the folder. Raises ``BadParcel`` unless it is that of the attempt of this
    name, whole, with weights in safetensors alone."""
    about = read_about(file, RESULT)
    if about["name"] != name:
        raise BadParcel(
            f"{file} is the result of {_plain(about['name'])}, not of {name}; give the result of this training"
        )
    unpack(file, RESULT, folder)
    weights = folder / "adapter" / "adapter_model.safetensors"
    if not weights.is_file() or not is_safetensors(weights):
        raise BadParcel(f"{file} has no weights in safetensors")
    try:
        result = TrainingResult.read(folder)
    except TrainingError as error:
        raise BadParcel(f"the result in {file} cannot be read: {error}") from None
    if result is None:
        raise BadParcel(f"{file} has no result; carry it again")
    if hash_directory(result.adapter) != result.adapter_hash:
        raise BadParcel(f"the weights in {file} are not those that were trained; carry the file again")
    return result


def read_about(file: Path, kind: str) -> dict[str, str]:
    """What the archive says of itself: ``name``, ``base`` and ``dataset``. Raises ``BadParcel`` for another kind of file."""
    with _open(file) as archive:
        about = _manifest(file, archive, kind)["about"]
    if not isinstance(about, dict) or not all(isinstance(about.get(key), str) for key in ("name", "base", "dataset")):
        raise BadParcel(f"{file} does not say which training it is of")
    return {key: about[key] for key in ("name", "base", "dataset")}


def unpack(file: Path, kind: str, folder: Path) -> None:
    """Unpack the archive into the folder, each file checked by its hash while it is read.

    Raises ``BadParcel`` before anything is written for a file that such an archive does not have, such as a path out of the
    folder, and for more bytes than allowed; then for a file that differs from its hash.
    """
    _read_all(file, kind, partial(_create, folder))


def check(file: Path, kind: str) -> None:
    """Raise ``BadParcel`` where ``unpack`` would. Nothing is written."""
    _read_all(file, kind, _open_nowhere)


def _open_nowhere(name: str) -> IO[bytes]:
    return Path(os.devnull).open("wb")


def _create(folder: Path, name: str) -> IO[bytes]:
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    return target.open("xb")


def _read_all(file: Path, kind: str, open_target: Callable[[str], IO[bytes]]) -> None:
    """Read each file of the archive into what ``open_target`` opens for its name."""
    with _open(file) as archive:
        hashes = _manifest(file, archive, kind)["files"]
        entries = {entry.filename: entry for entry in archive.infolist() if entry.filename != MANIFEST}
        _check_entries(file, kind, archive.infolist(), entries, hashes)
        for name, entry in entries.items():
            with _entry_of(file, archive, entry) as source, open_target(name) as written:
                digest = _copy(file, source, written, entry.file_size)
            if digest != hashes[name]:
                raise BadParcel(
                    f"{name} in {file} was changed: it does not have the hash of the manifest; carry it again"
                )


def is_safetensors(file: Path) -> bool:
    """Whether the file has the header of safetensors: its length in 8 bytes, then a JSON object."""
    with file.open("rb") as stream:
        start = stream.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 2 <= length <= min(100_000_000, file.stat().st_size - 8):
            return False
        try:
            return isinstance(json.loads(stream.read(length)), dict)
        except (ValueError, RecursionError):
            return False


@contextmanager
def _open(file: Path) -> Iterator[zipfile.ZipFile]:
    """The archive. Raises ``BadParcel`` for what is none, and ``OSError`` where there is no plain file."""
    with open_plain(file) as stream:
        with _reading(file, "is not a whole zip archive"):
            archive = zipfile.ZipFile(stream)
        with archive:
            yield archive


@contextmanager
def _reading(file: Path, what: str = "is damaged") -> Iterator[None]:
    """Turn the errors of reading an archive into ``BadParcel``. Nothing else may happen inside."""
    try:
        yield
    except _OF_A_ZIP as error:
        raise BadParcel(f"{file} {what} ({str(error) or type(error).__name__}); carry it again") from None


def _entry_of(file: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> IO[bytes]:
    with _reading(file):
        return archive.open(entry)


def _manifest(file: Path, archive: zipfile.ZipFile, kind: str) -> dict[str, Any]:
    with _reading(file, "is no archive of a training: it has no manifest that can be read"):
        entry = archive.getinfo(MANIFEST)
        if entry.file_size > MOST_MANIFEST_BYTES:
            raise BadParcel(f"the manifest of {file} is larger than {MOST_MANIFEST_BYTES} bytes")
        with archive.open(entry) as stream:
            manifest = json.loads(stream.read(MOST_MANIFEST_BYTES))
    if not isinstance(manifest, dict) or manifest.get("kind") != kind or not isinstance(manifest.get("files"), dict):
        raise BadParcel(f"{file} is not a {kind[:-2].removeprefix('grokputer ')} of this version")
    return manifest


def _digest(file: Path, kind: str) -> str:
    """The hash, hex, of all that the manifest says; that of each file is in it."""
    with _open(file) as archive:
        manifest = _manifest(file, archive, kind)
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def _check_entries(
    file: Path,
    kind: str,
    listed: list[zipfile.ZipInfo],
    entries: Mapping[str, zipfile.ZipInfo],
    hashes: Mapping[str, object],
) -> None:
    for name in entries:
        if not _NAMES[kind].fullmatch(name):
            raise BadParcel(
                f"{file} has the file {name[:100]!r}, which such an archive does not have; nothing was unpacked"
            )
    if len(entries) + 1 != len(listed) or entries.keys() != hashes.keys() or len(listed) > MOST_FILES:
        raise BadParcel(f"{file} does not have just the files of its manifest; carry it again")
    if (size := sum(entry.file_size for entry in entries.values())) > MOST_BYTES:
        raise BadParcel(f"{file} would have {size / 1e9:.1f} GB unpacked; at most {MOST_BYTES / 1e9:g} GB are taken")


def _copy(file: Path, source: IO[bytes], target: IO[bytes], size: int) -> str:
    """Copy the entry and return its SHA-256. Not a byte more than its declared size is read."""
    digest, left = hashlib.sha256(), size
    while True:
        with _reading(file):
            block = source.read(min(BLOCK, left + 1))
        if not block:
            return digest.hexdigest()
        left -= len(block)
        if left < 0:
            raise BadParcel(f"{file} has a file that is larger than it says; nothing of it is taken")
        digest.update(block)
        target.write(block)


def _write(file: Path, kind: str, about: dict[str, str], files: Mapping[str, Path], texts: Mapping[str, bytes]) -> None:
    """Write the archive, whole or not at all."""
    hashes = {name: hashlib.sha256(text).hexdigest() for name, text in texts.items()}
    for name, path in files.items():
        with path.open("rb") as stream:
            hashes[name] = hashlib.file_digest(stream, "sha256").hexdigest()
    manifest = json.dumps({"kind": kind, "about": about, "files": hashes}, indent=1).encode()
    aside = file.with_name(f".{file.name}.aside")
    try:
        with zipfile.ZipFile(aside, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in {MANIFEST: manifest, **texts}.items():
                archive.writestr(_entry(name), text)
            for name, path in files.items():
                with path.open("rb") as source, archive.open(_entry(name), "w", force_zip64=True) as target:
                    shutil.copyfileobj(source, target, BLOCK)
        os.replace(aside, file)
    finally:
        aside.unlink(missing_ok=True)


def _entry(name: str) -> zipfile.ZipInfo:
    """An entry without a time of its own, so that the same training makes the same bytes."""
    entry = zipfile.ZipInfo(name)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o600 << 16
    return entry


def _check_base(base: Base, about: Mapping[str, str]) -> None:
    if base.trust_remote_code:
        raise BadParcel("the request's base runs code that comes with it, and a file that is carried may not say so")
    if problem := base.complain():
        raise BadParcel(problem)
    if (here := base.fingerprint()) != about["base"]:
        raise BadParcel(
            f"the request is for the base {about['base'][:26]}, and the base here is {here[:26]}; install the same version of "
            "the program, and put the same model at the same place"
        )


def _plain(name: str) -> str:
    """The name of an attempt. Raises ``BadParcel`` for any other text: it names a folder."""
    if not re.fullmatch(r"grokputer-[0-9a-f]{32}(-[0-9a-f]{12})?-\d{1,6}", name):
        raise BadParcel(f"{name[:80]!r} is not the name of a training")
    return name


def training_of(name: str) -> UUID:
    """The training that an attempt of this name belongs to. Raises ``BadParcel`` for any other text."""
    return UUID(_plain(name).split("-")[1])
