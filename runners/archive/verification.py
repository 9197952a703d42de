"""Verification of a log against its own hashes, heads that were kept elsewhere and its views, and of a proof without a log."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...adapters.data.plain_files import read_plain_text
from ..store.log import Log
from .integrity import BadProof, Fault, Head, Proof, verify
from .replay import compare_views


@dataclass(frozen=True)
class Verification:
    """The result of verifying a log."""

    head: Head
    """The log's head: its size and a hash over all of it."""
    texts: int
    """Number of texts that were checked."""
    fault: Fault | None
    """The first place that was changed; None where there is none."""
    edited: tuple[str, ...]
    """Views that do not follow from the events; empty where the events have a fault."""

    @property
    def is_sound(self) -> bool:
        """Whether nothing was changed."""
        return self.fault is None and not self.edited


def verify_log(log: Log, heads: Sequence[Head] = ()) -> Verification:
    """Whether events, texts and views are as they were written, and the log continues each of the heads."""
    result = verify(log, heads)
    views = compare_views(log) if result.fault is None else {}
    edited = tuple(view for view, is_same in views.items() if not is_same)
    return Verification(result.head, result.texts, result.fault, edited)


def verify_proof(path: Path, heads: Sequence[Head] = ()) -> Proof:
    """The proof in the file, which holds, for one of the heads where any is given. Raises ``BadProof``."""
    try:
        proof = Proof.from_json(json.loads(read_plain_text(path)))
    except RecursionError:
        raise BadProof(
            f"{path} is not a proof: it is nested too deeply; make one with 'grokputer prove POSITION'"
        ) from None
    except ValueError as error:
        raise BadProof(f"{path} is not a proof ({error}); make one with 'grokputer prove POSITION'") from None
    proof.check()
    if heads and proof.head not in heads:
        raise BadProof(f"{path} is a proof for the head {proof.head}, not for {' or '.join(map(str, heads))}")
    return proof
