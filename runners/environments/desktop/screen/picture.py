"""Pictures of a display."""

from __future__ import annotations

import io
from collections.abc import Mapping
from contextlib import suppress

import mss
from mss.exception import ScreenShotError
from PIL import Image

from .....domain.errors import EnvironmentUnavailable
from .....domain.page.messages import Box
from .authority import authority

LEVEL = 1
"""Compression of a PNG, from 0 to 9; chosen: higher ones take ten times as long for a fifth less."""


class Camera:
    """Takes pictures of one display."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Raises ``EnvironmentUnavailable`` where the display cannot be photographed."""
        try:
            with authority(environment):
                self._screen = mss.MSS(display=environment["DISPLAY"])
        except (ScreenShotError, OSError) as error:
            raise EnvironmentUnavailable(
                f"the display {environment['DISPLAY']} cannot be photographed: {error}"
            ) from None

    def take(self, area: Box) -> bytes:
        """The area of the screen, as PNG. Raises ``EnvironmentUnavailable`` where the display is lost."""
        place = {"left": area.x, "top": area.y, "width": area.width, "height": area.height}
        try:
            shot = self._screen.grab(place)
        except (ScreenShotError, OSError) as error:
            raise EnvironmentUnavailable(f"the display was lost: {error}; start the task again") from None
        picture = Image.frombytes("RGB", shot.size, shot.bgra, "raw", "BGRX")
        written = io.BytesIO()
        picture.save(written, "PNG", compress_level=LEVEL)
        return written.getvalue()

    def close(self) -> None:
        """End the connection. Idempotent."""
        with suppress(ScreenShotError, OSError):
            self._screen.close()
