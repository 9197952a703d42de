"""Sets of examples from outside, in the forms they are published in, as examples of ours.

A row is in one of four forms, told by its keys: ``instruction, input, output`` (Alpaca), ``instruction, context, response``
(Dolly), ``messages`` that end with the assistant's (chat), and ``messages, completion`` (a dataset file of ours). Files of
JSON are read here; whatever else the ``datasets`` library loads, by that.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...domain.errors import InvalidExamples
from .examples import Example
from .selection import Selection, name_prompt

_FORMS = {
    "examples": ("messages", "completion"),
    "messages": ("messages",),
    "alpaca": ("instruction", "output"),
    "dolly": ("instruction", "response"),
}
"""Each form and the keys that tell it; the first that fits counts."""

_BUILDERS = {".parquet": "parquet", ".csv": "csv", ".tsv": "csv", ".arrow": "arrow"}
"""File name ends and the builder of ``datasets`` that reads such a file."""

_HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")


@dataclass(frozen=True)
class PublicSet:
    """What was read: the usable examples, each once, under the name they are known by."""

    name: str
    form: str
    """One of ``alpaca``, ``dolly``, ``messages``, ``examples``, or several with commas between."""
    examples: tuple[Example, ...]
    left_out: int
    """Rows without a question or an answer, or that say what an earlier one says."""


def read_public(where: str, role: str, limit: int | None = None) -> PublicSet:
    """The set at a path, or of that name on the Hugging Face Hub, for trainings of the role; at most the first ``limit``.

    Raises ``InvalidExamples`` when it cannot be read, when a row is in none of the forms, and when no row is usable.
    """
    forms: dict[str, None] = {}
    selection = Selection()
    found: list[Example] = []
    rows = 0
    for number, row in enumerate(_rows(where), 1):
        if limit is not None and len(found) >= limit:
            break
        rows = number
        form = _form_of(row, where, number)
        example = _read(form, row)
        if example is not None:
            forms.setdefault(form)
            key = f"public#{hashlib.sha256(name_prompt(example).encode()).hexdigest()}"
            found += selection.take([replace(example, source="public", role=role, run_id="", step=0, instance=key)])
    if not found:
        raise InvalidExamples(f"{where} holds no usable example in {rows} rows; each needs a question and an answer")
    name = Path(where).resolve().name if Path(where).exists() else where
    return PublicSet(name, ", ".join(forms), tuple(found), rows - len(found))


def _form_of(row: Any, where: str, number: int) -> str:
    if isinstance(row, Mapping):
        for form, keys in _FORMS.items():
            if all(key in row for key in keys):
                return form
    has = f"has {', '.join(map(str, row))}" if isinstance(row, Mapping) else "is no object"
    wanted = "; ".join(" + ".join(keys) for keys in _FORMS.values())
    raise InvalidExamples(f"row {number} of {where} {has[:120]}; wanted are the keys of one of these forms: {wanted}")


def _read(form: str, row: Mapping[str, Any]) -> Example | None:
    """The row as an example, None when its question or its answer is empty."""
    if form == "messages":
        messages = list(row["messages"] or ())
        if not messages or not isinstance(messages[-1], Mapping) or messages[-1].get("role") != "assistant":
            return None
        row = {"messages": messages[:-1], "completion": messages[-1].get("content")}
    elif form != "examples":
        further, answer = ("input", "output") if form == "alpaca" else ("context", "response")
        parts = [str(part).strip() for part in (row["instruction"], row.get(further)) if part is not None]
        said = "" if row[answer] is None else str(row[answer])  # a table makes numbers of them
        row = {"messages": [{"role": "user", "content": "\n\n".join(filter(None, parts))}], "completion": said}
    try:
        example = Example.from_json(dict(row))
    except (ValueError, TypeError):
        return None
    asks = any(message["content"].strip() for message in example.messages)
    return example if asks and example.completion.strip() else None


def _rows(where: str) -> Iterator[Any]:
    path = Path(where)
    if path.is_file() and path.suffix in (".jsonl", ".ndjson", ".json"):
        return _json_rows(path)
    if not path.exists() and not (_HUB_NAME.fullmatch(where) and path.suffix not in (*_BUILDERS, ".jsonl", ".json")):
        raise InvalidExamples(
            f"there is no {where}; give a file, a folder, or owner/name of a set on the Hugging Face Hub"
        )
    return _library_rows(path, where)


def _json_rows(path: Path) -> Iterator[Any]:
    """The rows of a file that is one JSON list, or one JSON object per line."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidExamples(f"{path} cannot be read: {error}; give JSON Lines in UTF-8") from error
    if text.lstrip().startswith("["):
        try:
            yield from json.loads(text)
        except ValueError as error:
            raise InvalidExamples(f"{path} is not JSON: {error}") from error
        return
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield json.loads(line)
            except ValueError as error:
                raise InvalidExamples(f"{path} line {number} is not JSON: {error}") from error


def _library_rows(path: Path, where: str) -> Iterator[Any]:
    """The rows of whatever ``datasets`` loads: the split ``train`` where there is one, else all."""
    import datasets  # type: ignore[import-untyped]

    with tempfile.TemporaryDirectory() as cache:
        try:
            if path.is_file():
                if path.suffix not in _BUILDERS:
                    raise ValueError(f"a file ends with .jsonl, .json, {', '.join(_BUILDERS)}")
                options = {"sep": "\t"} if path.suffix == ".tsv" else {}
                found = datasets.load_dataset(_BUILDERS[path.suffix], data_files=str(path), cache_dir=cache, **options)
            elif (path / "state.json").exists() or (path / "dataset_dict.json").exists():
                found = datasets.load_from_disk(str(path))
            elif path.exists():
                found = datasets.load_dataset(str(path), cache_dir=cache)
            else:
                found = datasets.load_dataset(where)
        except (datasets.exceptions.DatasetsError, OSError, ValueError, RuntimeError) as error:
            said = " ".join(str(error).split())[:200]
            raise InvalidExamples(f"{where} cannot be loaded: {said}") from error
        yield from _split_rows(found)


def _split_rows(found: Any) -> Iterable[Any]:
    splits = found if isinstance(found, Mapping) else {"train": found}
    chosen = [splits["train"]] if "train" in splits else splits.values()
    return (row for split in chosen for row in split)


def write_alpaca(path: Path, examples: Iterable[Example]) -> int:
    """Write the targets in the form of Alpaca and return how many there are.

    The last message is the input and what comes before it the instruction; a message alone is the instruction.
    """
    rows = []
    for example in examples:
        *before, last = [message["content"] for message in example.messages]
        instruction, further = ("\n\n".join(before), last) if before else (last, "")
        if example.label == "target":
            rows.append({"instruction": instruction, "input": further, "output": example.completion})
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return len(rows)
