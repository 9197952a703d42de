"""What an adapter learns from: prompts with an answer, what that answer is to training, and where each came from.

Which runs become examples is decided elsewhere. A dataset is a JSON Lines file, and its hash is that of the file's bytes,
so ``sha256sum dataset.jsonl`` checks it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...domain.errors import InvalidExamples
from ...domain.page.messages import Message
from ...domain.text import show_fault

ROLES = ("system", "user", "assistant")
"""Who may speak in a prompt."""
LABELS = ("target", "good", "bad")
"""What an answer is to training: to be learned, or given once and judged so."""


@dataclass(frozen=True)
class Example:
    """One prompt and an answer to it.

    ``source`` names the kind: ``correction``, ``success``, ``replay``, ``public``, ``teacher``. ``run_id`` and ``step``
    (from 0) point at the run it came from; they are empty for sources that have none. ``role`` is the agent's role.
    ``instance`` is the task instance, ``miniwob/click-color#123``, ``chat#<content key>`` or ``public#<hash of prompt>``.

    ``label`` is ``target`` for the answer that should be given, the only kind that supervised training learns from.
    ``good`` and ``bad`` are answers that were given and rated so: for KTO alone. ``rejected`` is another answer that failed
    on the very same prompt; with it, the example is a DPO pair too.
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

    def to_json(self) -> dict[str, Any]:
        """The example as it stands in a dataset file."""
        row: dict[str, Any] = {
            "messages": list(self.messages),
            "completion": self.completion,
            "source": self.source,
            "role": self.role,
            "run_id": self.run_id,
            "step": self.step,
        }
        # Left out where they say nothing, so that a file written before there were any keeps its hash.
        further = {"instance": self.instance, "rejected": self.rejected}
        row |= {name: value for name, value in further.items() if value}
        return row if self.label == "target" else {**row, "label": self.label}

    @staticmethod
    def from_json(row: dict[str, Any]) -> Example:
        """The example of one row of a dataset file. Raises ``ValueError`` when it is not one."""
        messages, completion = row.get("messages"), row.get("completion")
        if not isinstance(messages, list) or not messages or not all(_is_message(message) for message in messages):
            raise ValueError("'messages' must be a list of {role, content}")
        if not isinstance(completion, str) or not completion:
            raise ValueError("'completion' must be the answer as text, not empty")
        label = _text(row, "label", "target")
        if label not in LABELS:
            raise ValueError(f"'label' is {label!r}; it is one of {', '.join(LABELS)}")
        step = 0 if row.get("step") is None else row["step"]
        if not isinstance(step, int) or isinstance(step, bool):
            raise ValueError("'step' must be a whole number")
        return Example(
            tuple(messages),
            completion,
            _text(row, "source", ""),
            _text(row, "role", "action"),
            _text(row, "run_id", ""),
            step,
            _text(row, "instance", ""),
            _text(row, "rejected", ""),
            label,
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
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise InvalidExamples(f"dataset {path} line {number} is not an example: {error}") from error
    return examples


def dataset_hash(examples: Iterable[Example]) -> str:
    """``sha256:<hex>`` of the dataset file these examples make, in this order."""
    return _hash(encode_examples(examples))


def _text(row: dict[str, Any], key: str, absent: str) -> str:
    """The text under the key; null is absent. Raises ``ValueError`` for anything else."""
    value = row.get(key)
    if value is None:
        return absent
    if not isinstance(value, str):
        raise ValueError(f"{key!r} must be text")
    return value


def _is_message(message: object) -> bool:
    return isinstance(message, dict) and message.get("role") in ROLES and isinstance(message.get("content"), str)


def encode_examples(examples: Iterable[Example]) -> bytes:
    """The bytes of the dataset file these examples make, in this order.

    Raises ``InvalidExamples`` where one of them is not valid Unicode, with its run.
    """
    return b"".join(map(_encode, examples))


def _encode(example: Example) -> bytes:
    line = json.dumps(example.to_json(), ensure_ascii=False, separators=(",", ":"))
    try:
        return f"{line}\n".encode()
    except UnicodeEncodeError as error:
        whose = f"run {example.run_id[:8]}" if example.run_id else "an example"
        raise InvalidExamples(f"{whose} holds text that is not valid Unicode: {show_fault(error)}") from None


def _hash(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
