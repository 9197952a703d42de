"""The reader and the listener that the settings choose."""

from __future__ import annotations

from pathlib import Path

from ...domain.settings.settings import Policy
from ..environments.senses.local_listener import LocalListener
from ..environments.senses.reader import Reader
from ..environments.senses.remote_listener import MODEL, RemoteListener
from ..environments.senses.speech import Listener
from .availability import find_key_variable
from .extras import require


def open_reader() -> Reader:
    """A reader of pictures. Raises ``MissingExtra``."""
    require("read")
    return Reader()


def open_listener(policy: Policy) -> Listener:
    """The listener of the settings: at ``audio.endpoint``, or on this machine. Raises ``MissingExtra``."""
    audio = policy.audio
    require("audio")  # recordings are unpacked here in any case
    if audio.endpoint is None:
        folder = None if audio.model is None else Path(audio.model).expanduser()
        return LocalListener(folder, max_seconds=audio.max_seconds)
    require("endpoint")
    key = find_key_variable("audio.endpoint", audio.endpoint)
    return RemoteListener(audio.endpoint, audio.model or MODEL, key_variable=key, max_seconds=audio.max_seconds)
