"""A set from outside, read whole: its usable examples, each once, and the reasons for the rows left out."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from ....domain.errors import InvalidExamples
from ..examples import Example
from ..selection import Selection, name_prompt
from .documents import Rows
from .files import ENDS, find_end, read_file, read_folder
from .forms import RowRead, read_row
from .library import HUB_NAME, is_saved, read_hub, read_saved
from .pictures import Pictures
from .reasons import LONGEST_PATH, LeftOut, Tally, quote

UNKNOWN = "unknown"
"""The license of a set that states none."""
LONGEST_LICENSE = 200
"""Characters; chosen: far more than the longest license name."""


@dataclass(frozen=True)
class PublicSet:
    """The set under the name that it is known by."""

    name: str
    form: str
    """One of ``alpaca``, ``dolly``, ``messages``, ``sharegpt``, ``examples``, ``prompt-completion``, ``preference``, ``kto``,
    or several with commas between."""
    examples: tuple[Example, ...]
    reasons: Mapping[str, int]
    """Rows that were left out, by reason."""
    first: Mapping[str, tuple[str, ...]]
    """By reason, the first rows left out: place and details each."""
    unread: Mapping[str, int] = field(default_factory=dict)
    """Keys with a value that were not read, and in how many rows."""
    license: str = UNKNOWN
    """The license as stated in the set's own metadata."""
    media: Mapping[str, str] = field(default_factory=dict)
    """The pictures and sounds of the examples, as ``data:`` URLs by the SHA-256 in their marks."""

    @property
    def left_out(self) -> int:
        """Rows without a usable example."""
        return sum(self.reasons.values())


def read_public(where: str, role: str, limit: int | None = None) -> PublicSet:
    """The set at a path, or of that name on the Hugging Face Hub, for trainings of the role; at most the first ``limit``.

    A row that cannot be used is left out and counted by reason. Raises ``InvalidExamples`` when the file cannot be
    read, and when no row is usable, with the reason of the first.
    """
    forms: dict[str, None] = {}
    unread: Counter[str] = Counter()
    selection, tally, pictures = Selection(), Tally(), Pictures()
    examples: list[Example] = []
    source, rows = _open(where), 0
    for place, value in source.rows:
        if limit is not None and len(examples) >= limit:
            break
        rows += 1
        try:
            read = _read(value, pictures)
        except LeftOut as why:
            tally.add(why.reason, place, why.detail)
            continue
        new = selection.take(_import(example, role) for example in read.examples)
        if not new:
            tally.add("repeated", place, "repeats an earlier row")
        forms.setdefault(read.form)
        unread.update(set(read.unread))
        examples += new
    if not examples:
        first = next((lines[0] for lines in tally.first.values()), "a row needs a question and an answer")
        raise InvalidExamples(
            f"{quote(where, LONGEST_PATH)} holds no usable example in {rows} row{'' if rows == 1 else 's'}: {first}"
        )
    return PublicSet(
        _name(where),
        ", ".join(forms),
        tuple(examples[:limit]),
        tally.counts,
        tally.first,
        dict(unread),
        _license(source.license),
        pictures.by_digest,
    )


def _read(value: object, pictures: Pictures) -> RowRead:
    if isinstance(value, LeftOut):
        raise value
    try:
        return read_row(pictures.settle(value))
    except RecursionError:
        raise LeftOut("damaged", "is nested too deep to be read") from None


def _import(example: Example, role: str) -> Example:
    key = f"public#{hashlib.sha256(name_prompt(example).encode()).hexdigest()}"
    return replace(example, source="public", role=role, instance=key)


def _open(where: str) -> Rows:
    path = Path(where)
    try:
        is_there, is_folder = bool(where) and path.exists(), bool(where) and path.is_dir()
    except (OSError, ValueError):  # a name that is too long, or has a NUL
        is_there = is_folder = False
    if is_folder:
        return read_saved(path) if is_saved(path) else read_folder(path)
    if is_there:
        return read_file(path)
    if HUB_NAME.fullmatch(where) and find_end(path) not in ENDS:
        return read_hub(where)
    raise InvalidExamples(
        f"there is no {quote(where, LONGEST_PATH)}; give a file, a folder, or owner/name of a set on the Hugging Face Hub"
    )


def _license(license: str | None) -> str:
    """The license as one line, cut to ``LONGEST_LICENSE`` where the metadata holds the whole terms."""
    words = " ".join((license or "").split()).encode("utf-8", "replace").decode()
    return words[:LONGEST_LICENSE] or UNKNOWN


def _name(where: str) -> str:
    """The name of the file or folder, or the name on the Hub. Bytes that are not Unicode become question marks."""
    name = Path(where).resolve().name if Path(where).exists() else where
    return name.encode("utf-8", "replace").decode()
