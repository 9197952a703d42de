"""Rows of tables. Cells stay as they are: none is converted to a number or to null.

CSV follows RFC 4180, with quotes around a cell that has a comma, a quote or a line break. TSV has no quoting: a quote
is a plain character, as in the media type ``text/tab-separated-values``. A row with more or fewer cells than the header
is left out.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ....domain.errors import InvalidExamples
from .documents import LICENSES, Row, Rows
from .reasons import LeftOut, explain

if TYPE_CHECKING:
    import pyarrow  # type: ignore[import-untyped]

LONGEST_CELL = 2**31 - 1
"""Characters; the ``csv`` module refuses more than 131,072 by default."""


def read_csv(text: str, name: str) -> Rows:
    """The rows below the header. Raises ``InvalidExamples`` for wrong quotes, when the row is read."""
    csv.field_size_limit(LONGEST_CELL)
    return Rows(_cells(csv.reader(io.StringIO(text, newline=""), strict=True), name))


def read_tsv(text: str, name: str) -> Rows:
    """The rows below the header."""
    rows = (line.removesuffix("\r") for line in text.split("\n"))
    numbered = ((number, row.split("\t")) for number, row in enumerate(rows, 1) if row)
    header: list[str] = next(numbered, (1, []))[1]
    return Rows(_named(header, numbered, name))


def _cells(reader: Any, name: str) -> Iterator[Row]:
    try:
        header: list[str] = next(reader, [])
        yield from _named(header, _with_lines(reader), name)
    except csv.Error as error:
        raise InvalidExamples(f"{name} line {reader.line_num} is not CSV: {explain(error)}") from error


def _with_lines(reader: Any) -> Iterator[tuple[int, list[str]]]:
    """Each row that has a cell, with the line it begins on."""
    line = reader.line_num + 1
    for cells in reader:
        if cells:
            yield line, cells
        line = reader.line_num + 1


def _named(header: list[str], rows: Iterator[tuple[int, list[str]]], name: str) -> Iterator[Row]:
    if len({cell.strip().lower() for cell in header}) < len(header):
        raise InvalidExamples(f"{name} line 1 names a column twice; give each column its own name")
    for line, cells in rows:
        if len(cells) == len(header):
            yield Row(f"{name}:{line}", dict(zip(header, cells, strict=True)))
        else:
            yield Row(f"{name}:{line}", LeftOut("cells", f"has {len(cells)} cells; the header has {len(header)}"))


def read_parquet(content: bytes, name: str) -> Rows:
    """The rows of a Parquet file, and the license of its metadata. Raises ``InvalidExamples`` for other content."""
    import pyarrow
    import pyarrow.parquet  # type: ignore[import-untyped]

    try:
        file = pyarrow.parquet.ParquetFile(io.BytesIO(content))
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise _table_error(error, name, "Parquet") from error
    return Rows(_batches(file.iter_batches(), name, "Parquet"), _license(file.schema_arrow.metadata))


def read_arrow(content: bytes, name: str) -> Rows:
    """The rows of an Arrow file or stream. Raises ``InvalidExamples`` for other content."""
    import pyarrow

    try:
        try:
            stream = pyarrow.ipc.open_stream(content)
        except pyarrow.ArrowInvalid:
            table = pyarrow.ipc.open_file(content).read_all()
            return Rows(_batches(iter(table.to_batches()), name, "Arrow"), _license(table.schema.metadata))
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise _table_error(error, name, "Arrow") from error
    return Rows(_batches(iter(stream), name, "Arrow"), _license(stream.schema.metadata))


def _batches(batches: Iterator[pyarrow.RecordBatch], name: str, kind: str) -> Iterator[Row]:
    import pyarrow

    number = 0
    try:
        for batch in batches:
            for row in batch.to_pylist():
                number += 1
                yield Row(f"{name} row {number}", row)
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError) as error:
        raise _table_error(error, name, kind) from error


def _table_error(error: Exception, name: str, kind: str) -> InvalidExamples:
    return InvalidExamples(f"{name} cannot be loaded as {kind}: {explain(error)}")


def _license(metadata: dict[bytes, bytes] | None) -> str | None:
    """The license under its own key, or in the metadata that the ``datasets`` library writes under ``huggingface``."""
    texts = {key.decode("utf-8", "replace"): value for key, value in (metadata or {}).items()}
    try:
        described = json.loads(texts.get("huggingface", b"{}")).get("info", {})
    except (ValueError, AttributeError, RecursionError):
        described = {}
    named: list[Any] = [texts[key].decode("utf-8", "replace") for key in LICENSES if key in texts]
    named += [described.get("license")] if isinstance(described, dict) else []
    return next((text for text in named if isinstance(text, str) and text.strip()), None)
