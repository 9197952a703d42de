"""Training examples: a prompt, an answer, how training uses the answer, and its origin.

Other modules decide which runs become examples. A dataset is a JSON Lines file, and its hash is that of the file's
bytes: ``sha256sum dataset.jsonl`` verifies it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...domain.errors import BadText, InvalidExamples
from ...domain.page.messages import Message
from ...domain.page.tools import Tool, ToolCall, check_calls, check_messages, check_tools
from ...domain.text import show_fault

LABELS = ("target", "good", "bad")
"""How training uses an answer: as the target, or as an answer rated good or bad."""


@dataclass(frozen=True)
class Example:
    """One prompt with an answer.

    ``source`` is one of ``selection.SOURCES`` or ``rated``. ``run_id`` and ``step`` (from 0) are its origin, empty for
    sources without runs. ``role`` is the agent's role. ``instance`` is the task instance: ``miniwob/click-color#123``,
    ``chat#<content key>`` or ``public#<hash of prompt>``.

    ``label`` is ``target`` for the right answer, the only kind that supervised training uses. ``good`` and ``bad`` mark
    answers that were given and rated so: for KTO alone. ``rejected`` is another answer that failed on the same prompt;
    with it, the example is also a DPO pair.

    ``tools`` are the functions that were offered. ``tool_calls`` are the calls of the answer, beside its text or in its
    place, and ``rejected_calls`` those of the rejected one.
    """

    messages: tuple[Message, ...]
    completion: str
    source: str
    role: str = "action"
    run_id: str = ""
    step: int = 0
    instance: str = ""
    rejected: str = ""
    label: str = "target"
    tools: tuple[Tool, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    rejected_calls: tuple[ToolCall, ...] = ()

    @property
    def is_pair(self) -> bool:
        """Whether it has a rejected answer."""
        return bool(self.rejected or self.rejected_calls)

    @property
    def has_tools(self) -> bool:
        """Whether functions were offered, called or answered."""
        return bool(self.tools or self.tool_calls) or any("tool_calls" in message for message in self.messages)

    def to_json(self) -> dict[str, Any]:
        """The example as a row of a dataset file."""
        row: dict[str, Any] = {
            "messages": list(self.messages),
            "completion": self.completion,
            "source": self.source,
            "role": self.role,
            "run_id": self.run_id,
            "step": self.step,
        }
        # Empty fields are left out, so that files from before these fields existed keep their hash.
        further = {
            "instance": self.instance,
            "rejected": self.rejected,
            "tools": list(self.tools),
            "tool_calls": list(self.tool_calls),
            "rejected_calls": list(self.rejected_calls),
        }
        row |= {name: value for name, value in further.items() if value}
        return row if self.label == "target" else {**row, "label": self.label}

    @staticmethod
    def from_json(row: dict[str, Any]) -> Example:
        """The example of one row of a dataset file. Raises ``ValueError`` for a row that is not an example."""
        completion, calls = row.get("completion"), check_calls(row.get("tool_calls") or [])
        if not isinstance(completion, str) or not (completion or calls):
            raise ValueError("'completion' must be the answer as text, not empty without 'tool_calls'")
        label = _text(row, "label", "target")
        if label not in LABELS:
            raise ValueError(f"'label' is {label!r}; it is one of {', '.join(LABELS)}")
        step = 0 if row.get("step") is None else row["step"]
        if not isinstance(step, int) or isinstance(step, bool):
            raise ValueError("'step' must be a whole number")
        return Example(
            check_messages(row.get("messages"), "'messages'"),
            completion,
            _text(row, "source", ""),
            _text(row, "role", "action"),
            _text(row, "run_id", ""),
            step,
            _text(row, "instance", ""),
            _text(row, "rejected", ""),
            label,
            check_tools(row.get("tools") or []),
            calls,
            check_calls(row.get("rejected_calls") or [], "rejected_calls"),
        )


def write_examples(path: Path, examples: Iterable[Example]) -> str:
    """Write the dataset file and return its hash."""
    text = encode_examples(examples)
    path.write_bytes(text)
    return _hash(text)


def read_examples(path: Path) -> list[Example]:
    """The examples of a dataset file. Raises ``InvalidExamples`` with the line that cannot be read."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidExamples(f"dataset {path} cannot be read: {error}; give a JSON Lines file") from error
    examples = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            examples.append(Example.from_json(json.loads(line)))
        except (ValueError, TypeError, AttributeError, RecursionError, BadText) as error:
            raise InvalidExamples(f"dataset {path} line {number} is not an example: {error}") from error
    return examples


def dataset_hash(examples: Iterable[Example]) -> str:
    """``sha256:<hex>`` of the dataset file of these examples, in this order."""
    return _hash(encode_examples(examples))


def _text(row: dict[str, Any], key: str, absent: str) -> str:
    """The text under the key; null counts as absent. Raises ``ValueError`` for anything else."""
    value = row.get(key)
    if value is None:
        return absent
    if not isinstance(value, str):
        raise ValueError(f"{key!r} must be text")
    return value


def encode_examples(examples: Iterable[Example]) -> bytes:
    """The bytes of the dataset file of these examples, in this order.

    Raises ``InvalidExamples`` with the run of an example that is not valid Unicode.
    """
    return b"".join(map(_encode, examples))


def _encode(example: Example) -> bytes:
    line = json.dumps(example.to_json(), ensure_ascii=False, separators=(",", ":"))
    try:
        return f"{line}\n".encode()
    except UnicodeEncodeError as error:
        origin = f"run {example.run_id[:8]}" if example.run_id else "an example"
        raise InvalidExamples(f"{origin} holds text that is not valid Unicode: {show_fault(error)}") from None


def _hash(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
