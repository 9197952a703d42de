"""Text that every file can hold: valid Unicode without lone surrogates."""

from __future__ import annotations

from .errors import BadText

SHOWN = 40
"""Characters of a refused text that an error shows."""


def check_text(text: str, what: str) -> str:
    """The text itself. Raises ``BadText`` where it is not valid Unicode; ``what`` names it in the message."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadText(f"{what} is not valid Unicode: {show_fault(error)}; give it in UTF-8") from None
    return text


def is_unicode(text: str) -> bool:
    """Whether the text can be stored and sent: a lone surrogate, which JSON can write, is half a character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def show_fault(error: UnicodeEncodeError) -> str:
    """The text around the lone surrogate, in ASCII, and its position."""
    begin = max(0, error.start - SHOWN // 2)
    return f"{error.object[begin : begin + SHOWN]!a} at character {error.start + 1}"


def as_text(text: str) -> str:
    """The text with lone surrogates escaped, for output of other programs."""
    return text.encode("utf-8", "backslashreplace").decode()
