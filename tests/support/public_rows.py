"""Rows of a set from outside, held in a file of any format, as other programs write them."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest


def hold(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """Write the rows in the format that the end of the name says; the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = _encode(rows, Path(path.name.lower().removesuffix(".gz")).suffix)
    path.write_bytes(gzip.compress(content) if path.name.endswith(".gz") else content)
    return path


def _encode(rows: Sequence[dict[str, Any]], end: str) -> bytes:
    match end:
        case ".json":
            return json.dumps(list(rows)).encode()
        case ".csv":
            text = io.StringIO(newline="")
            writer = csv.DictWriter(text, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
            return text.getvalue().encode()
        case ".tsv":
            lines = ["\t".join(rows[0]), *("\t".join(map(str, row.values())) for row in rows)]
            return "".join(f"{line}\n" for line in lines).encode()
        case ".parquet" | ".arrow":
            return _encode_table(rows, end)
        case ".toon":
            toon = pytest.importorskip("toon_format", reason="the library of TOON files is not installed")
            return str(toon.encode(list(rows))).encode()
        case _:
            return "".join(json.dumps(row) + "\n" for row in rows).encode()


def _encode_table(rows: Sequence[dict[str, Any]], end: str) -> bytes:
    import pyarrow  # type: ignore[import-untyped]
    import pyarrow.parquet  # type: ignore[import-untyped]

    table, file = pyarrow.Table.from_pylist(list(rows)), io.BytesIO()
    if end == ".parquet":
        pyarrow.parquet.write_table(table, file)
    else:
        with pyarrow.ipc.new_stream(file, table.schema) as stream:
            stream.write_table(table)
    return file.getvalue()
