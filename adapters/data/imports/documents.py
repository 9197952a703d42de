"""Rows of JSON: one document, or JSON Lines.

A document is a list of rows, or an object that is a row itself or holds one list of rows, under any key; of several
lists the one under ``train``. The license is the object's ``license`` or ``licence``, if it has one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ....domain.errors import InvalidExamples
from .forms import ANSWERS, QUESTIONS
from .reasons import LeftOut, explain, quote, quote_all
from .turns import is_conversation

LICENSES = ("license", "licence")


class Row(NamedTuple):
    """A row with its place: ``set.jsonl:4`` is a line, ``set.parquet row 4`` a row. The value of an unreadable row is a
    ``LeftOut``."""

    place: str
    value: Any


@dataclass
class Rows:
    """The rows of a set, read lazily, and the license from its own metadata, if any."""

    rows: Iterator[Row]
    license: str | None = None


def read_json(text: str, name: str) -> Rows:
    """The rows of the text. Raises ``InvalidExamples`` for text that is not JSON; in JSON Lines only when the row is read."""
    lines = text.split("\n")
    filled = [number for number, line in enumerate(lines, 1) if line.strip()]
    if len(filled) > 1 and _is_json(lines[filled[0] - 1]):
        return Rows(_lines(lines, name))
    if not filled:
        return Rows(iter(()))
    try:
        return rows_of_document(_parse(text), name, filled[0])
    except LeftOut as why:
        return Rows(iter([Row(f"{name}:{filled[0]}", why)]))
    except ValueError as error:
        raise _not_json(error, lines, getattr(error, "lineno", filled[0]), name) from error


def rows_of_document(document: Any, name: str, line: int = 1) -> Rows:
    """The rows of a parsed document that begins at the line. Raises ``InvalidExamples`` for one with several lists."""
    if isinstance(document, list) and not is_conversation(document):
        return Rows(_numbered(document, name))
    if not isinstance(document, Mapping) or any(str(key).strip().lower() in (*QUESTIONS, *ANSWERS) for key in document):
        return Rows(iter([Row(f"{name}:{line}", document)]))
    lists = {key: value for key, value in document.items() if _is_rows(value)}
    if not lists:
        return Rows(iter([Row(f"{name}:{line}", document)]))
    if len(lists) > 1 and "train" not in lists:
        raise InvalidExamples(f"{name} has {len(lists)} lists of rows, {quote_all(lists)}; put one of them in a file")
    rows = lists["train"] if "train" in lists else next(iter(lists.values()))
    named = (document.get(key) for key in LICENSES)
    return Rows(_numbered(rows, name), next((item for item in named if isinstance(item, str) and item.strip()), None))


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, Mapping | list) for item in value)


def _numbered(rows: list[Any], name: str) -> Iterator[Row]:
    return (Row(f"{name} row {number}", row) for number, row in enumerate(rows, 1))


def _lines(lines: list[str], name: str) -> Iterator[Row]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            value = _parse(line)
        except LeftOut as why:
            value = why
        except ValueError as error:
            raise _not_json(error, lines, number, name) from error
        yield Row(f"{name}:{number}", value)


def _is_json(line: str) -> bool:
    try:
        _parse(line)
    except LeftOut:
        return True
    except ValueError:
        return False
    return True


def _parse(text: str) -> Any:
    """The value. Raises ``ValueError`` for invalid JSON, ``LeftOut`` for a repeated key and for too deep nesting."""
    try:
        return json.loads(text, object_pairs_hook=_object)
    except RecursionError:
        raise LeftOut("damaged", "is nested too deep to be read") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in pairs:
        if key in values:
            raise LeftOut("damaged", f"has the key {quote(key)} twice in one object")
        values[key] = value
    return values


def _not_json(error: ValueError, lines: list[str], number: int, name: str) -> InvalidExamples:
    message = error.msg if isinstance(error, json.JSONDecodeError) else explain(error)
    line = lines[number - 1].rstrip()
    hint = "; JSON Lines has no comma after a row" if line.endswith("},") else ""
    return InvalidExamples(f"{name} line {number} is not JSON: {message}{hint}")
