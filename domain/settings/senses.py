"""Settings of the senses: reading pictures, and hearing speech."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .forms import AUDIO_ENDPOINT
from .setting import MEASURED, OPERATORS, Group, setting


@dataclass(frozen=True)
class ReadSettings(Group):
    """Words that are read on pictures."""

    PREFIX: ClassVar[str] = "read"
    IS_PER_ROLE: ClassVar[bool] = False

    min_confidence: float = setting(
        0.85,
        "A word that a run used and that was read with a lower score is doubtful: the issue 'ocr_confidence_low' is proposed "
        "for the rating.",
        source=OPERATORS,
        low=0,
        high=1,
    )


@dataclass(frozen=True)
class AudioSettings(Group):
    """Speech that is heard."""

    PREFIX: ClassVar[str] = "audio"
    IS_PER_ROLE: ClassVar[bool] = False

    model: str | None = setting(
        None,
        "A folder with a Whisper model in the form of CTranslate2, or the endpoint's name of a model, whisper-1 unless set. "
        "Without a value or an endpoint, the model of the extra 'audio', which hears English. Nothing is downloaded.",
    )
    endpoint: str | None = setting(
        None,
        "Base URL of an OpenAI-compatible endpoint that hears speech in place of this machine. Its key comes from "
        "GROKPUTER_AUDIO_KEY, or, where that is not set, from OPENAI_API_KEY.",
        form=AUDIO_ENDPOINT,
    )
    max_seconds: int = setting(120, "Longest recording that is heard.", unit="seconds", low=1, high=3600)
    min_confidence: float = setting(
        0.75,
        "Speech that was heard with less confidence is doubtful: the issue 'speech_confidence_low' is proposed for the rating.",
        source=MEASURED,
        low=0,
        high=1,
    )
