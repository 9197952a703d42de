"""Arguments of public functions, checked against their annotations: a wrong one is refused in one line.

A Python program may give a function anything. Without a check, a wrong type is found deep in the program, or never: a
text given as a list of texts is read letter by letter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, wraps
from inspect import Signature, signature
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, ParamSpec, TypeVar, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from ..domain.errors import BadArgument
from ..domain.text import check_text

P = ParamSpec("P")
R = TypeVar("R")

LONGEST = 60
"""Characters of a refused value that the error shows; chosen."""


@dataclass(frozen=True)
class Between:
    """An annotation: the number is in this range. ``most`` is None where there is no upper limit."""

    least: int
    most: int | None = None

    def holds(self, value: Any) -> bool:
        """Whether the number is in the range."""
        return bool(self.least <= value and (self.most is None or value <= self.most))

    def __str__(self) -> str:
        return f" of {self.least} or more" if self.most is None else f" from {self.least} to {self.most}"


@dataclass(frozen=True)
class NotBlank:
    """An annotation: the text is more than spaces."""

    def holds(self, value: Any) -> bool:
        """Whether the text is more than spaces."""
        return bool(value.strip())

    def __str__(self) -> str:
        return " that is not blank"


Text = Annotated[str, NotBlank()]
"""A text that is not blank."""

WORDS = {
    str: "a text",
    int: "a whole number",
    bool: "True or False",
    UUID: "a UUID",
    datetime: "a datetime with a time zone",
    Path: "a path",
    bytes: "bytes",
    NoneType: "None",
}
"""The types in plain words."""


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """The function, which raises ``BadArgument`` for an argument that does not fit its annotation, before it begins.

    A ``bool`` is no number, a text is no list of texts, and a time has a time zone. A text that is not valid Unicode
    raises ``BadText``.
    """
    form = signature(function)

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        for name, value, kind in _arguments(function, form, args, kwargs):
            if not _fits(value, kind):
                shown = _shorten(value)
                raise BadArgument(f"{function.__name__}: {name} cannot be {shown}; it takes {_describe(kind)}")
            if isinstance(value, str):
                check_text(value, name)
        return function(*args, **kwargs)

    return call


def _arguments(
    function: Callable[..., Any], form: Signature, args: Sequence[Any], kwargs: dict[str, Any]
) -> Iterator[tuple[str, Any, Any]]:
    """Each given argument with its name and annotation. Python itself refuses too few, too many and unknown ones."""
    try:
        given = form.bind(*args, **kwargs).arguments
    except TypeError:
        return
    kinds = _annotations(function)
    yield from ((name, value, kinds[name]) for name, value in given.items() if name in kinds)


@cache
def _annotations(function: Callable[..., Any]) -> dict[str, Any]:
    return get_type_hints(function, include_extras=True)


def _fits(value: Any, kind: Any) -> bool:
    """Whether the value is of the annotation."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _fits(value, parts[0]) and all(rule.holds(value) for rule in parts[1:])
    if origin in (Union, UnionType):
        return any(_fits(value, part) for part in parts)
    if origin is Sequence:
        return isinstance(value, Sequence) and not isinstance(value, str) and all(_fits(it, parts[0]) for it in value)
    if origin is Literal:
        return value in parts
    if kind is Any:
        return True
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if kind is datetime:
        return isinstance(value, datetime) and value.utcoffset() is not None
    if vars(kind).get("_is_protocol"):
        return all(name in dir(value) for name in vars(kind) if not name.startswith("_"))
    return isinstance(value, kind)


def _describe(kind: Any) -> str:
    """The annotation in words that follow "it takes"."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _describe(parts[0]) + "".join(map(str, parts[1:]))
    if origin in (Union, UnionType):
        return " or ".join(map(_describe, parts))
    if origin is Sequence:
        return f"a list, each item {_describe(parts[0])}"
    if origin is Literal:
        return " or ".join(map(repr, parts))
    if kind is Any:
        return "anything"
    return WORDS.get(kind) or f"a {kind.__name__}"


def _shorten(value: Any) -> str:
    """The value as Python writes it, on one line and not too long."""
    try:
        shown = repr(value)
    except Exception:  # a foreign class may raise anything, or the number has too many digits
        shown = f"this {type(value).__name__}"
    shown = ascii(shown)[1:-1] if not shown.isprintable() else shown
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 1]}…"
