"""Session files of other programs: found, read as strict JSON, and split into rows with their places."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ...adapters.data.plain_files import require_plain
from ...domain.errors import InvalidSession
from ...domain.text import show_fault

SUFFIXES = (".json", ".jsonl", ".ndjson")
"""The files that are read in a folder."""

DEEPEST = 100
"""Most levels of lists and objects in a session; chosen: far more than any log has, far fewer than Python's limit."""

SHOWN = 60
"""Characters of a refused value that a message shows."""


class Decimal(float):
    """A number with a fraction or exponent, or ``NaN`` or an infinity, with its text in the file."""

    text: str

    def __new__(cls, text: str) -> Decimal:
        """The number, with its text."""
        number = super().__new__(cls, text)
        number.text = text
        return number


def read_rows(paths: Sequence[Path]) -> Iterator[tuple[str, Any]]:
    """Each session of the files, and of all files below folders, in order, with its place.

    Raises ``InvalidSession`` for a file that is not JSON or not UTF-8, repeats a key, or is nested too deep.
    """
    for path in paths:
        for file in _files(path):
            rows = _read(file)
            if not rows:
                raise InvalidSession(f"{file} holds no session; an object with a task is one")
            for where, row in rows:
                _check(where, row)
                yield where, row


def show_value(value: Any) -> str:
    """The value as JSON on one line, cut where it is long, with unprintable characters escaped."""
    text = value.text if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False, default=str)
    return escape(f"{text[:SHOWN]}…" if len(text) > SHOWN else text)


def escape(text: str) -> str:
    """The text with unprintable characters escaped."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


def _files(path: Path) -> list[Path]:
    if path.exists():
        require_plain(path)
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise InvalidSession(f"there is no {path}; give a session.json, a folder of them, or JSON Lines of sessions")
    files = sorted(file for file in path.rglob("*") if file.suffix in SUFFIXES and file.is_file())
    if not files:
        raise InvalidSession(f"{path} holds no session; it needs files that end with {', '.join(SUFFIXES)}")
    return files


def _read(file: Path) -> list[tuple[str, Any]]:
    """The file's rows: the lines of JSON Lines, or the items of one JSON list, or the one session."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidSession(f"{file} is not UTF-8: {error}") from None
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if file.suffix != ".json" and lines:
        first = _try(lines[0][1])
        is_one = isinstance(first, ValueError) and not isinstance(_try(text), ValueError)
        if not is_one and not (isinstance(first, list) and len(lines) == 1):
            return [(f"{file} line {number}", _parse(f"{file} line {number}", line)) for number, line in lines]
    if not lines:
        return []
    document = _parse(str(file), text)
    rows = document if isinstance(document, list) else [document]
    return [(f"{file} session {number}" if len(rows) > 1 else str(file), row) for number, row in enumerate(rows, 1)]


def _try(text: str) -> Any:
    """The JSON value, or the error."""
    try:
        return _parse("", text)
    except ValueError as error:
        return error


def _parse(where: str, text: str) -> Any:
    try:
        return json.loads(
            text, parse_float=Decimal, parse_constant=Decimal, parse_int=_whole, object_pairs_hook=_object
        )
    except RecursionError:
        raise InvalidSession(f"{where} is nested deeper than the {DEEPEST} levels that are read") from None
    except json.JSONDecodeError as error:
        raise InvalidSession(f"{where} is not JSON: {error}") from None
    except ValueError as error:
        raise InvalidSession(f"{where}: {error}") from None


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"a number of {len(text)} digits is too long to be read") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in pairs:
        if key in values:
            raise ValueError(f"the key {show_value(key)} stands twice in one object, which is ambiguous")
        values[key] = value
    return values


def _check(where: str, row: Any) -> None:
    """Raise ``InvalidSession`` where the row is nested too deep or holds text that is not valid Unicode."""
    waiting: list[tuple[str, Any, int]] = [("", row, 1)]
    while waiting:
        path, value, depth = waiting.pop()
        if depth > DEEPEST:
            raise InvalidSession(f"{where} is nested deeper than the {DEEPEST} levels that are read")
        if isinstance(value, str):
            _check_text(where, path or "the session", value)
        elif isinstance(value, list):
            waiting += [(f"{path}[{number}]", item, depth + 1) for number, item in enumerate(value, 1)]
        elif isinstance(value, dict):
            for key, item in value.items():
                _check_text(where, f"a key of {path or 'the session'}", key)
                waiting.append((f"{path}.{key}" if path else key, item, depth + 1))


def _check_text(where: str, path: str, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidSession(f"{where}: {path} is not valid Unicode: {show_fault(error)}; give it in UTF-8") from None
