"""Questions that come with pictures, whose words are read: for a model that takes none, and where runs read what they see."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

from ....domain.errors import BadPicture
from ....domain.events import Capability
from ....domain.page.messages import Box, Page
from ....domain.page.words import Word
from ....domain.ports import Environment
from .picture import LONGEST_SIDE, MOST_PIXELS
from .reader import shared_reader

GAP = 8
"""Pixels between two pictures of one task; chosen: their lines stay apart."""


class ReadPictures(Environment):
    """The environment of a question, whose page is a picture: those of the task, one below the other.

    Needs the extra ``read``. Raises ``BadPicture`` where they are too large together or cannot be read.
    """

    def __init__(self, environment: Environment, pictures: Sequence[bytes]) -> None:
        self._environment, self._pictures = environment, tuple(pictures)
        self._page = Page("", ())

    @cached_property
    def picture(self) -> bytes:
        """The pictures as one PNG."""
        return stack(self._pictures)

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Those of the question's environment."""
        return self._environment.capabilities

    def check_task(self, task: str) -> None:
        """As the question's environment does."""
        self._environment.check_task(task)

    def reset(self, task: str, seed: int) -> Page:
        """The question, with its picture."""
        self._page = replace(self._environment.reset(task, seed), picture=self.picture)
        return self._page

    def act(self, action: str) -> Page:
        """Take the answer."""
        return self._environment.act(action)

    def is_readable(self) -> bool:
        """It is there to be read."""
        return True

    def words(self) -> Sequence[Word]:
        """The words on the picture."""
        return shared_reader().read(self.picture)

    def see(self, lines: Sequence[str], boxes: Sequence[Box | None]) -> Page:
        """The question with the lines of its picture."""
        self._page = replace(self._page, lines=tuple(lines), boxes=tuple(boxes))
        return self._page

    def beside(self, seat: int) -> ReadPictures:
        """The same beside it."""
        return ReadPictures(self._environment.beside(seat), self._pictures)


def stack(pictures: Sequence[bytes]) -> bytes:
    """The pictures, of any format, one below the other as one PNG. Raises ``BadPicture``."""
    from PIL import Image, UnidentifiedImageError

    try:
        opened = [Image.open(io.BytesIO(picture)) for picture in pictures]
        width = max(each.width for each in opened)
        height = sum(each.height for each in opened) + GAP * (len(opened) - 1)
        if max(width, height) > LONGEST_SIDE or width * height > MOST_PIXELS:  # known before anything is unpacked
            raise BadPicture(_too_large(len(opened), width, height))
        whole, y = Image.new("RGB", (width, height), "white"), 0
        for each in opened:
            whole.paste(each.convert("RGB"), (0, y))
            y += each.height + GAP
    except BadPicture:
        raise
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
        raise BadPicture(f"the picture cannot be read: {error}; save it again") from None
    file = io.BytesIO()
    whole.save(file, "PNG", compress_level=1)
    return file.getvalue()


def _too_large(number: int, width: int, height: int) -> str:
    """Why pictures of this size together are not read, and what to do."""
    what, them = ("the picture has", "it") if number == 1 else ("the pictures together have", "them")
    allowed = f"{MOST_PIXELS} can be read, and {LONGEST_SIDE} on a side"
    return f"{what} {width} x {height} pixels; {allowed}; make {them} smaller"
