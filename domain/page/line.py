"""A page line and its fields: `kind*=value:text[number]`, as `observe.js` writes it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .messages import Page

_LINE = re.compile(r"(?P<kind>[^=:*\[]+)(?P<is_on>\*?)(?:=(?P<value>.*?))?(?::(?P<text>.*))?\[\d+\]")


@dataclass(frozen=True)
class Line:
    """The fields of one page line; ``written`` is the whole line."""

    written: str
    kind: str
    is_on: bool
    value: str
    text: str


def read(page: Page, kind: str = "") -> list[Line]:
    """The page's lines whose kind begins with the given words: ``input`` matches ``input.text``, ``input.te`` does not."""
    parsed = ((written, _LINE.fullmatch(written)) for written in page.lines)
    lines = [
        Line(written, match["kind"], bool(match["is_on"]), match["value"] or "", match["text"] or "")
        for written, match in parsed
        if match
    ]
    return [line for line in lines if re.match(rf"{re.escape(kind)}(?![a-z])", line.kind) or not kind]
