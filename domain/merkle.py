"""A Merkle tree over the log, as in certificate transparency (RFC 6962, section 2.1), grown one event at a time.

Each event is a leaf. The event at position n completes some nodes: its leaf, and the roots of the full subtrees of 2,
4, 8, ... leaves that end at n. They are stored beside it, so every root and every proof needs only a few rows. An edit
anywhere shows, because later nodes no longer follow from the events.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

SIZE = 32
"""Bytes of a hash."""

EMPTY = sha256().digest()
"""The root of a tree without leaves."""

NodesAt = Callable[[int], bytes]
"""From a position, from 1, to the nodes that its event completed, joined bytes, the leaf first."""


def leaf(position: int, originator_id: str, originator_version: int, topic: str, state: bytes) -> bytes:
    """The leaf hash of an event at its position. Id and topic hold no line break, so different rows have different
    encodings."""
    place = b"\0%d\n%s\n%d\n%s\n" % (position, originator_id.encode(), originator_version, topic.encode())
    return sha256(place + state).digest()


def node(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return sha256(b"\1" + left + right).digest()


@dataclass
class Tree:
    """The tree of the first ``size`` events: the roots of its full subtrees, the largest first."""

    size: int = 0
    peaks: list[bytes] = field(default_factory=list)

    def append(self, leaf: bytes) -> bytes:
        """Add a leaf; return the nodes that it completes, the leaf first, as joined bytes."""
        nodes, root = leaf, leaf
        for _ in range(_trailing_ones(self.size)):
            root = node(self.peaks.pop(), root)
            nodes += root
        self.peaks.append(root)
        self.size += 1
        return nodes

    def root(self) -> bytes:
        """The tree's root hash; it commits to all events and their order."""
        return _bag(self.peaks) if self.peaks else EMPTY

    def copy(self) -> Tree:
        """A copy that grows independently."""
        return Tree(self.size, list(self.peaks))

    @classmethod
    def at(cls, size: int, nodes_at: NodesAt) -> Tree:
        """The tree of the first ``size`` events, from the stored nodes."""
        return cls(size, [_stored(nodes_at, end, level) for end, level in _full_subtrees(size)])

    @classmethod
    def of_peaks(cls, size: int, joined: bytes) -> Tree:
        """The tree of the first ``size`` events, from its joined peaks. Raises ``ValueError`` for another number of them."""
        if len(joined) != SIZE * size.bit_count():
            raise ValueError(f"a tree of {size} events has {size.bit_count()} peaks, not {len(joined) / SIZE:g}")
        return cls(size, [joined[first : first + SIZE] for first in range(0, len(joined), SIZE)])


def inclusion_path(position: int, size: int, nodes_at: NodesAt) -> list[bytes]:
    """The hashes, from the leaf's sibling up, from an event to the root of the first ``size`` events.

    Raises ``ValueError`` unless 1 <= position <= size.
    """
    if not 1 <= position <= size:
        raise ValueError(f"position {position} is not in a tree of {size} events")
    return _path(position - 1, 0, size, nodes_at)


def follow_path(leaf: bytes, position: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root that the path leads to (RFC 9162, section 2.1.3.2). Raises ``ValueError`` for a path that does not fit."""
    index, last, root = position - 1, size - 1, leaf
    if not 0 <= index <= last:
        raise ValueError(f"position {position} is not in a tree of {size} events")
    for hash in path:
        if not last:
            raise ValueError("the path is longer than the tree is high")
        if index & 1 or index == last:
            root = node(hash, root)
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            root = node(root, hash)
        index, last = index >> 1, last >> 1
    if last:
        raise ValueError("the path is shorter than the tree is high")
    return root


def _path(index: int, first: int, size: int, nodes_at: NodesAt) -> list[bytes]:
    """The path within the subtree of ``size`` leaves that begins at leaf number ``first``; numbers are from 0."""
    if size == 1:
        return []
    left = 1 << (size - 1).bit_length() - 1
    if index < left:
        return [*_path(index, first, left, nodes_at), _root_of(first + left, size - left, nodes_at)]
    return [*_path(index - left, first + left, size - left, nodes_at), _root_of(first, left, nodes_at)]


def _root_of(first: int, size: int, nodes_at: NodesAt) -> bytes:
    return _bag([_stored(nodes_at, first + end, level) for end, level in _full_subtrees(size)])


def _bag(peaks: Sequence[bytes]) -> bytes:
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = node(peak, root)
    return root


def _full_subtrees(size: int) -> Iterator[tuple[int, int]]:
    """The last position and the level of each full subtree of a tree of ``size`` leaves, the largest first."""
    end = 0
    for level in reversed(range(size.bit_length())):
        if size >> level & 1:
            end += 1 << level
            yield end, level


def _stored(nodes_at: NodesAt, end: int, level: int) -> bytes:
    return nodes_at(end)[SIZE * level : SIZE * (level + 1)]


def _trailing_ones(size: int) -> int:
    return (~size & size + 1).bit_length() - 1
