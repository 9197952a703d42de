"""The facts of examples that no run of ours gave. ``events.py`` has them on its page with all the others."""

from __future__ import annotations

from dataclasses import dataclass

from .base import Event, fact


@dataclass(frozen=True, kw_only=True, init=False, repr=False, eq=False)
class ExampleSetEvent(Event):
    AGGREGATE = "ExampleSet"
    TEXTS = ("examples",)

    role: str
    """The role whose trainings they are for."""
    examples: str
    """Content key of the examples, as lines of a dataset file."""
    dataset: str
    """Hash of that file."""
    count: int


@fact("ExamplesImported")
class ExamplesImported(ExampleSetEvent):
    WORDS = ("actor", "name", "license")

    name: str
    """Content key of the file's name, or of what the set is called where it is published."""
    form: str
    """``alpaca``, ``dolly``, ``messages``, ``examples``, or several of these."""
    left_out: int
    """Rows without a question or an answer."""
    license: str | None
    """Content key of the terms, in the words of the person who imported it."""


@fact("ExamplesSynthesized")
class ExamplesSynthesized(ExampleSetEvent):
    """What a teacher model made of a run that was corrected: its question in other words, or its task from other seeds."""

    run: str
    """The run's id, hex."""
    teacher: str
    """The teacher's model name."""
    is_verified: bool
    """Whether each was carried out in the environment and succeeded."""
