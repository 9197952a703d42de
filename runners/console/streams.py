"""The program's streams: whatever the terminal's encoding, and whether they are open or closed, output is text or one line.

``sys.stdout`` is None where a process is started with it closed, and an encoding such as ASCII has no character for most text.
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
"""What is written in the place of characters that an encoding lacks; any other is shown as an escape."""

HANDLER = "grokputer.plain"
"""The name of the codec error handler that does so."""


class ClosedOutput(GrokputerError):
    """Stdout is closed or cannot be written, so nothing could be shown."""


def prepare_streams() -> None:
    """Make the streams safe to write: plain characters where an encoding lacks them, and nothing is None.

    Raises ``ClosedOutput`` where stdout is closed: nothing is done, because nobody would see what.
    """
    is_closed = sys.stdout is None
    _fill()
    codecs.register_error(HANDLER, _plain)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors=HANDLER)
    if is_closed:
        raise ClosedOutput("stdout is closed; nothing was done, as nobody would see it; give >/dev/null to run unseen")


def finish_output() -> str | None:
    """Write out what is left of stdout; why that cannot be done, None where all is written.

    An empty text stands for a reader that has stopped reading, which is no error.
    """
    try:
        sys.stdout.flush()
    except OSError as error:
        # Python would try once more at its end, and complain in words of its own.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return "" if isinstance(error, BrokenPipeError) else f"stdout cannot be written: {error.strerror}"
    return None


def _fill() -> None:
    """Open nothing in the place of each closed stream: a file that is opened later must not get its number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is not None:
            continue
        opened = os.open(os.devnull, os.O_RDONLY if number == 0 else os.O_WRONLY)
        if opened != number:
            os.dup2(opened, number)
            os.close(opened)
        setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False))


def _plain(error: UnicodeError) -> tuple[str, int]:
    """A codec error handler: plain characters for those that cannot be encoded."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(PLAIN.get(it) or _escape(it) for it in lacking), error.end


def _escape(character: str) -> str:
    return character.encode("ascii", "backslashreplace").decode("ascii")
