"""The Merkle tree: grown event by event it is the one that RFC 6962 defines, and every proof leads to its root."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from grokputer.domain.merkle import EMPTY, SIZE, Tree, follow_path, inclusion_path, leaf, node

LEAVES = [leaf(position, "ab" * 16, 1, "TaskRated", b"{}") for position in range(1, 71)]


def root_by_definition(leaves: Sequence[bytes]) -> bytes:
    """RFC 6962, section 2.1, word for word."""
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return node(root_by_definition(leaves[:k]), root_by_definition(leaves[k:]))


def grown(size: int) -> tuple[Tree, dict[int, bytes]]:
    tree, nodes = Tree(), {}
    for position, it in enumerate(LEAVES[:size], 1):
        nodes[position] = tree.append(it)
    return tree, nodes


@pytest.mark.parametrize("size", range(1, len(LEAVES)))
def test_grown_or_read_from_what_is_stored_it_is_the_tree_of_the_definition(size: int) -> None:
    tree, nodes = grown(size)
    assert tree.root() == root_by_definition(LEAVES[:size])
    assert Tree.at(size, nodes.__getitem__) == tree


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 63, 64, 65])
def test_each_event_has_a_path_to_the_root_and_no_other_event_has_it(size: int) -> None:
    tree, nodes = grown(size)
    for position in range(1, size + 1):
        path = inclusion_path(position, size, nodes.__getitem__)
        assert follow_path(LEAVES[position - 1], position, size, path) == tree.root()
        assert follow_path(LEAVES[-1], position, size, path) != tree.root()


def test_a_path_of_another_length_or_position_is_refused() -> None:
    tree, nodes = grown(13)
    path = inclusion_path(5, 13, nodes.__getitem__)
    with pytest.raises(ValueError, match="shorter"):
        follow_path(LEAVES[4], 5, 13, path[:-1])
    with pytest.raises(ValueError, match="longer"):
        follow_path(LEAVES[4], 5, 13, [*path, path[0]])
    for position in (0, 14):
        with pytest.raises(ValueError, match="not in a tree of 13"):
            follow_path(LEAVES[4], position, 13, path)
        with pytest.raises(ValueError, match="not in a tree of 13"):
            inclusion_path(position, 13, nodes.__getitem__)
    assert follow_path(LEAVES[4], 6, 13, path) != tree.root()


def test_a_leaf_says_where_its_event_stands_and_every_part_of_it() -> None:
    parts = (7, "ab" * 16, 1, "TaskRated", b'{"stars":5}')
    others = [
        (8, *parts[1:]),
        (7, "cd" * 16, *parts[2:]),
        (*parts[:2], 2, *parts[3:]),
        (*parts[:3], "TaskRate", b'd{"stars":5}'),
    ]
    assert len({leaf(*parts), *(leaf(*other) for other in others), leaf(*parts[:4], b'{"stars":4}')}) == len(others) + 2


def test_on_average_two_nodes_are_stored_with_an_event() -> None:
    _, nodes = grown(64)
    assert sum(map(len, nodes.values())) == (2 * 64 - 1) * SIZE
    assert Tree().root() == EMPTY
