"""The tasks of BFCL: a request in words, the functions that may be called, and the answers that are right."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from ....domain.errors import EnvironmentUnavailable
from .calls import write_call
from .package import ANSWERS, QUESTIONS, read_file

INSTRUCTIONS = (
    "Return only one function call, in the format func_name(params_name1=params_value1, params_name2=params_value2...), and no "
    "other text. Texts stand in quotes."
)
"""What stands before each task. The format is written as the package's own prompt writes it, which is four times as long and
mostly about several calls. It names no real function and no value, because a small model would copy them."""


@dataclass(frozen=True, eq=False)
class Entry:
    """A task of BFCL."""

    id: str
    """The package's name of it, such as ``simple_python_17``."""
    category: str
    """``simple``: one function is shown. ``multiple``: two to four, and one of them is right."""
    request: str
    functions: Sequence[Mapping[str, Any]]
    """The schema of each function that is shown, as it stands in the package."""
    possible: Sequence[Mapping[str, Mapping[str, Sequence[Any]]]]
    """The package's possible answers: by function and argument, the values that are right; "" is one left out."""

    @property
    def name(self) -> str:
        """The function that is right."""
        return next(iter(self.possible[0]))

    @property
    def names(self) -> list[str]:
        """The functions that are shown."""
        return [function["name"] for function in self.functions]

    @cached_property
    def prompt(self) -> str:
        """What the model is shown: the whole schemas, one a line, and the request."""
        schemas = "\n".join(json.dumps(function, ensure_ascii=False) for function in self.functions)
        return f"{INSTRUCTIONS}\n\nFunctions:\n{schemas}\n\nRequest: {self.request}"

    @cached_property
    def answer(self) -> str:
        """A call that is right."""
        schema = next(function for function in self.functions if function["name"] == self.name)
        return write_call(self.name, schema, self.possible[0][self.name])


@cache
def read_entries() -> tuple[Entry, ...]:
    """All tasks of both categories, in the package's order. Raises ``EnvironmentUnavailable``."""
    return tuple(entry for category in QUESTIONS for entry in _read(category))


def _read(category: str) -> list[Entry]:
    questions, answers = (_rows(read_file(files[category])) for files in (QUESTIONS, ANSWERS))
    if questions.keys() != answers.keys():
        raise EnvironmentUnavailable(f"the tasks {category} of BFCL and their possible answers do not match")
    return [
        Entry(id, category, row["question"][0][0]["content"], row["function"], answers[id]["ground_truth"])
        for id, row in questions.items()
    ]


def _rows(text: str) -> dict[str, dict[str, Any]]:
    rows = (json.loads(line) for line in text.split("\n") if line.strip())
    return {row["id"]: row for row in rows}
