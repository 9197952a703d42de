"""Runs the section 'The loop by hand' of docs/getting-started.md on a new log, and draws docs/session.svg of it.

    python scripts/picture.py          # about two minutes on two idle cores; needs the extras train and browser

Nothing in the picture is written by hand: each line is the output of a command.
"""

from __future__ import annotations

import os
import pty
import re
import shlex
import subprocess
import sys
import tempfile
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).parent.parent
SECTION = re.compile(r"^## The loop by hand\n.*?^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)
COLUMNS = 118
SHOWN = {"run": 1, "work": 2, "why": 40}
"""Commands in the picture, and how many of their last lines; the settings before them are left out."""

FRAME = """<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" role="img">
<title>A session of Grokputer, from failing runs to a promoted adapter</title>
<style>
.{unique_id}-matrix {{ font: {char_height}px/{line_height}px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; }}
.{unique_id}-title {{ font: bold 18px sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal"><rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
"""Rich's own frame loads a font from the network; this one uses the reader's fonts."""


def session() -> list[str]:
    """The commands of the section."""
    [block] = SECTION.findall((ROOT / "docs" / "getting-started.md").read_text(encoding="utf-8"))
    return [line for line in block.splitlines() if line]


def play(command: str, folder: Path) -> str:
    """The command's output on a terminal. Raises ``CalledProcessError`` where it fails."""
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": programs, "COLUMNS": "4000", "TERM": "xterm-256color"}
    environment.pop("GROKPUTER_DB", None)
    master, slave = pty.openpty()
    with tempfile.TemporaryFile() as errors:
        # Standard input and stderr are not a terminal, so there are no questions and no progress bars.
        words = shlex.split(command, comments=True)
        process = subprocess.Popen(
            words, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=slave, stderr=errors
        )
        os.close(slave)
        printed = b"".join(iter(lambda: _read(master), b""))
        os.close(master)
        status = process.wait()
        errors.seek(0)
        complaints = errors.read()
    if status != 0:
        raise subprocess.CalledProcessError(status, command, printed, complaints)
    return (printed if printed.strip() else complaints).decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux's error for a closed other end
        return b""


def draw(played: list[tuple[str, str]]) -> str:
    """The picture of the commands and their output."""
    console = Console(record=True, width=COLUMNS, file=StringIO(), force_terminal=True, color_system="truecolor")
    for command, printed in played:
        console.print(Text.assemble(("$ ", "bold green"), (command, "bold")))
        for line in printed.replace("\r", "").splitlines()[-SHOWN[command.split()[1]] :]:
            text = Text.from_ansi(line)
            text.truncate(COLUMNS, overflow="ellipsis")
            console.print(text, no_wrap=True)
        console.print()
    picture = console.export_svg(title="grokputer", code_format=FRAME, unique_id="session")
    return "\n".join(line.rstrip() for line in picture.splitlines()) + "\n"


def main() -> None:
    """Play the section and write the picture."""
    played = []
    with tempfile.TemporaryDirectory() as folder:
        for command in session():
            print(f"$ {command}", flush=True)
            printed = play(command, Path(folder))
            if command.split()[1] in SHOWN:
                played.append((command, printed))
    (ROOT / "docs" / "session.svg").write_text(draw(played), encoding="utf-8")


if __name__ == "__main__":
    main()
