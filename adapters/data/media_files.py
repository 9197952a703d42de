"""The pictures of a dataset, as files in a folder beside it: each is named by the content key in its marks.

``index.json`` has the SHA-256 of each file by its key, and the name of a file is that hash, so a changed file is found.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ...domain.errors import InvalidExamples
from ...domain.page.media import BadMedia, keys_in_messages, read_url, write_url

if TYPE_CHECKING:
    from .examples import Example

FOLDER = "media"
"""The folder's name, beside the dataset's file."""
INDEX = "index.json"


def keys_in_examples(examples: Iterable[Example]) -> list[str]:
    """The content keys of all that the examples' prompts show, each once."""
    return list(dict.fromkeys(key for example in examples for key in keys_in_messages(example.messages)))


def write_media(folder: Path, media: Mapping[str, str]) -> None:
    """Write the pictures and sounds, given as ``data:`` URLs by their keys, in place of what the folder held.

    Nothing is left of the folder where there are none. Raises ``BadMedia``, ``OSError``.
    """
    shutil.rmtree(folder, ignore_errors=True)
    if not media:
        return
    folder.mkdir(parents=True)
    index = {}
    for key, url in media.items():
        data = read_url(url)[1]
        index[key] = hashlib.sha256(data).hexdigest()
        (folder / index[key]).write_bytes(data)
    (folder / INDEX).write_text(json.dumps(index, indent=1), encoding="utf-8")


def read_media(folder: Path, keys: Collection[str]) -> dict[str, str]:
    """What the keys stand for, as ``data:`` URLs. Raises ``InvalidExamples`` where a file is missing or was changed."""
    if not keys:
        return {}
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        return {key: _read(folder / str(index[key]), str(index[key])) for key in keys}
    except KeyError as error:
        raise InvalidExamples(f"{folder} lacks the picture {error.args[0]} of the dataset") from None
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise InvalidExamples(f"the dataset's pictures in {folder} cannot be read: {error}") from error


def _read(file: Path, digest: str) -> str:
    data = file.read_bytes()
    if hashlib.sha256(data).hexdigest() != digest:
        raise InvalidExamples(f"{file} was changed: it does not have the hash in its name")
    try:
        return write_url(data)
    except BadMedia as error:
        raise InvalidExamples(f"{file} is not one of the dataset's pictures: {error}") from None
