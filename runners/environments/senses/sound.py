"""Sound as samples: a recording that is unpacked within bounds, since a small file can hold days.

Only a few formats are unpacked, each by its own name: a library that guesses also takes playlists, which name other files.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ....domain.errors import BadAudio

if TYPE_CHECKING:
    import numpy

    Samples = numpy.ndarray[Any, numpy.dtype[numpy.float32]]

RATE = 16_000
"""Samples a second that Whisper hears."""
MOST_BYTES = 25 << 20
"""Bytes of a recording. Source: the limit of OpenAI's transcriptions."""

FORMATS = ("WAV", "FLAC", "Ogg", "MP3", "MP4", "WebM")


def read_bytes(audio: bytes | Path) -> bytes:
    """The recording's bytes. Raises ``BadAudio`` where the file cannot be read or is too large."""
    content = _read_file(audio) if isinstance(audio, Path) else audio
    if len(content) > MOST_BYTES:
        raise BadAudio(f"the recording has more than the {MOST_BYTES} bytes that are allowed; cut it")
    return content


def _read_file(path: Path) -> bytes:
    """The file's bytes, but no more than show that there are too many."""
    try:
        if not path.is_file():
            raise BadAudio(f"there is no file {path}")
        with path.open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except OSError as error:
        raise BadAudio(f"{path} cannot be read: {error.strerror or type(error).__name__}") from error


def find_format(audio: bytes) -> str:
    """The recording's format, one of ``FORMATS``, by its first bytes. Raises ``BadAudio`` for anything else."""
    if audio[:4] == b"RIFF" and audio[8:12] == b"WAVE":
        return "WAV"
    if audio[4:8] == b"ftyp":
        return "MP4"
    for begin, name in ((b"fLaC", "FLAC"), (b"OggS", "Ogg"), (b"ID3", "MP3"), (b"\x1a\x45\xdf\xa3", "WebM")):
        if audio.startswith(begin):
            return name
    if len(audio) > 2 and audio[0] == 0xFF and audio[1] & 0xE6 == 0xE2:  # a frame of layer III
        return "MP3"
    raise BadAudio(f"this is no recording in a known format; give {', '.join(FORMATS[:-1])} or {FORMATS[-1]}")


def unpack(audio: bytes, max_seconds: float) -> Samples:
    """The samples, one channel at ``RATE``, from -1 to 1. Raises ``BadAudio`` where it is damaged, empty or longer.

    Resampled as ``faster_whisper.audio.decode_audio`` does, but no further than the bound: a plain resampling between rates
    doubles the errors and more (measured on flite and espeak-ng).
    """
    import av
    import numpy

    kind = {"WAV": "wav", "FLAC": "flac", "Ogg": "ogg", "MP3": "mp3", "MP4": "mp4", "WebM": "matroska"}[
        find_format(audio)
    ]
    parts: list[Any] = []
    samples = 0
    try:
        with av.open(BytesIO(audio), mode="r", format=kind, metadata_errors="ignore") as container:
            if not container.streams.audio:
                raise BadAudio("the recording has no sound in it")
            resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
            for frame in container.decode(audio=0):
                for part in resampler.resample(frame):
                    parts.append(part.to_ndarray()[0])
                    samples += part.samples
                if samples > max_seconds * RATE:
                    raise BadAudio(
                        f"the recording is longer than {max_seconds:g} seconds; set audio.max_seconds or cut it"
                    )
            parts += [part.to_ndarray()[0] for part in resampler.resample(None)]
    except (av.FFmpegError, ValueError) as error:
        if isinstance(error, BadAudio):
            raise
        raise BadAudio("the recording is damaged; save it again") from error
    if not parts:
        raise BadAudio("the recording has no sound in it")
    return numpy.concatenate(parts).astype(numpy.float32) / numpy.float32(32768)
