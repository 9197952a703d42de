"""Which screen a desktop has, and how it is used."""

from __future__ import annotations

from dataclasses import dataclass

SIZE = (1024, 768)
"""Width and height of a private screen, in pixels; chosen."""

LINES = 64
"""Most lines of a page: as many as the embedded model has number tokens."""

OWN_INPUT, PYAUTOGUI = "own", "pyautogui"


@dataclass(frozen=True)
class Options:
    """The options of a desktop. ``display`` is a person's own display, as ``:0``; empty for a private one."""

    size: tuple[int, int] = SIZE
    devices: str = OWN_INPUT
    display: str = ""
    lines: int = LINES


def read_size(written: str) -> tuple[int, int]:
    """Width and height of ``1024x768``."""
    width, _, height = written.partition("x")
    return int(width), int(height)
