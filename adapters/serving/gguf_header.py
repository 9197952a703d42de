"""The header of a GGUF file: what the model is, and whether the file is whole. Reads no weights and needs no library.

Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

VERSIONS = (2, 3)
LONGEST = 1 << 20
"""Bytes of the longest text that is kept; chosen: chat templates have a few thousand."""
MOST = 1 << 24
"""Entries over which a count is no count; chosen: vocabularies have some hundred thousand."""

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_TEXT, _ARRAY = 8, 9

BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 40),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292),
    16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82),
    23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2),
    34: (256, 54), 35: (256, 66), 39: (32, 17), 40: (64, 36), 41: (128, 18),
}  # fmt: skip
"""By type of tensor: numbers in a block, and its bytes. As in ``gguf.constants.GGML_QUANT_SIZES``."""


class BadGguf(Exception):
    """The file is no GGUF, or is not whole; the message completes a sentence that begins with the file's name."""


@dataclass(frozen=True)
class GgufHeader:
    """What a GGUF says about its model. ``values`` has its fields; of arrays, their lengths."""

    values: dict[str, Any]
    parameters: int = 0
    """The numbers in all its tensors."""

    @property
    def architecture(self) -> str:
        """The kind of model, such as ``llama``; empty where the file does not say."""
        return str(self.values.get("general.architecture", ""))

    @property
    def chat_template(self) -> str | None:
        """The model's own chat template."""
        return self.values.get("tokenizer.chat_template")


def read_header(file: Path) -> GgufHeader:
    """The header, after a check that every tensor is in the file. Raises ``BadGguf``, and ``OSError``."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        if stream.read(4) != b"GGUF":
            raise BadGguf("is no GGUF file")
        try:
            return _read(_Reader(stream), size)
        except (struct.error, UnicodeDecodeError, KeyError, OverflowError, RecursionError) as error:
            if stream.tell() >= size:
                raise BadGguf("is cut off within its header; copy or download it again") from error
            raise BadGguf("has a damaged header; copy or download it again") from error


def _read(reader: _Reader, size: int) -> GgufHeader:
    version = reader.number("I")
    if version not in VERSIONS:
        raise BadGguf(f"is GGUF of version {version}; versions {VERSIONS[0]} and {VERSIONS[1]} are read")
    tensors, fields = reader.count(), reader.count()
    values = {reader.text(): reader.value() for _ in range(fields)}
    if int(values.get("split.count", 1) or 1) > 1:
        raise BadGguf("is one part of several; join them with llama-gguf-split --merge")
    end = parameters = 0
    for _ in range(tensors):
        name = reader.text()
        shape = [reader.number("Q") for _ in range(reader.number("I"))]
        kind, offset = reader.number("I"), reader.number("Q")
        if kind not in BLOCKS:
            raise BadGguf(f"holds {name or 'a tensor'} in the unknown type {kind}; take a file of another quantisation")
        parameters += prod(shape)
        numbers, length = BLOCKS[kind]
        end = max(end, offset + prod(shape) // numbers * length)
    align = int(values.get("general.alignment", 32)) or 32
    start = -(-reader.position // align) * align
    if tensors == 0:
        raise BadGguf("holds no weights")
    if start + end > size:
        raise BadGguf(f"is cut off: it has {size} of {start + end} bytes; copy or download it again")
    return GgufHeader(values, parameters)


class _Reader:
    """Reads the header's numbers and texts, in order."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    @property
    def position(self) -> int:
        return self._stream.tell()

    def number(self, form: str) -> Any:
        length = struct.calcsize(f"<{form}")
        return struct.unpack(f"<{form}", self._stream.read(length))[0]

    def count(self) -> int:
        count: int = self.number("Q")
        if count > MOST:
            raise OverflowError(count)
        return count

    def text(self) -> str:
        length: int = self.number("Q")
        if length > LONGEST:
            raise OverflowError(length)
        found = self._stream.read(length)
        if len(found) < length:
            raise struct.error("cut off")
        return found.decode()

    def value(self) -> Any:
        return self._value(self.number("I"))

    def _value(self, kind: int) -> Any:
        if kind == _TEXT:
            return self.text()
        if kind != _ARRAY:
            return self.number(_SCALARS[kind])
        inner, length = self.number("I"), self.count()
        if inner == _TEXT:
            for _ in range(length):
                self._skip(self.number("Q"))
        elif inner == _ARRAY:
            for _ in range(length):
                self._value(inner)
        else:
            self._skip(length * struct.calcsize(f"<{_SCALARS[inner]}"))
        return length

    def _skip(self, length: int) -> None:
        if length > MOST * 8:
            raise OverflowError(length)
        self._stream.seek(length, 1)
