"""A listener at an OpenAI-compatible endpoint of ``/audio/transcriptions``. The key comes from the environment."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ....adapters.endpoint.client import find_endless, open_http
from ....domain.errors import ModelError
from ....domain.settings.forms import complain_of_url
from .sound import RATE, find_format, read_bytes, unpack
from .speech import PROMPT, Listener, Transcript

if TYPE_CHECKING:
    from openai import OpenAI

MODEL = "whisper-1"
"""The model that is asked for. Source: OpenAI's name of Whisper, which other servers take too."""
TIMEOUT_S = 60.0
"""Longest silence of the endpoint; chosen: as that of a chat model."""
LONGEST = 100_000
"""Characters of a transcript; chosen: an hour of speech has half of that."""


class RemoteListener(Listener):
    """Hears at the endpoint. Thread-safe. A recording that is no audio or too long is refused before it is sent.

    ``key_variable`` names the environment variable with the API key; it may be unset for a server without keys.
    """

    def __init__(
        self, endpoint: str, model: str = MODEL, *, key_variable: str = "OPENAI_API_KEY", max_seconds: float = 120
    ) -> None:
        self.endpoint = endpoint
        self.model = model
        self._key_variable = key_variable
        self._max_seconds = max_seconds
        self._client: OpenAI | None = None

    def transcribe(self, audio: bytes | Path) -> Transcript:
        """What the endpoint heard; see ``Listener.transcribe``. Its confidence is None where the server tells none."""
        recording = read_bytes(audio)
        name = f"speech.{find_format(recording).lower()}"
        seconds = len(unpack(recording, self._max_seconds)) / RATE
        # Only Whisper tells likelihoods, and other models refuse to be asked for them.
        form: Any = "verbose_json" if "whisper" in self.model.lower() else "json"
        try:
            answer = self._open().audio.transcriptions.with_raw_response.create(
                model=self.model, file=(name, recording), prompt=PROMPT, response_format=form, temperature=0
            )
            body = answer.http_response.json()
        except ModelError:
            raise
        except Exception as error:  # The HTTP library raises many kinds, and all are the endpoint's fault here.
            raise ModelError(f"model {self.model} at {self.endpoint} did not hear: {self._reason(error)}") from error
        return Transcript(self._read_text(body), _read_confidence(body), seconds)

    def _open(self) -> OpenAI:
        from openai import OpenAI

        if wrong := complain_of_url(self.endpoint):
            raise ModelError(f"audio.endpoint {self.endpoint!r} cannot be asked: {wrong}; set it again")
        if self._client is None:
            key = os.environ.get(self._key_variable, "").strip() or "none"
            self._client = OpenAI(
                base_url=self.endpoint, api_key=key, timeout=TIMEOUT_S, http_client=open_http(TIMEOUT_S)
            )
        return self._client

    def _read_text(self, body: Any) -> str:
        text = body.get("text") if isinstance(body, dict) else None
        if not isinstance(text, str) or len(text) > LONGEST:
            raise ModelError(f"model {self.model} at {self.endpoint} did not hear: its reply has no transcript")
        return " ".join(text.encode("utf-8", "replace").decode().split())

    def _reason(self, error: Exception) -> str:
        """The reason in this program's own words: a server's message may repeat the key."""
        import openai

        if given_up := find_endless(error):
            return given_up
        if isinstance(error, openai.APITimeoutError):
            return f"no answer within {TIMEOUT_S:g} s"
        if isinstance(error, openai.APIConnectionError):
            return "no connection; check audio.endpoint and that the server runs"
        if isinstance(error, (openai.AuthenticationError, openai.PermissionDeniedError)):
            return f"it refused the API key; check the environment variable {self._key_variable}"
        if isinstance(error, openai.APIStatusError):
            return f"HTTP {error.status_code}; check audio.model and that the server has /audio/transcriptions"
        return f"its reply is no transcript ({type(error).__name__})"


def _read_confidence(body: dict[str, Any]) -> float | None:
    """The mean likelihood of the least likely part; None where the reply tells none."""
    parts = body.get("segments")
    told = [part.get("avg_logprob") for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
    known = [float(it) for it in told if isinstance(it, int | float) and not isinstance(it, bool) and math.isfinite(it)]
    return min(math.exp(min(0.0, it)) for it in known) if known and len(known) == len(told) else None
