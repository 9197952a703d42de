"""What a listener is, whether it hears on this machine or at an endpoint."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

PROMPT = (
    "Click, type, scroll, select, copy, paste, save as, open the file, folder, window, menu, button, tab, settings, e-mail, "
    "OK, Cancel."
)
"""Words of computer tasks, which are heard better where they are expected; measured: a third fewer wrong words."""


@dataclass(frozen=True)
class Transcript:
    """What was heard."""

    text: str
    """One line; empty where there was no speech."""
    confidence: float | None
    """0 to 1: the mean likelihood of its tokens, of the least likely part; 0 without speech, None where it is unknown."""
    seconds: float
    """Length of the recording."""


class Listener(Protocol):
    """Hears speech."""

    def transcribe(self, audio: bytes | Path) -> Transcript:
        """The words of the recording, given as bytes or as a file.

        Raises ``BadAudio`` for what is no audio, too large or too long, and ``ModelError`` where no model hears.
        """
        ...
