"""Rows that the ``datasets`` library saved to a folder, or loads from the Hugging Face Hub.

The library guesses the types of CSV cells, so that 02134 becomes 2134. A set on the Hub that consists of CSV files is
refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ....domain.errors import InvalidExamples
from .documents import Row, Rows
from .reasons import explain, quote

HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
GUESSING = ("csv", "pandas", "text")
"""Builders that change the cells of the files."""


def is_saved(path: Path) -> bool:
    """Whether ``save_to_disk`` wrote the folder."""
    return (path / "state.json").exists() or (path / "dataset_dict.json").exists()


def read_saved(path: Path) -> Rows:
    """The rows of a saved set: the split ``train`` where there is one, else all. Raises ``InvalidExamples``."""
    return _read(path.name, lambda library: library.load_from_disk(str(path)))


def read_hub(name: str) -> Rows:
    """The rows of the set of that name on the Hub: the split ``train`` where there is one, else all. Raises
    ``InvalidExamples``."""
    return _read(name, lambda library: library.load_dataset(name))


def _read(name: str, load: Any) -> Rows:
    import datasets  # type: ignore[import-untyped]

    try:
        loaded = load(datasets)
        splits = loaded if isinstance(loaded, Mapping) else {"train": loaded}
        chosen = [splits["train"]] if "train" in splits else list(splits.values())
        builders = {split.info.builder_name for split in chosen}
        license = next((split.info.license for split in chosen if split.info.license), None)
    except Exception as error:  # of the library, and of the network libraries that it uses
        raise _load_error(name, error) from error
    if builders & {*GUESSING}:
        raise InvalidExamples(
            f"{quote(name)} is made of CSV files, whose cells would be guessed; download them and import the folder"
        )
    return Rows(_rows(chosen, name), license if isinstance(license, str) else None)


def _rows(splits: list[Any], name: str) -> Iterator[Row]:
    number = 0
    try:
        for split in splits:
            for row in split:
                number += 1
                yield Row(f"{quote(name)} row {number}", row)
    except Exception as error:  # a picture without its library, a damaged file
        raise _load_error(name, error) from error


def _load_error(name: str, error: Exception) -> InvalidExamples:
    return InvalidExamples(f"{quote(name)} cannot be loaded: {explain(error)}")
