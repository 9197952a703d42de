"""Pictures and sounds in messages: each stands in the text as a mark with its content key, alone on a line.

A recorded prompt, an example and a page are then text, whatever the model sees::

    What does the chart say?
    [image_url sha256:5f1c...]

Only what asks a model looks behind the marks: it turns the text into parts, in the form of OpenAI-compatible endpoints. Text
that comes from outside cannot hold a mark: see ``without_marks``.
"""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final

from ..errors import GrokputerError

IMAGE: Final = "image_url"
AUDIO: Final = "input_audio"
KINDS = (IMAGE, AUDIO)
"""The kinds of media, by the names of their parts."""

MOST_BYTES = 20_000_000
"""Of one picture or sound; chosen: the limit of common endpoints."""
MOST_PIXELS = 50_000_000
"""Of one picture; chosen: the largest photos of cameras have fewer, and a small file can hold far more."""
MOST_INPUTS = 16
"""Pictures and sounds of one task; chosen: more than a conversation with a model takes well."""

_MARK = re.compile(rf"\[({'|'.join(KINDS)}) (sha256:[0-9a-f]{{64}})\]")
_MARK_LINE = re.compile(rf"^{_MARK.pattern}(\n|$)|\n?{_MARK.pattern}")
_NAMES = {IMAGE: "pictures", AUDIO: "sounds"}
_URL = re.compile(r"data:(image|audio)/([a-z0-9.+-]{1,40});base64,", re.IGNORECASE)

_SIGNATURES = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF8", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (8, b"WAVE", "audio/wav"),
    (0, b"ID3", "audio/mp3"),
    (0, b"\xff\xfb", "audio/mp3"),
    (0, b"\xff\xf3", "audio/mp3"),
    (0, b"fLaC", "audio/flac"),
    (0, b"OggS", "audio/ogg"),
)
"""The first bytes of a file, where they stand, and its type."""

MOST_CHUNKS = 1000
"""Of a WAV before its sound; chosen: common ones have fewer than ten."""

_JPEG = b"\xff\xd8"
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""The markers of a JPEG after which its size stands."""

Media = Mapping[str, str]
"""Pictures and sounds as ``data:`` URLs, by the keys in their marks."""


class BadMedia(GrokputerError, ValueError):
    """A file that is no picture and no sound that models take."""


def write_mark(kind: str, key: str) -> str:
    """The mark of a picture (``IMAGE``) or a sound (``AUDIO``) in a text."""
    return f"[{kind} {key}]"


def mark_of(url: str, key: str) -> str:
    """The mark of what the ``data:`` URL holds. Raises ``BadMedia``."""
    return write_mark(kind_of(url), key)


def marks_in(text: str) -> Iterator[tuple[str, str]]:
    """The kind and the key of each mark in the text."""
    for match in _MARK.finditer(text):
        yield match[1], match[2]


def keys_in_messages(messages: Iterable[Mapping[str, Any]]) -> list[str]:
    """The keys of all marks in the messages, each once, in their order."""
    texts = (message.get("content") for message in messages)
    return list(dict.fromkeys(key for text in texts if isinstance(text, str) for _, key in marks_in(text)))


def without_marks(text: str) -> str:
    """The text of a stranger, in which nothing is a mark: the brackets of what looks like one are round."""
    return _MARK.sub(r"(\1 \2)", text)


def add_marks(text: str, media: Media) -> str:
    """The text with the marks of these pictures and sounds after its words."""
    return "\n".join([text, *(mark_of(url, key) for key, url in media.items())])


def words_of(text: str) -> str:
    """The text without its marks, and without the lines on which nothing but marks stood."""
    return _MARK_LINE.sub("", text)


def replace_keys(text: str, keys: Mapping[str, str]) -> str:
    """The text, in whose marks other keys stand."""
    return _MARK.sub(lambda mark: write_mark(mark[1], keys.get(mark[2], mark[2])), text)


def shorten_marks(text: str) -> str:
    """The text for people: a mark is a word, and the first digits of its key."""
    return _MARK.sub(lambda mark: f"[{_NAMES[mark[1]][:-1]} {mark[2][7:15]}]", text)


def kinds_of(media: Media) -> frozenset[str]:
    """The kinds of these pictures and sounds. Raises ``BadMedia``."""
    return frozenset(kind_of(url) for url in media.values())


def complain_of_untaken(kinds: Collection[str], takes: Collection[str], model: str) -> str:
    """Why the model cannot be asked with media of these kinds, and what to set; empty where it can."""
    missing = [_NAMES[kind] for kind in KINDS if kind in kinds and kind not in takes]
    if not missing:
        return ""
    return (
        f"the model {model} takes no {' and no '.join(missing)}; set model.base to a model that does, or model.backend to "
        "openai and model.endpoint to a server of one"
    )


def split_parts(text: str, media: Media) -> list[dict[str, Any]]:
    """The text as parts: text, pictures and sounds. A mark whose picture is not there stays text."""
    parts: list[dict[str, Any]] = []
    end = 0
    for match in _MARK.finditer(text):
        if (url := media.get(match[2])) is None:
            continue
        parts += _text_part(text[end : match.start()])
        parts.append(media_part(url))
        end = match.end()
    return [*parts, *_text_part(text[end:])]


def _text_part(text: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": text.strip("\n")}] if text.strip("\n") else []


def media_part(url: str) -> dict[str, Any]:
    """What the ``data:`` URL holds as a part of a message, in OpenAI's form. Raises ``BadMedia``."""
    if kind_of(url) == IMAGE:
        return {"type": IMAGE, IMAGE: {"url": url}}
    mime, data = read_url(url)
    return {"type": AUDIO, AUDIO: {"data": base64.b64encode(data).decode("ascii"), "format": mime.partition("/")[2]}}


