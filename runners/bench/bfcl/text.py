"""What an adapter costs elsewhere: the loss of base and adapters on a general text, and of the base in 4 bits.

The losses are kept in ``text.json`` with the hashes of what was measured, so a later start measures only what is missing.
"""

from __future__ import annotations

import hashlib
import json
import math
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ....adapters.data.plain_files import read_plain_text
from ....domain.errors import GrokputerError
from ....domain.vocabulary import Backend
from ...improvement.process_manager import process_new_events
from ...store.ledger import Ledger
from ...wiring.services import Services, base_of, prepare_base

if TYPE_CHECKING:
    from ....adapters.serving.base_model import Base

CHARACTERS = 40_000
"""Characters of the text that comes with Python, about 10,000 tokens; chosen: a minute with 135 million parameters."""

LOSSES = "text.json"

WEIGHTS = {"none": "16 bit", "nf4": "NF4"}
"""The ways in which a base is held, in words."""


@dataclass(frozen=True)
class Text:
    """A text that no training sees."""

    name: str
    documents: Sequence[str]

    @property
    def hash(self) -> str:
        """The SHA-256 of the documents."""
        return hashlib.sha256(json.dumps(list(self.documents)).encode()).hexdigest()


@dataclass(frozen=True)
class Loss:
    """The loss of a model on the text."""

    text: str
    adapter: str | None
    """None for the bare base."""
    weights: str
    """``16 bit`` or ``NF4``."""
    mean: float
    """Nats per token."""
    tokens: int
    """Predicted tokens."""
    of: str
    """The hashes of the text, of the base with its quantization, and of the adapter."""

    @property
    def perplexity(self) -> float:
        """The exponential of the loss."""
        return math.exp(self.mean)

    def to_json(self) -> dict[str, Any]:
        """The loss as plain JSON."""
        return {**asdict(self), "perplexity": self.perplexity}


def read_text(path: Path | None) -> Text:
    """The text in the file, or the one that comes with Python. Raises ``GrokputerError``.

    A file whose name ends with ``.jsonl`` has one document a line, a JSON text or an object with ``text``. Any other file is
    one document.
    """
    if path is None:
        return _language_reference()
    try:
        written = read_plain_text(path)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise GrokputerError(f"the general text {path} cannot be read: {reason}") from None
    documents = _rows(path, written) if path.suffix == ".jsonl" else [written]
    if not any(document.strip() for document in documents):
        raise GrokputerError(f"the general text {path} is empty; give a file with text")
    return Text(path.name, [document for document in documents if document.strip()])


def _rows(path: Path, written: str) -> list[str]:
    documents = []
    for number, line in enumerate(written.split("\n"), 1):
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError:
                row = None
            document = row.get("text") if isinstance(row, dict) else row
            if not isinstance(document, str):
                raise GrokputerError(
                    f"line {number} of {path} is no document; a line is a JSON text, or an object with 'text'"
                )
            documents.append(document)
    return documents


def _language_reference() -> Text:
    """The first topics of Python's language reference, which every Python has under its own licence (PSF)."""
    from pydoc_data.topics import topics

    documents, length = list[str](), 0
    for name in sorted(topics):
        if length >= CHARACTERS:
            break
        documents.append(topics[name])
        length += len(topics[name])
    version = platform.python_version()
    return Text(f"the first {len(documents)} topics of the language reference of Python {version}", documents)


def measure_text(out: Path, log: Path, text: Text, adapters: Iterable[str]) -> list[Loss]:
    """The losses of the base and of these adapters, on the base as they are served; and of the base held in other ways.

    None where the model is not on this machine. Raises ``ModelError`` where it cannot be loaded.
    """
    ledger = Ledger.open(log)
    with Services(ledger, process_new_events(ledger)) as services:
        policy = services.state.policy
        if policy.model.backend != Backend.LOCAL:
            return []
        base = base_of(policy, ledger.get_content)
        known = {name: services.state.registry.adapters[name].weights for name in adapters}
        folders = {name: services.store.path(weights) for name, weights in known.items()}
    known_losses = {loss.of: loss for loss in read_losses(out)}
    losses = list[Loss]()
    for quantization in dict.fromkeys([base.quantization, *WEIGHTS]):
        held = replace(base, quantization=quantization)
        of: dict[str | None, str] = {None: f"{text.hash}/{held.identity()}"}
        if quantization == base.quantization:
            of |= {name: f"{of[None]}/{weights}" for name, weights in known.items()}
        missing = {name: folders[name] for name, key in of.items() if name is not None and key not in known_losses}
        if missing or of[None] not in known_losses:
            known_losses |= {loss.of: loss for loss in _measure(held, text, missing, of)}
        losses += [known_losses[key] for key in of.values()]
    document = json.dumps([loss.to_json() for loss in losses], indent=2)
    (out / LOSSES).write_text(document + "\n", encoding="utf-8")
    return losses


def _measure(base: Base, text: Text, folders: Mapping[str, Path], of: Mapping[str | None, str]) -> list[Loss]:
    from ....adapters.serving.text_loss import text_losses

    prepare_base(base, lambda line: None)
    return [
        Loss(text.name, name, WEIGHTS[base.quantization], loss.mean, loss.tokens, of[name])
        for name, loss in text_losses(base, text.documents, folders).items()
    ]


def read_losses(out: Path) -> list[Loss]:
    """The losses in the folder; empty where there are none yet, or none that can be read: they are measured again."""
    try:
        rows = json.loads((out / LOSSES).read_text(encoding="utf-8"))
        names = [field.name for field in fields(Loss)]
        return [Loss(**{name: row[name] for name in names}) for row in rows]
    except (OSError, ValueError, TypeError, KeyError):
        return []
