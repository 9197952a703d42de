"""A desktop whose screen can be read: the words on its picture, and acts on the places where they were read."""

from __future__ import annotations

from collections.abc import Sequence

from ....domain.errors import EnvironmentUnavailable
from ....domain.page.messages import Box, Page
from ....domain.page.words import Word
from ....domain.ports import Environment
from ..senses.reader import shared_reader
from .episode import Episode
from .page import plain


class ReadableDesktop(Environment):
    """The part of an ``Environment`` of desktops that is about reading."""

    _episode: Episode | None

    def is_readable(self) -> bool:
        """Its pages are pictures of the active window."""
        return True

    def words(self) -> Sequence[Word]:
        """The words on the picture of the active window, with what is open over it. Needs the extra ``read``."""
        episode = self._playing()
        read = () if episode.page.picture is None else shared_reader().read(episode.page.picture)
        return [word._replace(text=plain(word.text, episode.home)) for word in read]

    def see(self, lines: Sequence[str], boxes: Sequence[Box | None]) -> Page:
        """The page with lines that were read; a press goes to their places while the windows stay where they are."""
        return self._playing().see(lines, boxes)

    def _playing(self) -> Episode:
        if self._episode is None:
            raise EnvironmentUnavailable("no episode is running; start one with reset(task, seed)")
        return self._episode
