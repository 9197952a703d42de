"""Events and messages for people: each content key of a name or a short text is replaced by its words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import msgspec

from ...domain.events import Event
from ...domain.events.base import CONTENT, KEY
from ..state.alerts import Alert

ERASED = "(erased)"
"""Shown in place of erased words."""

Content = Callable[[str], str | None]
"""A function from a content key to its text; None where the text was erased."""

E = TypeVar("E", bound=Event)
T = TypeVar("T")


def say_words(value: T, content: Content, erased: str | None = ERASED) -> T:
    """The value with words in place of content keys, at any depth. Within a sentence the words are one printable line.

    ``erased`` replaces missing words. With None the key stays, because it may be the hash of something else.
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
