"""What the screen showed before a step, as it is recorded."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from ...domain.events import Screen
from ...domain.page.action import parse_action
from ...domain.page.messages import Box, Page
from ...domain.vocabulary import Screenshots, StepKind

if TYPE_CHECKING:
    from ..store.ledger import Ledger

_PNG = b"\x89PNG\r\n\x1a\n"


def record_screen(ledger: Ledger, page: Page, answer: str, kind: StepKind, kept: Screenshots) -> Screen | None:
    """The screen that the step was decided on, with its picture where the setting keeps it; None without a picture.

    The box is that of the element which the answer names.
    """
    if page.picture is None:
        return None
    width, height = size_of(page.picture)
    is_kept = kept == Screenshots.ALL or (kept == Screenshots.READS and kind == StepKind.READ)
    url = f"data:image/png;base64,{base64.b64encode(page.picture).decode('ascii')}" if is_kept else ""
    box = _box_of(page, answer)
    return Screen(
        picture=ledger.put_picture(url) if url else None,
        width=width,
        height=height,
        box=None if box is None else (box.x, box.y, box.width, box.height),
    )


def size_of(png: bytes) -> tuple[int, int]:
    """Width and height of the picture, from its header. Raises ``ValueError`` for what is no PNG."""
    if not png.startswith(_PNG) or len(png) < 24:
        raise ValueError("not a PNG")
    return int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")


def _box_of(page: Page, answer: str) -> Box | None:
    action = parse_action(answer, page.verbs)
    number = action.number if action is not None else 0
    return page.boxes[number - 1] if 1 <= number <= len(page.boxes) else None
