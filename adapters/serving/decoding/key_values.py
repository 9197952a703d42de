"""Keys and values of several texts: one row each, from its first token on and without gaps."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import proxy

if TYPE_CHECKING:
    from torch import Tensor

STEP = 64
"""Room for tokens grows in multiples of this; chosen."""

KeyValues = list[tuple["Tensor", "Tensor"]]
"""Keys and values of one text in each layer (groups, length, dim)."""


class Rows:
    """The keys and values of up to ``count`` texts. ``cache`` is what a model of transformers takes."""

    def __init__(self, count: int) -> None:
        from transformers import Cache

        self.count = count
        self.lengths: list[int] = []
        """The tokens of each row in use."""
        # A layer knows its rows weakly. In a cycle, the tensors of each batch would stay until Python's next full search
        # for garbage, which is rare where so many objects live: gigabytes.
        make_layer: Any = partial(_Layer, proxy(self))
        self._make_layer = make_layer
        self.cache: Any = Cache(layer_class_to_replicate=make_layer)
        self.first = 0
        self.width = 0
        self.end = 0
        self.places: tuple[Tensor, Tensor] | None = None

    def open(self, first: int, count: int, width: int) -> None:
        """Prepare a pass over ``count`` rows from ``first`` on that adds ``width`` tokens to each."""
        import torch

        lengths = self.lengths[first : first + count]
        self.first, self.width = first, width
        self.end = max(lengths) + width
        self.places = None
        if len(set(lengths)) > 1:
            starts = torch.tensor(lengths)[:, None]
            self.places = (torch.arange(first, first + count)[:, None], starts + torch.arange(width))

    def copy(self, source: int, target: int, length: int) -> None:
        """Give the target row the first tokens of the source row."""
        for layer in self.cache.layers:
            for tensor in (layer.keys, layer.values):
                tensor[target, :, :length] = tensor[source, :, :length]

    def put(self, row: int, kept: KeyValues, length: int) -> None:
        """Give the row the first tokens of a kept text."""
        if not self.cache.layers:
            self.cache.layers = [self._make_layer() for _ in kept]
        for layer, (keys, values) in zip(self.cache.layers, kept, strict=True):
            layer.make_room(keys[None], values[None], length)
            layer.keys[row, :, :length] = keys[:, :length]
            layer.values[row, :, :length] = values[:, :length]

    def take(self, row: int, length: int) -> KeyValues:
        """A copy of the row's first tokens."""
        return [
            (layer.keys[row, :, :length].clone(), layer.values[row, :, :length].clone()) for layer in self.cache.layers
        ]

    def remove(self, row: int) -> None:
        """Remove the row; the last one takes its place."""
        last = len(self.lengths) - 1
        if row != last:
            self.copy(last, row, self.lengths[last])
            self.lengths[row] = self.lengths[last]
        self.lengths.pop()


class _Layer:
    """One layer's part, as the cache of transformers calls it."""

    is_compileable = False
    is_sliding = False
    is_initialized = True

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.keys: Any = None
        self.values: Any = None

    def update(self, keys: Tensor, values: Tensor, *args: Any, **options: Any) -> tuple[Tensor, Tensor]:
        """Add a block to each row of the pass, and return the rows with it."""
        rows = self.rows
        self.make_room(keys, values, rows.end)
        first, last = rows.first, rows.first + keys.shape[0]
        if rows.places is None:
            start = rows.lengths[first]
            self.keys[first:last, :, start : start + rows.width] = keys
            self.values[first:last, :, start : start + rows.width] = values
        else:
            row, place = rows.places
            self.keys[row, :, place] = keys.transpose(1, 2)
            self.values[row, :, place] = values.transpose(1, 2)
        return self.keys[first:last, :, : rows.end], self.values[first:last, :, : rows.end]

    def make_room(self, keys: Tensor, values: Tensor, length: int) -> None:
        """Make room for rows of this length. Unused room is zero: masked, a number there counts nothing."""
        before = 0 if self.keys is None else self.keys.shape[2]
        if length <= before:
            return
        room = (max(length, before + before // 2) + STEP - 1) // STEP * STEP
        self.keys = self._grown(self.keys, keys, room)
        self.values = self._grown(self.values, values, room)

    def _grown(self, old: Any, like: Tensor, room: int) -> Tensor:
        tensor = like.new_zeros(self.rows.count, like.shape[1], room, like.shape[3])
        if old is not None:
            tensor[:, :, : old.shape[2]] = old
        return tensor

    def get_seq_length(self) -> int:
        """Tokens before the pass."""
        return self.rows.lengths[self.rows.first]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """The length of the rows with the block, and where they begin."""
        return self.rows.end, 0

    def get_max_length(self) -> int:
        """No most length."""
        return -1
