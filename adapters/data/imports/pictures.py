"""Pictures and sounds of rows from outside: in a message's parts, or in files beside the rows.

A part is one of OpenAI's (``image_url``, ``input_audio``) or of Hugging Face's (``image``, ``audio``), with a ``data:`` URL, or
with the path of a file in the set's own folder. A row of an image folder names its file under ``file_name``; a row of a table
may hold one under ``image``. Such a row is a question about its picture; without other words the picture is described.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from ....domain.errors import InvalidExamples
from ....domain.page.media import (
    AUDIO,
    IMAGE,
    MOST_BYTES,
    BadMedia,
    check_size,
    mark_of,
    read_url,
    without_marks,
    write_url,
)
from .reasons import LeftOut, quote

KINDS = {"image_url": IMAGE, "image": IMAGE, "input_audio": AUDIO, "audio": AUDIO}
"""The types of parts, and what they hold."""
ENDS = (".png", ".jpg", ".jpeg", ".gif", ".webp")
"""What the names of an image folder's files end with."""
CAPTIONS = ("text", "caption")
"""The keys of the words that describe a picture."""
DESCRIBE = "Describe the picture."
"""The question about a picture that has none; chosen."""
MOST_SET_BYTES = 1_000_000_000
"""Of the pictures of one set, as texts; chosen: the log keeps them."""


def load_pictures(value: Any, folder: Path) -> Any:
    """The row, with each file of the folder that it names as a ``data:`` URL. Raises ``LeftOut``."""
    if not isinstance(value, Mapping):
        return value
    row = {name: _load_parts(inner, folder) for name, inner in value.items()}
    name = row.get("file_name")
    if isinstance(name, str) and name.lower().endswith(ENDS):
        del row["file_name"]
        return _ask_about(row, _load_file(name, folder))
    image = row.get("image")
    if isinstance(image, Mapping) or (isinstance(image, str) and image.lower().endswith(ENDS) and "://" not in image):
        del row["image"]
        return _ask_about(row, _url_of(image, IMAGE, folder))
    return row  # an address is a key that was not read


def _ask_about(row: dict[str, Any], url: str) -> dict[str, Any]:
    """The row with the picture after the words of its question; its caption is the answer where it has no other."""
    part = {"type": "image_url", "image_url": {"url": url}}
    asked = next((key for key in ("messages", "prompt", "instruction", "question") if row.get(key)), None)
    if asked == "messages" and isinstance(row["messages"], list) and row["messages"]:
        first, *others = row["messages"]
        at = 1 if isinstance(first, Mapping) and first.get("role") == "system" and others else 0
        turns = list(row["messages"])
        if not isinstance(turns[at], Mapping):
            raise LeftOut("turns", "its first turn is no object")
        words = turns[at].get("content") or []
        parts = [{"type": "text", "text": words}] if isinstance(words, str) else list(words)
        turns[at] = {**turns[at], "content": [*parts, part]}
        return {**row, "messages": turns}
    words = row.pop(asked) if asked is not None else DESCRIBE
    if not isinstance(words, str):
        raise LeftOut("not text", f"{asked!r} is not text")
    caption = next((key for key in CAPTIONS if isinstance(row.get(key), str)), None)
    if caption is not None and not any(row.get(key) for key in ("completion", "output", "response", "answer")):
        row["completion"] = row.pop(caption)
    elif row.get("answer"):
        row["completion"] = row.pop("answer")
    turn = {"role": "user", "content": [{"type": "text", "text": words}, part]}
    return {**row, "prompt": [turn]}


def _load_parts(value: Any, folder: Path) -> Any:
    """The value, whose parts of messages hold ``data:`` URLs in place of names of files."""
    if isinstance(value, list):
        return [_load_parts(inner, folder) for inner in value]
    if not isinstance(value, Mapping):
        return value
    kind = KINDS.get(str(value.get("type")))
    if kind is None:
        return {name: _load_parts(inner, folder) for name, inner in value.items()}
    shown = next(
        (value[name] for name in (value["type"], "image_url", "image", "audio", "url", "path") if value.get(name)), None
    )
    if kind == AUDIO and isinstance(shown, Mapping) and isinstance(shown.get("data"), str):
        return {"type": AUDIO, "url": f"data:audio/{shown.get('format')};base64,{shown['data']}"}
    return {"type": kind, "url": _url_of(shown, kind, folder)}


def _url_of(shown: Any, kind: str, folder: Path) -> str:
    """The picture or sound as a ``data:`` URL: it is one, or bytes, or the name of a file."""
    given = shown.get("url") or shown.get("bytes") or shown.get("path") if isinstance(shown, Mapping) else shown
    try:
        if isinstance(given, bytes):
            return write_url(given, (kind,))
        if isinstance(given, str) and given[:5].lower() == "data:":
            return given
    except BadMedia as error:
        raise LeftOut("picture", f"has a picture or sound that is not taken: {error}") from None
    if not isinstance(given, str) or "://" in given.removeprefix("file://"):
        raise LeftOut(
            "picture", f"has no picture but {quote(given)}; it takes a data: URL, or a file in the set's folder"
        )
    return _load_file(given.removeprefix("file://"), folder)


def _load_file(name: str, folder: Path) -> str:
    try:
        root, path = folder.resolve(), (folder / name).resolve()
        if not path.is_relative_to(root):
            raise LeftOut("picture", f"names {quote(name)}, which is not in the set's folder")
        if path.exists() and not path.is_file():
            raise LeftOut("picture", f"names {quote(name)}, which is no file")
        with path.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
        url = write_url(content)
        check_size(content)
        return url
    except BadMedia as error:
        raise LeftOut("picture", f"names {quote(name)}: {error}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise LeftOut("picture", f"names {quote(name)}, which cannot be read: {reason}") from None


@dataclass
class Pictures:
    """The pictures and sounds of one set, as ``data:`` URLs by the SHA-256 of these."""

    by_digest: dict[str, str] = field(default_factory=dict)
    size: int = 0

    def settle(self, value: Any) -> Any:
        """The row with a mark in place of each picture; nothing else of it is a mark.

        Raises ``LeftOut``, and ``InvalidExamples`` where the set has more than ``MOST_SET_BYTES``.
        """
        if isinstance(value, str):
            return without_marks(value)
        if isinstance(value, list):
            return [self.settle(inner) for inner in value]
        if not isinstance(value, Mapping):
            return value
        if value.get("type") in (IMAGE, AUDIO) and (url := _given(value)) is not None:
            return {"type": "text", "text": f"\n{self._mark(url)}\n"}
        return {name: self.settle(inner) for name, inner in value.items()}

    def _mark(self, url: str) -> str:
        key = f"sha256:{sha256(url.encode()).hexdigest()}"
        try:
            check_size(read_url(url)[1])
        except BadMedia as error:
            raise LeftOut("picture", f"has a picture or sound that is not taken: {error}") from None
        if key not in self.by_digest:
            self.by_digest[key] = url
            self.size += len(url)
        if self.size > MOST_SET_BYTES:
            raise InvalidExamples(
                f"the set's pictures have more than {MOST_SET_BYTES / 1e9:.0f} GB; import fewer with --limit, or smaller ones"
            )
        return mark_of(url, key)


def _given(part: Mapping[str, Any]) -> str | None:
    """The ``data:`` URL of the part; None where it has none, which the reader of turns says."""
    shown = part.get("url") or part.get("image_url")
    url = shown.get("url") if isinstance(shown, Mapping) else shown
    return url if isinstance(url, str) and url[:5].lower() == "data:" else None
