"""Pictures of strangers, decoded within bounds."""

from __future__ import annotations

import struct
import zlib
from importlib.util import find_spec
from io import BytesIO
from typing import TYPE_CHECKING

from ...domain.errors import ModelError
from ...domain.page.media import MOST_PIXELS, BadMedia, check_header, find_type, read_url

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("PNG", "JPEG", "GIF", "WEBP")
TOO_LARGE = f"a picture has more than {MOST_PIXELS // 1_000_000} million pixels, which is the most; scale it down"


DAMAGED = (OSError, ValueError, SyntaxError, EOFError, IndexError, TypeError, OverflowError, struct.error, zlib.error)
"""What Pillow raises for a damaged file."""


def check_media(data: bytes) -> None:
    """Raise ``BadMedia`` for a picture that cannot be decoded, and for a sound whose header is damaged.

    The header comes first, which bounds the work. Without Pillow, which comes with models and desktops, the header is all.
    """
    check_header(data)
    if not (find_type(data) or "").startswith("image/") or find_spec("PIL") is None:
        return
    try:
        picture = _open(data)
        picture.draft("RGB", (1, 1))  # a JPEG is unpacked at an eighth of its size, and is read to its end all the same
        picture.load()
    except ModelError as error:
        raise BadMedia(str(error)) from None
    except DAMAGED as error:
        raise BadMedia(f"it cannot be decoded: {' '.join(str(error).split())}; save it again") from None


def open_picture(url: str) -> Image:
    """The picture in the ``data:`` URL, in three colours. Raises ``ModelError``."""
    try:
        return _open(read_url(url)[1]).convert("RGB")
    except (BadMedia, *DAMAGED) as error:
        raise ModelError(f"a picture cannot be read: {' '.join(str(error).split())}") from None


def _open(data: bytes) -> Image:
    """The picture, not unpacked yet. Raises ``ModelError`` for one that is too large, and those of ``DAMAGED``."""
    from PIL import Image

    try:
        picture = Image.open(BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError:
        raise ModelError(TOO_LARGE) from None
    width, height = picture.size
    if width * height > MOST_PIXELS:
        raise ModelError(TOO_LARGE)
    return picture
