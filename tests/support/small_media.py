"""Small pictures and sounds that any decoder takes."""

from __future__ import annotations

import struct
import wave
from io import BytesIO
from typing import Any

from PIL import Image


def picture(color: str = "red", form: str = "PNG", size: tuple[int, int] = (4, 3), **options: Any) -> bytes:
    """A picture of one colour."""
    file = BytesIO()
    Image.new("RGB", size, color).save(file, form, **options)
    return file.getvalue()


def wav(seconds: float = 0.01, rate: int = 16_000) -> bytes:
    """Silence, as WAV."""
    file = BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(bytes(2 * int(seconds * rate)))
    return file.getvalue()


def empty_png() -> bytes:
    """A PNG of 0 x 0 pixels."""
    whole = picture()
    return whole[:16] + struct.pack(">II", 0, 0) + whole[24:]


DAMAGED = {
    "a truncated PNG": picture(size=(90, 90))[:-40],
    "a PNG of nothing": empty_png(),
    "a truncated JPEG": picture(form="JPEG", size=(90, 90))[:-200],
    "a truncated GIF": picture(form="GIF", size=(90, 90))[:60],
    "a WebP of 20 bytes": picture(form="WEBP")[:20],
    "a truncated WebP": picture(form="WEBP", size=(90, 90))[:-20],
    "a WAV of 24 bytes": wav()[:24],
    "a WAV without sound": wav()[:44],
    "a WAV without a rate": wav()[:24] + bytes(4) + wav()[28:],
}
"""Files that no decoder takes."""
