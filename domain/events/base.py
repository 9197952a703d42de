"""The event base class: a frozen record with a stable topic, kept in a closed registry."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, ClassVar, Protocol, TypeVar, dataclass_transform
from uuid import UUID

CONTENT = "sha256:"
"""The beginning of every content key."""

NAMES = ("actor", "adapter", "holder")
"""The fields that hold names. Names in other fields get content keys of their own, even where the text is equal."""

PICTURES = ("inputs", "pictures", "screen")
"""The fields with content keys of pictures and sounds."""

KEY = re.compile(CONTENT + "[0-9a-f]{64}")
"""A content key; a sentence may contain one."""


@dataclass(frozen=True, kw_only=True, init=False, repr=False, eq=False)
class Event:
    """The fields of every event. ``caused_by`` is the reference of the event that caused it; None where a person began."""

    originator_id: UUID
    originator_version: int
    """Its number in its aggregate's history, from 1."""
    time: datetime
    """When it happened, UTC."""
    actor: str
    """Who did it: the content key of a person's name, or one of the program's own names (``OWN_NAMES``). Events from
    before such keys hold the name itself."""
    caused_by: str | None = None

    TOPIC: ClassVar[str] = ""
    AGGREGATE: ClassVar[str] = ""
    VERSION: ClassVar[int] = 1
    FIELDS: ClassVar[frozenset[str]] = frozenset()
    TEXTS: ClassVar[tuple[str, ...]] = ()
    """The fields with content keys of documents: prompts, answers, comments, datasets."""
    WORDS: ClassVar[tuple[str, ...]] = ("actor",)
    """The fields with content keys of names and short texts of people, alone or inside a sentence."""
    QUOTES: ClassVar[tuple[str, ...]] = ()
    """The fields whose sentences may quote texts of an earlier event by their content keys."""

    # A dataclass's methods, written once for all events: generated for each class, they take a tenth of a reading command.

    def __init__(self, **values: Any) -> None:
        """Raises ``TypeError`` unless the names of the values are exactly the fields."""
        values.setdefault("caused_by", None)
        if values.keys() != self.FIELDS:
            wrong = ", ".join(sorted(values.keys() ^ self.FIELDS))
            raise TypeError(f"{type(self).__name__}: missing or unknown {wrong}")
        self.__dict__.update(values)

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value!r}" for name, value in self.__dict__.items())
        return f"{type(self).__name__}({values})"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((self.originator_id, self.originator_version))

    @property
    def reference(self) -> str:
        """The event's address in ``caused_by`` of its consequences: ``<aggregate id>/<version>``."""
        return f"{self.originator_id}/{self.originator_version}"

    @property
    def text_keys(self) -> list[str]:
        """All content keys in the event's text and word fields; a field may hold none."""
        return [key for field in (*self.TEXTS, *self.WORDS) for key in keys_in(getattr(self, field))]

    @property
    def readable_keys(self) -> list[str]:
        """As ``text_keys``, without those of pictures and sounds."""
        fields = (field for field in (*self.TEXTS, *self.WORDS) if field not in PICTURES)
        return [key for field in fields for key in keys_in(getattr(self, field))]


def keys_in(value: Any) -> Iterator[str]:
    """The content keys in a field's value, at any depth."""
    if isinstance(value, str):
        yield from [value] if KEY.fullmatch(value) else KEY.findall(value)
    elif isinstance(value, dict):
        for inner in value.values():
            yield from keys_in(inner)
    elif isinstance(value, tuple | list):
        for inner in value:
            yield from keys_in(inner)


def names_in(event: Event) -> set[str]:
    """The content keys of the names in the event: its actor's, a key holder's, and another program's name of an adapter."""
    return {key for name in NAMES for key in keys_in(getattr(event, name, None))}


class Timestamped(Protocol):
    """An event of which only the time is read."""

    @property
    def time(self) -> datetime:
        """When it happened, UTC."""
        ...


EVENTS: dict[str, type[Event]] = {}
"""The closed registry: topic to class. An unknown topic is refused, never imported."""

E = TypeVar("E", bound=type[Event])


@dataclass_transform(frozen_default=True, kw_only_default=True)
def fact(topic: str) -> Callable[[E], E]:
    """Make the class a frozen event under a topic, which stays when the class is renamed or moved."""

    def register(cls: E) -> E:
        dataclass(frozen=True, kw_only=True, init=False, repr=False, eq=False)(cls)  # in place: it stays the same class
        cls.TOPIC, cls.FIELDS = topic, frozenset(field.name for field in fields(cls))
        EVENTS[topic] = cls
        return cls

    return register
