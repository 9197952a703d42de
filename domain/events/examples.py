"""The events of examples that no run of this log produced."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .base import Event, fact


@dataclass(frozen=True, kw_only=True, init=False, repr=False, eq=False)
class ExampleSetEvent(Event):
    AGGREGATE = "ExampleSet"
    TEXTS: ClassVar[tuple[str, ...]] = ("examples",)

    role: str
    """The role whose trainings they are for."""
    examples: str
    """Content key of the examples, as lines of a dataset file."""
    dataset: str
    """Hash of that file."""
    count: int


@fact("ExamplesImported")
class ExamplesImported(ExampleSetEvent):
    VERSION = 3
    TEXTS = ("examples", "pictures")
    WORDS = ("actor", "name", "license")

    name: str
    """Content key of the file's name, or of the set's published name."""
    form: str
    """``alpaca``, ``dolly``, ``messages``, ``sharegpt``, ``examples``, ``prompt-completion``, ``preference``, ``kto``, or
    several of these; before version 2 the first three and ``examples``."""
    left_out: int
    """Rows without a usable example."""
    license: str | None
    """Content key of the license terms, given at the import or by the set; ``unknown`` where neither states them, None
    before version 2."""
    reasons: dict[str, int]
    """Rows left out, by reason: ``no answer``, ``tools``, ``repeated`` and so on. Empty before version 2."""
    pictures: tuple[str, ...]
    """Content keys of the pictures and sounds in the examples' prompts, as ``data:`` URLs; each once. Since version 3."""


@fact("ExamplesSynthesized")
class ExamplesSynthesized(ExampleSetEvent):
    """Examples that a teacher model made from a corrected run: its question in other words, or its task from other seeds."""

    run: str
    """The run's id, hex."""
    teacher: str
    """The teacher's model name."""
    is_verified: bool
    """Whether each example was carried out in the environment and succeeded."""