def write_url(data: bytes, takes: Collection[str] = KINDS) -> str:
    """The file as a ``data:`` URL. Raises ``BadMedia`` for what is no picture or sound, or is not among those taken."""
    if len(data) > MOST_BYTES:
        raise BadMedia(f"it has more than {MOST_BYTES // 1_000_000} MB, which is the most")
    mime = find_type(data)
    url = "" if mime is None else f"data:{mime};base64,{base64.b64encode(data).decode('ascii')}"
    if not url or kind_of(url) not in takes:
        kinds = {IMAGE: "a picture (PNG, JPEG, GIF, WebP)", AUDIO: "a sound (WAV, MP3, FLAC, Ogg)"}
        raise BadMedia(f"it is not {' or '.join(kinds[kind] for kind in KINDS if kind in takes)}")
    return url


def kind_of(url: str) -> str:
    """Whether the ``data:`` URL holds a picture (``IMAGE``) or a sound (``AUDIO``). Raises ``BadMedia``."""
    match = _URL.match(url)
    if match is None:
        raise BadMedia("it is no data: URL of a picture or a sound in base64")
    return IMAGE if match[1].lower() == "image" else AUDIO


def read_url(url: str) -> tuple[str, bytes]:
    """The type and the bytes of what the ``data:`` URL holds. Raises ``BadMedia``."""
    match = _URL.match(url)
    if match is None:
        raise BadMedia("it is no data: URL of a picture or a sound in base64")
    try:
        return f"{match[1]}/{match[2]}".lower(), base64.b64decode(url[match.end() :], validate=True)
    except ValueError:
        raise BadMedia("its base64 is damaged") from None


def check_size(picture: bytes) -> None:
    """Raise ``BadMedia`` for a picture that unpacks to more than ``MOST_PIXELS``. Its header says so; nothing is unpacked."""
    width, height = measure(picture)
    if width * height > MOST_PIXELS:
        raise BadMedia(
            f"it has {width} x {height} pixels, and at most {MOST_PIXELS // 1_000_000} million are taken; scale it down"
        )


def check_header(data: bytes) -> None:
    """Raise ``BadMedia`` for a picture that is too large, and for a picture or a WAV whose header makes it one of nothing."""
    check_size(data)
    kind = find_type(data)
    if kind is not None and kind.startswith("image/") and 0 in measure(data):
        raise BadMedia("it is damaged: its header gives no width and height; save it again")
    if kind == "audio/wav" and (problem := _complain_of_wav(data)):
        raise BadMedia(f"it is damaged: {problem}; save it again")


def find_type(data: bytes) -> str | None:
    """The type of the picture or sound by its first bytes, such as ``image/png``; None for other files."""
    return next((mime for at, begin, mime in _SIGNATURES if data[at : at + len(begin)] == begin), None)


def _complain_of_wav(data: bytes) -> str:
    """What is missing in the header of the WAV; empty where it has a form, a rate and sound."""
    at, has_form = 12, False
    for _ in range(MOST_CHUNKS):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if name == b"fmt " and len(data) >= at + 24:
            channels, rate = struct.unpack_from("<HI", data, at + 10)
            has_form = bool(channels and rate)
            if not has_form:
                return f"its header gives {channels} channels at {rate} samples a second"
        if name == b"data" and len(data) > at + 8:
            return "" if has_form else "its header gives no form"
        at += 8 + size + size % 2
    return "it has no sound in it"


def measure(picture: bytes) -> tuple[int, int]:
    """Width and height in pixels, by the header of a PNG, GIF, WebP or JPEG; 0 x 0 where that does not say it."""
    head = picture[:30].ljust(30, b"\0")
    match head[12:16]:
        case b"IHDR":
            width, height = struct.unpack_from(">II", head, 16)
        case b"VP8X":
            width, height = (int.from_bytes(head[at : at + 3], "little") + 1 for at in (24, 27))
        case b"VP8L":
            bits = int.from_bytes(head[21:25], "little")
            width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8 ":
            width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", head, 26))
        case _ if head.startswith(b"GIF8"):
            width, height = struct.unpack_from("<HH", head, 6)
        case _:
            width, height = _measure_jpeg(picture)
    return width, height


def _measure_jpeg(picture: bytes) -> tuple[int, int]:
    """Width and height of the first frame; 0 x 0 where there is none."""
    at = len(_JPEG)
    while picture.startswith(_JPEG) and at + 9 <= len(picture) and picture[at] == 0xFF:
        marker = picture[at + 1]
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", picture, at + 5)
            return width, height
        is_alone = marker == 0x01 or 0xD0 <= marker <= 0xD9
        at += 1 if marker == 0xFF else 2 if is_alone else 2 + int.from_bytes(picture[at + 2 : at + 4], "big")
    return 0, 0
