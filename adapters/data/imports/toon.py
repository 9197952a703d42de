"""Token-Oriented Object Notation (TOON), by its official Python library: https://github.com/toon-format/spec, version 4.

A set is one list of rows. Reading is strict: a list whose length differs from its declared length is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ....domain.errors import InvalidExamples
from .documents import Rows, rows_of_document
from .reasons import explain


def read_toon(text: str, name: str) -> Rows:
    """The rows of the text. Raises ``InvalidExamples`` with the line that is not TOON."""
    library = _load(name)
    try:
        return rows_of_document(library.decode(text), name)
    except (ValueError, RecursionError) as error:
        if isinstance(error, InvalidExamples):
            raise
        raise InvalidExamples(f"{name} is not TOON: {explain(error)}") from error


def encode_toon(rows: Sequence[Mapping[str, Any]], name: str) -> str:
    """The rows as one document; ``name`` is the file's name for messages."""
    encoded: str = _load(name).encode(list(rows))
    return encoded


def _load(name: str) -> Any:
    try:
        import toon_format
    except ImportError as error:
        raise InvalidExamples(
            f"{name} needs the library toon-format, which is not installed; install it with: pip install 'grokputer[data]'"
        ) from error
    return toon_format
