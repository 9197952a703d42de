"""Escaping of untrusted text: characters that control a terminal, or reorder or hide text, are shown as escapes.

Tasks, answers, comments, reasons and names come from pages, models and people. All text that is printed, mailed or put
into a page for people passes through here. JSON does not, because programs read it.
"""

from __future__ import annotations

from html import escape
from unicodedata import category

ESCAPED = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories: control, format (bidi and invisible characters), surrogate, line and paragraph separator."""


def escape_text(text: str) -> str:
    r"""The text on one line in plain characters: each control or format character as ``\x1b``, ``\n`` or ``\u202e``.

    A backslash is not escaped, because the result is for people. Programs read the JSON output.
    """
    if text.isprintable():
        return text
    return "".join(_escape(character) if category(character) in ESCAPED else character for character in text)


def escape_html(text: str) -> str:
    """The same, as HTML text or a quoted attribute."""
    return escape(escape_text(text))


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
