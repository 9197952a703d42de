"""The program's streams: they can be written whatever the terminal's encoding, and where a stream is closed.

``sys.stdout`` is None where a process is started with it closed, and an encoding such as ASCII has no character for
most text.
"""

from __future__ import annotations

import codecs
import os
import sys

from ...domain.errors import GrokputerError

PLAIN = {
    "─": "-", "│": "|", "┌": "+", "└": "+", "├": "+", "━": "-", "…": "...", "→": "->", "←": "<-", "≥": ">=", "≤": "<=",
    "\u2013": "-", "\u2014": "-", "\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\xd7": "x", "±": "+-",
}  # fmt: skip
"""Replacements of characters that an encoding lacks; any other character is written as an escape."""

HANDLER = "grokputer.plain"
"""The name of the codec error handler that replaces them."""


class ClosedOutput(GrokputerError):
    """Stdout is closed or cannot be written, so nothing could be shown."""


def prepare_streams() -> None:
    """Make the streams safe to write: characters that the encoding lacks are replaced, and no stream is None.

    Raises ``ClosedOutput`` where stdout is closed: the command is not run, because its output would be lost.
    """
    is_closed = sys.stdout is None
    _fill()
    codecs.register_error(HANDLER, _plain)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors=HANDLER)
    if is_closed:
        raise ClosedOutput("stdout is closed, so nothing was done; give >/dev/null to run without output")


def finish_output() -> str | None:
    """Flush stdout. Returns why that cannot be done, None on success.

    An empty text means that the reader has stopped reading, which is not an error.
    """
    try:
        sys.stdout.flush()
    except OSError as error:
        # Python would flush again at exit, and print an error message of its own.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return "" if isinstance(error, BrokenPipeError) else f"stdout cannot be written: {error.strerror}"
    return None


def _fill() -> None:
    """Open the null device in place of each closed stream, so that a file that is opened later does not get its number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is not None:
            continue
        opened = os.open(os.devnull, os.O_RDONLY if number == 0 else os.O_WRONLY)
        if opened != number:
            os.dup2(opened, number)
            os.close(opened)
        setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False))


def _plain(error: UnicodeError) -> tuple[str, int]:
    """A codec error handler: replacements of the characters that cannot be encoded."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(PLAIN.get(character) or _escape(character) for character in missing), error.end


def _escape(character: str) -> str:
    return character.encode("ascii", "backslashreplace").decode("ascii")
