"""Erasing words for good: from the content store and every page of the log's file, its write-ahead log and the datasets.

Events name their words by salted hashes alone, so they stand as they are, and so does the proof over them. What an adapter has
learnt from the words is in its weights; those are named, so that they can be trained again without them.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from ...domain.aggregates.erasure import ContentErasure
from ...domain.errors import LogError
from ...domain.events import ExamplesImported, ExamplesSynthesized, TaskStarted
from ...projections.explain.provenance import TrainingUse, read_datasets
from ..store.content import WORDS
from ..store.ledger import Ledger
from ..store.log import Log, connect
from ..store.writer import Transaction

TOPICS = tuple(kind.TOPIC for kind in WORDS)
READERS_S = 5.0
"""Seconds to wait until no reader needs the write-ahead log; chosen: a command that reads ends sooner."""


@dataclass(frozen=True)
class Target:
    """Whose words: one run's, or all that a person said, asked, corrected or imported. One of the two is given."""

    run: str | None = None
    """Hex id."""
    person: str | None = None


@dataclass
class Words:
    """What is to be erased: content keys that are there, the runs that lose words, the adapters that learnt from them."""

    keys: set[str] = field(default_factory=set)
    runs: set[str] = field(default_factory=set)
    adapters: list[str] = field(default_factory=list)
    trainings: list[str] = field(default_factory=list)
    """Hex ids of the trainings whose datasets hold them."""


def find_words(log: Log, target: Target) -> Words:
    """Look through the whole log for the target's words. Raises ``LogError``."""
    found = Words()
    own = {target.run} if target.run is not None else set()  # runs all of whose words are the target's
    for recorded in log.read(1, None, TOPICS):
        event, is_theirs = recorded.event, target.person is not None and recorded.event.actor == target.person
        run = event.run if isinstance(event, ExamplesSynthesized) else event.originator_id.hex
        if isinstance(event, TaskStarted) and is_theirs:
            own.add(run)
        if run in own or is_theirs:
            keys = [key for key in event.text_keys if log.has_content(key)]
            found.keys.update(keys)
            if keys and not isinstance(event, ExamplesImported):
                found.runs.add(run)
    for taught in _taught_by(read_datasets(log), found):
        found.trainings.append(taught.training)
        if taught.adapter is not None:
            found.adapters.append(taught.adapter)
    return found


def erase(ledger: Ledger, target: Target, reason: str, actor: str) -> Words:
    """Delete the target's words and record it, in one transaction, then rid the files of what is left of them.

    Where there are none (any more) nothing is recorded, but the files are gone over all the same: that finishes an erasure
    that was interrupted. Raises ``NotPossible`` without a reason, ``LogError``.
    """
    words = find_words(ledger, target)
    if words.keys:
        erasure = ContentErasure(uuid4())
        erasure.erase(
            ledger.context(actor), run=target.run, person=target.person, runs=len(words.runs), texts=len(words.keys),
            adapters=words.adapters, reason=reason,
        )  # fmt: skip
        ledger.store(erasure, also=lambda transaction: _delete(transaction, words.keys))
    clean(ledger.path)
    return words


def clean(path: Path) -> None:
    """Rewrite the log's file and empty its write-ahead log, so that no page holds a byte of what was deleted.

    Raises ``LogError`` while another process reads, and without room for the file once more: what was deleted is deleted,
    but bytes of it may be left in the files.
    """
    left = f"the words are erased, but bytes of them may be left in the files of {path}"
    try:
        with closing(connect(path)) as connection:
            connection.execute("VACUUM")
            end = time.monotonic() + READERS_S
            while connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                if time.monotonic() > end:
                    raise LogError(f"{left}: another process reads it; end it and give the same command again")
    except sqlite3.Error as error:
        raise LogError(f"{left} ({error}); make room for the log twice over and give the same command again") from error


def drop_datasets(folder: Path, trainings: list[str]) -> None:
    """Delete the dataset files of these trainings; what is needed again is written anew from the log, without the words."""
    for training in trainings:
        (folder / "trainings" / training / "dataset.jsonl").unlink(missing_ok=True)


def _taught_by(datasets: list[TrainingUse], words: Words) -> list[TrainingUse]:
    """The trainings that used one of the runs, and those that went on from their adapters."""
    found: list[TrainingUse] = []
    tainted: set[str] = set()
    for it in datasets:
        uses = any(row["run"] in words.runs for row in it.examples or ())
        if uses or it.goes_on_from in tainted:
            found.append(it)
            if it.adapter is not None:
                tainted.add(it.adapter)
    return found


def _delete(transaction: Transaction, keys: set[str]) -> None:
    transaction.connection.execute("PRAGMA secure_delete = ON")
    transaction.connection.executemany("DELETE FROM content WHERE key = ?", [(key,) for key in keys])
