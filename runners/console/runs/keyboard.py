"""What a person types in a conversation: lines, one key, and a text in an editor."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from ....domain.errors import NotPossible

PROMPT, GOES_ON = "> ", ". "
"""Before a question, and before a further line of it."""


def is_typed() -> bool:
    """Whether a person types at a terminal and sees what is printed."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def read_text(begun: str = "") -> str | None:
    """The next text: a line, and further ones after each that ends with a backslash. None at the end of the input.

    ``begun`` is a beginning that was typed already, which the person goes on with.
    """
    lines: list[str] = []
    while (line := _read_line(GOES_ON if lines else PROMPT, "" if lines else begun)) is not None:
        lines.append(line.removesuffix("\\"))
        if not line.endswith("\\"):
            break
    return "\n".join(lines) if lines else None


def _read_line(prompt: str, begun: str) -> str | None:
    if not is_typed():
        line = sys.stdin.readline()
        return line.rstrip("\r\n") if line else None
    import readline

    readline.set_startup_hook((lambda: readline.insert_text(begun)) if begun else None)
    try:
        return input(prompt)
    except EOFError:
        print()
        return None
    finally:
        readline.set_startup_hook(None)


def read_key() -> str:
    """The next key at the terminal, without Enter: a character; empty for one that writes none, such as an arrow."""
    import termios
    import tty

    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    try:
        tty.setcbreak(terminal, termios.TCSADRAIN)
        key = os.read(terminal, 1)
        if key == b"\x1b":  # the first byte of several
            termios.tcflush(terminal, termios.TCIFLUSH)
            return ""
        if key and key[0] >= 0xC0:
            key += os.read(terminal, 1 if key[0] < 0xE0 else 2 if key[0] < 0xF0 else 3)
        return key.decode("utf-8", "replace")
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def edit(text: str) -> str | None:
    """The text as the person leaves it in $VISUAL or $EDITOR; None where neither is set, or there is no terminal.

    The file is in a folder that only this user reads, and is deleted. Raises ``NotPossible`` where the editor fails.
    """
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not editor or not sys.stdin.isatty():
        return None
    with TemporaryDirectory(prefix="grokputer-") as folder:
        file = Path(folder) / "answer.txt"
        file.write_text(text, encoding="utf-8")
        try:
            code = subprocess.run([*shlex.split(editor), str(file)], check=False).returncode
            if code:
                raise NotPossible(f"the editor {editor!r} ended with {code}; nothing was recorded")
            return file.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise NotPossible(f"the editor {editor!r} cannot be used ({error}); set $EDITOR to another") from None
