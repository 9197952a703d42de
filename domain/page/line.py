"""A page line and its fields: `kind*=value:text[number]`, as `observe.js` writes it too."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .messages import Page

_LINE = re.compile(r"(?P<kind>[^=:*\[]+)(?P<is_on>\*?)(?:=(?P<value>.*?))?(?::(?P<text>.*))?\[\d+\]")

_NUMBER = re.compile(r"\[(\d+)\]")

MOST_TEXT = 200
"""Characters of a text or a value in a line; longer ones end in ``...``. The same as in ``observe.js``."""


@dataclass(frozen=True)
class Line:
    """The fields of one page line; ``written`` is the whole line."""

    written: str
    kind: str
    is_on: bool
    value: str
    text: str


def write(number: int, kind: str, text: str = "", value: str = "", *, is_on: bool = False) -> str:
    """The line of an element. It is one line, and only its end looks like a number: ``[3]`` in a text becomes ``(3)``."""
    name, content = _clean(text, MOST_TEXT), _clean(value, MOST_TEXT)
    return f"{kind}{'*' if is_on else ''}{f'={content}' if content else ''}{f':{name}' if name else ''}[{number}]"


def _clean(text: str, most: int) -> str:
    words = " ".join(text.split())
    return _NUMBER.sub(r"(\1)", words if len(words) <= most else words[: most - 3] + "...")


def read(page: Page, kind: str = "") -> list[Line]:
    """The page's lines whose kind begins with the given words: ``input`` matches ``input.text``, ``input.te`` does not."""
    parsed = ((written, _LINE.fullmatch(written)) for written in page.lines)
    lines = [
        Line(written, match["kind"], bool(match["is_on"]), match["value"] or "", match["text"] or "")
        for written, match in parsed
        if match
    ]
    return [line for line in lines if re.match(rf"{re.escape(kind)}(?![a-z])", line.kind) or not kind]
