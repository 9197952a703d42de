"""The judgement of an answer, by the package's own ``ast_checker``."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cache
from typing import Any

from .calls import NoCall, read_calls
from .entries import Entry
from .package import CHECKER, MODEL, PACKAGE, load_checker

NO_CALL = "ast_decoder:decoder_failed"
"""The package's name for an answer that is no function call."""
BROKEN = "ast_checker:exception"
"""A call with which the checker itself does not come to an end. The package has no name for it: its evaluation would stop."""

CATEGORIES = {"simple": "simple_python", "multiple": "multiple"}
"""The package's names."""


@dataclass(frozen=True)
class Judgement:
    """Whether the answer is right; else the kind of error as the package names it, and its message."""

    is_right: bool
    kind: str = ""
    message: str = ""

    def __str__(self) -> str:
        return "" if self.is_right else f"{self.kind}: {self.message}"


def kind_of(error: str) -> str:
    """The kind of error in a judgement that was written as text."""
    return error.partition(": ")[0]


@cache
def _checker() -> tuple[Any, Any]:
    module = load_checker()
    return module.ast_checker, module.Language.PYTHON


def judge(entry: Entry, answer: str) -> Judgement:
    """The judgement of the answer. Raises ``EnvironmentUnavailable`` where the package cannot be used."""
    check, python = _checker()
    try:
        calls = read_calls(answer)
    except NoCall as error:
        return Judgement(False, NO_CALL, str(error))
    # Copies: nothing that the checker does to one answer may change the next.
    functions, possible = copy.deepcopy(entry.functions), copy.deepcopy(entry.possible)
    try:
        found = check(functions, calls, possible, python, CATEGORIES[entry.category], MODEL)
    except Exception as error:  # it takes some types for granted, such as a dictionary in a list of dictionaries
        return Judgement(False, BROKEN, f"{PACKAGE}.{CHECKER} ended with {type(error).__name__}")
    if found["valid"]:
        return Judgement(True)
    return Judgement(False, str(found["error_type"]), "; ".join(map(str, found["error"])))
