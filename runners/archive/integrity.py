"""The integrity of a log: whether every event is in its place and unchanged, and a proof of one event without the log.

A log's own tree proves its consistency, but a person who can write to the file could write a whole new tree. A head is
the log's size and root hash at some time. Kept where that person cannot write, it fixes all events up to that size for
good.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

from ...domain.errors import GrokputerError, Hint, LogError, NotFound
from ...domain.merkle import Tree, follow_path, inclusion_path, leaf
from ..store.log import Log
from ..store.port import COLUMNS, Rows, pages
from ..store.texts.content import Search, check_texts
from ..store.writer import stored_nodes

LOWEST = -(2**63)
"""Below all positions, those that nobody gave included."""

_HEAD = re.compile(r"([0-9]{1,19}):([0-9a-f]{64})")


class BadProof(GrokputerError):
    """A head or a proof that is unreadable or does not hold."""


@dataclass(frozen=True)
class Head:
    """A commitment to the first ``size`` events of a log and their order: written ``SIZE:ROOT``, the root in hex."""

    size: int
    root: bytes

    def __str__(self) -> str:
        return f"{self.size}:{self.root.hex()}"

    @classmethod
    def read(cls, written: str) -> Self:
        """The head from its written form. Raises ``BadProof``."""
        match = _HEAD.fullmatch(written.strip())
        if match is None:
            raise BadProof(f"{written!r} is not a head; it takes SIZE:ROOT", hint=Hint.GIVE_HEAD)
        size, root = int(match[1]), bytes.fromhex(match[2])
        if size == 0 and root != Tree().root():
            raise BadProof(f"{written!r} is not a head: a log without events has another root", hint=Hint.GIVE_HEAD)
        return cls(size, root)


@dataclass(frozen=True)
class Fault:
    """A fault of a log, and the first position where it shows; 0 for a text beside the events."""

    position: int
    reason: str

    def __str__(self) -> str:
        return f"at position {self.position}: {self.reason}" if self.position else self.reason


@dataclass(frozen=True)
class Finding:
    """The result of ``verify``: the head of the events read, and the first fault; None without one."""

    head: Head
    fault: Fault | None
    texts: int
    """Number of texts that match their keys."""


def verify(log: Log, heads: Sequence[Head] = ()) -> Finding:
    """Verify every event against the tree, the tree against the heads, and every text against its key, at one moment.

    Each text that an event names must exist, or have been erased on record. The tree reveals an edit, deletion,
    insertion or reordering. A truncated end shows by the last position that the
    database gave, by followers that are further, or by a head. Raises ``LogError``.
    """
    with _reading(log) as connection:
        search = Search(connection)
        tree, fault = _grow(connection, {head.size: head for head in heads}, search)
        fault = fault or _find_cut(log, connection, tree, heads)
        texts, damaged = _check_texts(connection, search if fault is None else None)
    return Finding(Head(tree.size, tree.root()), fault or damaged, texts)


def _grow(connection: Rows, heads: dict[int, Head], search: Search) -> tuple[Tree, Fault | None]:
    """The tree of the events up to the first fault; the search gets the unchanged events."""
    tree = Tree()
    for position, id, version, topic, state, nodes in pages(connection, f"{COLUMNS}, nodes", "stored_events", LOWEST):
        expected = tree.size + 1
        if position != expected:
            return tree, Fault(expected, f"there is no event at position {expected}; the next is at {position}")
        try:
            own = leaf(position, id, version, topic, state)
        except (TypeError, AttributeError):  # a value of a type that the program does not store
            own = b""
        if not own or nodes[: len(own)] != own:
            return tree, Fault(position, "the event differs from the one stored there")
        if tree.append(own) != nodes:
            return tree, Fault(
                position, "the tree does not follow from the events up to here; one of them was replaced"
            )
        if (head := heads.get(position)) is not None and head.root != tree.root():
            reason = f"the first {position} events are not those of the head given; one of them was replaced"
            return tree, Fault(position, reason)
        search.add(position, topic, state)
    return tree, None


def _find_cut(log: Log, connection: Rows, tree: Tree, heads: Sequence[Head]) -> Fault | None:
    followed = connection.execute("SELECT MAX(notification_id) FROM tracking").fetchone()
    saved = connection.execute("SELECT MAX(position) FROM checkpoints").fetchone()
    given = log.database.largest_ever(connection)
    largest = max([given, *(head.size for head in heads), *(row[0] or 0 for row in (followed, saved))])
    if largest > tree.size:
        return Fault(tree.size + 1, f"the log ends at {tree.size}, but once had {largest} events")
    return None


def _check_texts(connection: Rows, search: Search | None) -> tuple[int, Fault | None]:
    """How many texts there are, and their first fault; without a search, lost texts are not checked."""
    try:
        count = check_texts(connection)
        lost = search.find_lost() if search is not None else None
    except LogError as error:
        return 0, Fault(0, str(error))
    if lost is None:
        return count, None
    position, key = lost
    return count, Fault(
        position, f"its text {key[:19]} is missing, and it was not erased; restore the log from a backup"
    )


@dataclass(frozen=True)
class Proof:
    """The proof that an event is at its position in the log of a head. It can be checked without the log."""

    position: int
    originator_id: str
    originator_version: int
    topic: str
    state: str
    head: Head
    path: tuple[bytes, ...]

    def to_json(self) -> dict[str, Any]:
        """The exported form."""
        return {**vars(self), "head": str(self.head), "path": [hash.hex() for hash in self.path]}

    @classmethod
    def from_json(cls, document: Any) -> Self:
        """The proof from its exported form. Raises ``BadProof``."""
        try:
            path = tuple(bytes.fromhex(hash) for hash in document["path"])
            return cls(**{**document, "head": Head.read(document["head"]), "path": path})
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise BadProof(f"this is not a proof ({error})", hint=Hint.MAKE_PROOF) from None

    def check(self) -> None:
        """Raise ``BadProof`` unless the path leads from the event to the head's root."""
        try:
            own = leaf(self.position, self.originator_id, self.originator_version, self.topic, self.state.encode())
            root = follow_path(own, self.position, self.head.size, self.path)
        except (ValueError, TypeError, AttributeError) as error:
            raise BadProof(f"the proof does not hold: {error}") from None
        if root != self.head.root:
            raise BadProof(
                f"the proof does not hold: its event is not at position {self.position} of the log of its head"
            )


def prove(log: Log, position: int, size: int | None = None) -> Proof:
    """The proof for the event at the position, in the log of the first ``size`` events (None: all). Raises
    ``NotFound``, ``LogError``."""
    size = size if size is not None else log.position
    if not 1 <= position <= size <= log.position:
        raise NotFound(f"no event at position {position} of {size}; the log has 1 to {log.position}")
    with _reading(log) as connection:
        row = connection.execute(f"SELECT {COLUMNS} FROM stored_events WHERE position = ?", (position,)).fetchone()
        nodes_at = stored_nodes(connection)
        head = Head(size, Tree.at(size, nodes_at).root())
        path = tuple(inclusion_path(position, size, nodes_at))
        proof = Proof(position, row[1], row[2], row[3], row[4].decode(), head, path)
    proof.check()
    return proof


@contextmanager
def _reading(log: Log) -> Iterator[Rows]:
    """A connection that reads everything as of one moment. Raises ``LogError``, also for a log without a tree."""
    with log.database.snapshot() as rows:
        if not log.database.has_tree(rows):
            raise LogError(
                f"{log.label} was written by an early version without proofs; the next command that writes adds them",
                hint=Hint.WRITE_ONCE,
            )
        yield rows
