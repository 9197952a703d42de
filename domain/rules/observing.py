"""How a run sees its pages: by the elements that the environment tells, or by reading their pictures.

Where both are there, the elements are the teacher of what was read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..page.action import parse_action
from ..page.line import read
from ..page.messages import Box, Page
from ..page.reading import compare_lines
from ..page.words import Layout, surround
from ..vocabulary import Observe
from .confidence import mixes_look_alikes
from .roles import READS

OBSERVE = "run.observe"
"""The setting, recorded with the start of a run that may read."""

FRAMES = frozenset({"window", "dialog", "screen", "terminal", "canvas"})
"""Kinds of lines that say nothing of what is in a window."""

WIDE = 0.5
"""Share of the place of all elements from which on a canvas makes a page bare; chosen: the page is about it then."""

FEWEST_ELEMENTS = 2
"""A page with fewer elements than this has almost no tree; chosen: a canvas may be told as one image."""

LIKE_TREE = 0.3
"""Share of right lines from which on a reading is like the tree. Measured: nine tasks of the desktop, read right,
have 0.48 to 0.89, because a tree names icons and hidden fields too; a misread screen has nearly all lines wrong."""


def may_read(mode: str, role: str, *, is_readable: bool, is_question: bool) -> bool:
    """Whether a run of the role may read, by the setting ``run.observe``, in an environment whose pages can be read.

    That of a question can be read only where the pictures that came with it are to be read, whatever the setting.
    """
    return role in READS and is_readable and (is_question or mode != Observe.TREE)


def recorded_observe(settings: Mapping[str, Any]) -> Observe | None:
    """How a run with these recorded settings saw its pages; None where it never read."""
    mode = settings.get(OBSERVE)
    return None if mode is None else Observe(mode)


def is_bare(page: Page) -> bool:
    """Whether the environment tells almost no elements of the page's picture."""
    places = page.boxes or [None] * len(page.lines)
    drawn = [line for line, box in zip(page.lines, places, strict=False) if box is not None or not page.boxes]
    lines = read(replace(page, lines=tuple(drawn)))
    shown = [line for line in lines if line.kind.removesuffix(" disabled") not in FRAMES]
    return len(shown) < FEWEST_ELEMENTS or _is_canvas(page)


def _is_canvas(page: Page) -> bool:
    """Whether a canvas, whose content no tree tells, has most of the place of all elements."""
    boxes = [box for box in page.boxes if box is not None]
    canvases = [box for line, box in zip(page.lines, page.boxes, strict=False) if box and line.startswith("canvas")]
    whole = surround(boxes) if boxes else None
    return whole is not None and any(_area(box) >= WIDE * _area(whole) for box in canvases)


def _area(box: Box) -> int:
    return box.width * box.height


def is_read(mode: Observe, page: Page) -> bool:
    """Whether the page is read before the next step. One without a picture cannot be, and the last one need not be."""
    if page.picture is None or page.is_done:
        return False
    return mode == Observe.OCR or (mode == Observe.AUTO and is_bare(page))


def is_like_tree(tree: Iterable[str], lines: Iterable[str], *, by_text: bool) -> bool:
    """Whether a reading agrees with the lines of the tree. ``by_text`` for lines whose kind was not read."""
    return compare_lines(tree, lines, by_text=by_text).share >= LIKE_TREE


def find_confidence(answer: str, page: Page, layout: Layout) -> float | None:
    """The lowest score of the read lines that the action names; None where it names none."""
    action = parse_action(answer, page.verbs)
    named = () if action is None else (action.number, action.target)
    scores = [layout.scores[number - 1] for number in named if 1 <= number <= len(layout.scores)]
    return min(scores, default=None)


def is_doubtful(answer: str, confidence: float | None, least: float) -> bool:
    """Whether ``ocr_confidence_low`` is proposed for an act with this answer.

    ``confidence`` is that of the words that it used, None where it used none, and ``least`` the setting
    ``read.min_confidence``. A line that mixes look-alikes is doubtful whatever its score.
    """
    if confidence is None:
        return False
    return confidence < least or any(map(mixes_look_alikes, _named_words(answer)))


def _named_words(answer: str) -> Sequence[str]:
    """The words of the lines that the action names."""
    parts = answer.split("[")[:-1]
    return [word for part in parts for word in part.partition(":")[2].split()]
