"""The files of a model's folder: whether all are there and whole, and their hash. Reads no weights."""

from __future__ import annotations

import hashlib
import json
import struct
from math import prod
from pathlib import Path
from typing import Any

from ..registry.files import hash_file

HASHED = ("*.safetensors", "*token*.json", "config.json", "chat_template*")
"""The files that make a model what it is: weights, tokens, shape, template."""
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "tokenizer_config.json", "vocab.json", "spiece.model")
"""Files of a tokenizer; one is enough."""
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")
INDEX = "model.safetensors.index.json"
"""The list of the files of weights, where there are several."""
POINTER = b"version https://git-lfs"
MOST_BYTES = 100_000_000
"""Bytes over which a header is no header; the limit of the safetensors library."""


def hash_model(folder: Path) -> str:
    """``sha256:<hex>`` of the files that make the model what it is. Its card and its licence are no part of it."""
    digest = hashlib.sha256()
    for file in (file for kind in HASHED for file in sorted(folder.glob(kind))):
        digest.update(f"{hash_file(file)}  {file.name}\n".encode())
    return f"sha256:{digest.hexdigest()}"


def complain_of_folder(folder: Path) -> str:
    """What is wrong with the model in the folder, completing a sentence that begins with its name; empty if nothing."""
    try:
        return _complain(folder)
    except OSError as error:
        return f"cannot be read: {error.filename or folder}: {error.strerror or error}"


def _complain(folder: Path) -> str:
    names = {file.name for file in folder.iterdir()}
    missing = ["config.json"] * ("config.json" not in names)
    missing += ["a tokenizer (tokenizer.json)"] * names.isdisjoint(TOKENIZERS)
    weights = sorted(folder.glob("*.safetensors"))
    if not weights and any(True for kind in PICKLES for _ in folder.glob(kind)):
        return "holds its weights as pickles alone, which can run code; only safetensors are read, so convert it"
    if not weights and any(True for _ in folder.glob("*.gguf")):
        return "holds GGUF files; name one of them instead of the folder"
    missing += ["*.safetensors"] * (not weights)
    if missing:
        return f"lacks {' and '.join(missing)}"
    if "config.json" in names and not isinstance(_read_json(folder / "config.json"), dict):
        return "has a config.json that is no JSON object"
    if absent := _absent(folder / INDEX, names):
        return f"lacks {', '.join(absent[:3])}{' and others' if len(absent) > 3 else ''} of its weights"
    problems = (f"has {problem} {file.name}" for file in weights if (problem := _complain_of_weights(file)))
    return next(problems, "")


def _absent(index: Path, names: set[str]) -> list[str]:
    """The files of weights that the index lists and the folder lacks."""
    listed = _read_json(index) if index.is_file() else {}
    files = listed.get("weight_map") if isinstance(listed, dict) else None
    return sorted({str(name) for name in files.values()} - names) if isinstance(files, dict) else []


def _complain_of_weights(file: Path) -> str:
    """What is wrong with a file of safetensors, in words before its name; empty if nothing.

    Source: https://github.com/huggingface/safetensors#format
    """
    size = file.stat().st_size
    with file.open("rb") as stream:
        start = stream.read(len(POINTER))
        if start == POINTER:
            return "only a pointer of Git LFS in place of the weights (run 'git lfs pull'):"
        if size < 8:
            return "the truncated file"
        length = struct.unpack("<Q", start[:8])[0]
        if length > MOST_BYTES:
            return "the damaged file"
        if 8 + length > size:
            return "the truncated file"
        stream.seek(8)
        try:
            header = json.loads(stream.read(length))
            ends = [it["data_offsets"][1] for name, it in header.items() if name != "__metadata__"]
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return "the damaged file"
    needed = 8 + length + max(ends, default=0)
    return f"the truncated file ({size} of {needed} bytes)" if needed > size else ""


def count_parameters(folder: Path) -> int | None:
    """The numbers in all weights of the folder, from their headers; None where there are none, or one cannot be read.

    Weights that are packed to 4 bits count less.
    """
    counted = 0
    for file in folder.glob("*.safetensors"):
        try:
            with file.open("rb") as stream:
                length = struct.unpack("<Q", stream.read(8))[0]
                header = json.loads(stream.read(length)) if length <= MOST_BYTES else {}
            counted += sum(prod(it["shape"]) for name, it in header.items() if name != "__metadata__")
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, struct.error):
            return None
    return counted or None


def has_template(folder: Path) -> bool:
    """Whether the model in the folder has a chat template."""
    if any(True for _ in folder.glob("chat_template*")):
        return True
    said: Any = _read_json(folder / "tokenizer_config.json") if (folder / "tokenizer_config.json").is_file() else None
    return isinstance(said, dict) and bool(said.get("chat_template"))


def _read_json(file: Path) -> Any:
    try:
        return json.loads(file.read_bytes())
    except (ValueError, RecursionError):
        return None
