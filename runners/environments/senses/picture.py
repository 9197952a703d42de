"""A picture as pixels: a PNG that is checked before it is unpacked, since a small file can unpack to any size."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from ....domain.errors import BadPicture
from ....domain.page.messages import Box

if TYPE_CHECKING:
    import numpy

    Pixels = numpy.ndarray[Any, numpy.dtype[numpy.uint8]]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MOST_BYTES = 32 << 20
"""Bytes of a picture; chosen: a full screen of text has 30,000, a photograph of a screen some millions."""
MOST_PIXELS = 16_000_000
"""Pixels of a picture; chosen: twice a screen of 3840 x 2160, and 48 MB unpacked."""
LONGEST_SIDE = 8000
"""Pixels of a side; chosen: twice the width of that screen."""


def measure(png: bytes) -> tuple[int, int]:
    """Width and height of the picture in pixels, from its header alone. Raises ``BadPicture``."""
    if len(png) > MOST_BYTES:
        raise BadPicture(f"the picture has {len(png)} bytes; allowed are {MOST_BYTES}")
    if not png.startswith(SIGNATURE) or png[12:16] != b"IHDR" or len(png) < 33:
        raise BadPicture("the picture is no PNG; give it as PNG")
    width, height = struct.unpack(">II", png[16:24])
    if not (0 < width <= LONGEST_SIDE and 0 < height <= LONGEST_SIDE) or width * height > MOST_PIXELS:
        raise BadPicture(
            f"the picture has {width} x {height} pixels; allowed are {MOST_PIXELS}, and {LONGEST_SIDE} on a side; "
            f"{'make it smaller' if width and height else 'save it again'}"
        )
    return width, height


def unpack(png: bytes) -> Pixels:
    """The pixels: height x width x (blue, green, red). Raises ``BadPicture``."""
    import cv2
    import numpy

    measure(png)
    try:
        pixels = cv2.imdecode(numpy.frombuffer(png, numpy.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise BadPicture("the picture is a damaged PNG; save it again") from error
    if pixels is None:
        raise BadPicture("the picture is a damaged PNG; save it again")
    return pixels  # type: ignore[return-value]


def differs(before: bytes, now: bytes, box: Box, share: float) -> bool:
    """Whether more than this share of the pixels in the box differ between two pictures, or their sizes do.

    Raises ``BadPicture``.
    """
    import numpy

    one, other = unpack(before), unpack(now)
    if one.shape != other.shape:
        return True
    changed = numpy.any(cut(one, box)[0] != cut(other, box)[0], axis=2)
    return float(changed.mean()) > share


def cut(pixels: Pixels, box: Box | None) -> tuple[Pixels, Box]:
    """The part of the picture in the box, and the part's own box; the whole without a box.

    What of the box lies outside the picture is left out. Raises ``BadPicture`` where nothing is left.
    """
    height, width = pixels.shape[:2]
    if box is None:
        return pixels, Box(0, 0, width, height)
    left, top = max(0, box.x), max(0, box.y)
    right, bottom = min(width, box.x + box.width), min(height, box.y + box.height)
    if left >= right or top >= bottom:
        raise BadPicture(f"the box {tuple(box)} lies outside the picture, which has {width} x {height} pixels")
    return pixels[top:bottom, left:right], Box(left, top, right - left, bottom - top)
