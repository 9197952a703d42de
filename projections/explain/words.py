"""Events and messages as people read them: in place of each content key of a name or a short text stand its words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import msgspec

from ...domain.events import Event
from ...domain.events.base import CONTENT, KEY
from ..state.alerts import Alert

ERASED = "(erased)"
"""Stands where words were erased."""

Content = Callable[[str], str | None]
"""The text under a content key, None when it was erased."""

E = TypeVar("E", bound=Event)
T = TypeVar("T")


def say_words(value: T, content: Content, erased: str | None = ERASED) -> T:
    """The value, however deep, with words in place of content keys. Within a sentence they are one printable line.

    ``erased`` stands in place of words that are not there; with None their key stays, which may be the hash of something else.
    """
    revealed: Any = value
    if isinstance(value, str):
        if KEY.fullmatch(value):
            revealed = content(value) or erased or value
        elif CONTENT in value:
            revealed = KEY.sub(lambda key: _one_line(content(key[0]) or erased or key[0]), value)
    elif isinstance(value, dict):
        revealed = {key: say_words(inner, content, erased) for key, inner in value.items()}
    elif isinstance(value, tuple | list):
        revealed = type(value)(say_words(inner, content, erased) for inner in value)
    return cast("T", revealed)


def reveal(event: E, content: Content) -> E:
    """The event with words in place of the content keys of names and short texts; documents stay under their keys."""
    shown = {name: say_words(getattr(event, name), content) for name in event.WORDS}
    shown |= {name: say_words(getattr(event, name), content, None) for name in event.QUOTES}
    if all(getattr(event, name) == value for name, value in shown.items()):
        return event
    return type(event)(**{**vars(event), **shown})


def say_alert(alert: Alert, content: Content) -> Alert:
    """The alert with words in place of content keys."""
    row = alert.to_json()
    return msgspec.convert({**say_words(row, content, None), "by": say_words(alert.by, content)}, Alert)


def _one_line(words: str) -> str:
    return " ".join("".join(character if character.isprintable() else " " for character in words).split())
