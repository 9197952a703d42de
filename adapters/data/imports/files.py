"""Rows of a file or folder, by the suffix: ``.jsonl``, ``.ndjson``, ``.json``, ``.csv``, ``.tsv``, ``.parquet``,
``.arrow`` or ``.toon``, in any case, each also compressed as ``.gz``."""

from __future__ import annotations

import codecs
import gzip
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from ....domain.errors import InvalidExamples
from ..plain_files import read_plain, read_plain_text
from .documents import Row, Rows, read_json
from .pictures import load_pictures
from .reasons import LONGEST_PATH, LeftOut, explain, quote
from .tables import read_arrow, read_csv, read_parquet, read_tsv
from .toon import read_toon

TEXTS: dict[str, Callable[[str, str], Rows]] = {
    ".jsonl": read_json,
    ".ndjson": read_json,
    ".json": read_json,
    ".csv": read_csv,
    ".tsv": read_tsv,
    ".toon": read_toon,
}
BINARIES: dict[str, Callable[[bytes, str], Rows]] = {".parquet": read_parquet, ".arrow": read_arrow}
ENDS = (*TEXTS, *BINARIES)
PACKED = ".gz"

_DESCRIPTIONS = ("dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json")
"""Files of the ``datasets`` library that describe a set and hold no rows."""
_TRAIN = re.compile(r"(?<![a-z])train(?![a-z])")
_LICENSE = re.compile(r"^licen[sc]e:[ \t]*(\S.*)$", re.MULTILINE)


def find_end(path: Path) -> str:
    """The suffix that names the format, without ``.gz``."""
    name = path.name.lower().removesuffix(PACKED)
    return Path(name).suffix


def read_file(path: Path, name: str | None = None) -> Rows:
    """The rows of the file, under the name for messages. Raises ``InvalidExamples`` when it cannot be read."""
    name, end = name or quote(path.name), find_end(path)
    if end not in ENDS:
        raise InvalidExamples(
            f"{quote(path, LONGEST_PATH)} cannot be loaded: a file ends with {', '.join(ENDS)}, or one of these and {PACKED}"
        )
    try:
        content = read_plain(path)
        if path.name.lower().endswith(PACKED):
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidExamples(f"{quote(path, LONGEST_PATH)} cannot be read: {explain(error)}") from error
    read = BINARIES[end](content, name) if end in BINARIES else TEXTS[end](_decode(content, name), name)
    return Rows(_with_pictures(read.rows, path.parent), read.license)


def _with_pictures(rows: Iterator[Row], folder: Path) -> Iterator[Row]:
    """The rows with the pictures that lie beside them."""
    for place, value in rows:
        try:
            yield Row(place, load_pictures(value, folder))
        except LeftOut as why:
            yield Row(place, why)


def read_folder(path: Path) -> Rows:
    """The rows of the folder's files, in the order of their names; only of the split ``train`` where there is one."""
    files = [file for file in sorted(path.rglob("*")) if file.is_file() and find_end(file) in ENDS]
    files = [file for file in files if file.name not in _DESCRIPTIONS and not _is_hidden(file.relative_to(path))]
    train = [file for file in files if _TRAIN.search(str(file.relative_to(path)).lower())]
    if not files:
        raise InvalidExamples(
            f"folder {quote(path, LONGEST_PATH)} cannot be loaded: no file in it ends with {', '.join(ENDS)}"
        )
    return Rows(_chain(path, train or files), _card_license(path))


def _chain(folder: Path, files: list[Path]) -> Iterator[Row]:
    for file in files:
        yield from read_file(file, quote(file.relative_to(folder))).rows


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _card_license(folder: Path) -> str | None:
    """The license in the head of a dataset card, the folder's README.md."""
    try:
        before, head, *_ = read_plain_text(folder / "README.md").split("---\n", 2)
    except (OSError, ValueError):
        return None
    license = _LICENSE.search(head) if not before else None
    return license[1].strip().strip("\"'") if license else None


def _decode(content: bytes, name: str) -> str:
    """The text. Raises ``InvalidExamples`` with the line that is not UTF-8."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise InvalidExamples(f"{name} is UTF-16; save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InvalidExamples(f"{name} line {line} is not UTF-8: {error.reason}; save it as UTF-8") from error
