"""The key of a display, for libraries that look for it in the environment alone."""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_LOCK = threading.Lock()


@contextmanager
def authority(environment: Mapping[str, str]) -> Iterator[None]:
    """Within the block, libraries find the key in the file that ``XAUTHORITY`` names in the given environment."""
    with _LOCK:
        before = os.environ.get("XAUTHORITY")
        if "XAUTHORITY" in environment:
            os.environ["XAUTHORITY"] = environment["XAUTHORITY"]
        try:
            yield
        finally:
            if before is None:
                os.environ.pop("XAUTHORITY", None)
            else:
                os.environ["XAUTHORITY"] = before


def key_for(file: Path, display: str, host: bytes) -> bytes:
    """The file's content with its key for this display of this machine too: python-xlib takes no key for any display."""
    content = file.read_bytes()
    number = display.rpartition(":")[2].partition(".")[0].encode()
    name_and_key = content[6:]
    entry = struct.pack(">HH", 256, len(host)) + host + struct.pack(">H", len(number)) + number + name_and_key
    return content + entry
