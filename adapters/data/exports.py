"""Export: examples written to a file, as dataset rows or in the form of Alpaca; the suffix decides the format.

The hash of a dataset is that of its JSON Lines file. Parquet and TOON hold the same rows; an import reads all of them.
"""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from ...domain.errors import NotPossible
from .examples import Example
from .imports.files import PACKED, find_end
from .imports.toon import encode_toon

Form = Literal["examples", "alpaca"]
ENDS = (".jsonl", ".ndjson", ".json", ".parquet", ".toon")
Row = Mapping[str, Any]


def check_name(path: Path) -> None:
    """Raise ``NotPossible`` for a file name whose suffix is not an export format."""
    if find_end(path) not in ("", *ENDS):
        raise NotPossible(f"{path} has no suffix of an export format; it takes {', '.join(ENDS)}, each also with .gz")


def write_set(path: Path, examples: Sequence[Example], form: Form = "examples") -> int:
    """Write the examples and return how many; as Alpaca only the targets without tools.

    Raises ``NotPossible`` and ``InvalidExamples``.
    """
    check_name(path)
    rows = [example.to_json() for example in examples] if form == "examples" else list(alpaca_rows(examples))
    content = encode_rows(rows, path)
    path.write_bytes(gzip.compress(content, mtime=0) if path.name.lower().endswith(PACKED) else content)
    return len(rows)


def encode_rows(rows: Sequence[Row], path: Path) -> bytes:
    """The bytes of a file with that name, before compression; JSON Lines where the suffix names no format."""
    match find_end(path):
        case ".parquet":
            return _encode_parquet(rows)
        case ".toon":
            return encode_toon(rows, str(path)).encode()
        case ".json":
            return f"{json.dumps(list(rows), ensure_ascii=False, indent=1)}\n".encode()
        case _:
            lines = (json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows)
            return "".join(lines).encode()


def alpaca_rows(examples: Iterable[Example]) -> Iterable[Row]:
    """The targets in the form of Alpaca.

    The last message is the input, the messages before it are the instruction; a single message is the instruction. A
    conversation becomes a history of questions and answers after its ``system``. One whose turns do not alternate has
    no such form, and goes into the instruction. Examples with tools have none at all, and are left out.
    """
    for example in examples:
        if example.label == "target" and not example.has_tools:
            yield _alpaca_conversation(example) or _alpaca_pair(example)


def _alpaca_pair(example: Example) -> Row:
    *before, last = [message["content"] for message in example.messages]
    instruction, further = ("\n\n".join(before), last) if before else (last, "")
    return {"instruction": instruction, "input": further, "output": example.completion}


def _alpaca_conversation(example: Example) -> Row | None:
    system = [message["content"] for message in example.messages[:1] if message["role"] == "system"]
    turns = example.messages[len(system) :]
    roles = [turn["role"] for turn in turns]
    pairs = len(turns) // 2
    if not pairs or roles != ["user", "assistant"] * pairs + ["user"]:
        return None
    history = [[turns[2 * n]["content"], turns[2 * n + 1]["content"]] for n in range(pairs)]
    row: dict[str, Any] = {"instruction": turns[-1]["content"], "input": "", "output": example.completion}
    return row | ({"system": system[0]} if system else {}) | {"history": history}


def _encode_parquet(rows: Sequence[Row]) -> bytes:
    import pyarrow  # type: ignore[import-untyped]
    import pyarrow.parquet  # type: ignore[import-untyped]

    columns = list(dict.fromkeys(name for row in rows for name in row))
    table = pyarrow.table({name: [_cell(name, row.get(name)) for row in rows] for name in columns})
    file = io.BytesIO()
    pyarrow.parquet.write_table(table, file, compression="zstd")
    return file.getvalue()


def _cell(name: str, value: Any) -> Any:
    """The value; definitions as JSON text, because all rows of a column have the same keys in Parquet."""
    return json.dumps(value, ensure_ascii=False) if name == "tools" and value is not None else value
