"""A task that a model proposes: read strictly from its reply, and written as a ``task.toml``.

The reply is text of a stranger. It names no path on the disk: the task's files stand as texts in the ``task.toml``, and its
name is checked before a folder has it. Whether the task is right, ``read_task`` and a trial in the sandbox say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ....domain.errors import GrokputerError
from ....domain.text import is_unicode
from .folder import NAME
from .task_file import FILE, GOALS

KEYS = ("name", "request", "files", "answer", "condition", "expect", "solution", "values")

LONGEST_REPLY = 32_000
"""Characters of a reply; chosen: a task has a tenth of that."""

MOST_FILES = 20
MOST_BYTES = 64_000
"""Files of a proposed task, and their bytes together; chosen: a page shows less."""

MOST_TEXTS = 20
"""Wordings, and values of one name; chosen."""

MOST_COMMANDS = 8
"""Commands of a solution; chosen: the program's own tasks have four at most."""

LONGEST_LINE = 2000
"""Characters of a request, a condition and a command; chosen."""

FORM = """Reply with one JSON object and nothing else. Its keys:
- name: lower-case words with dashes, such as count-lines
- request: a list of 3 to 8 wordings of what is asked, each one line
- files: an object of paths and texts, which lie in the folder at the start; a path that ends with / is an empty folder
- condition: one line of bash that exits with 0 when the task is done, and not before; it cannot change the folder, and
  $output holds what the last command printed
- answer: in place of condition, what the last command must print on one line
- expect: in place of condition, an object of paths and the texts that the files must have at the end; false for no file
- solution: a list of command lines of bash that do the task, each carried out by itself in the folder
- values: an object of names and lists; @name@ in any text stands for one of the list. Use it, so that the task has variants

Give one of condition, answer and expect. There is no network. Commands are those of a plain Linux system: coreutils, grep,
sed, awk, find, tar."""


class BadProposal(GrokputerError):
    """A reply that is no task."""


@dataclass(frozen=True)
class Proposal:
    """A proposed task, of the right form. Whether it can be done is not known yet."""

    name: str
    requests: tuple[str, ...]
    toml: str
    """The text of its ``task.toml``."""


def read_proposal(reply: str) -> Proposal:
    """The task in the reply: one JSON object, perhaps in a fence of Markdown. Raises ``BadProposal`` with the reason."""
    if len(reply) > LONGEST_REPLY:
        raise BadProposal(f"the reply has {len(reply)} characters; it may have {LONGEST_REPLY}")
    text = reply.strip()
    if fence := re.fullmatch(r"```(?:json)?\s*\n(.*)\n\s*```", text, re.DOTALL):
        text = fence[1]
    try:
        task = json.loads(text)
    except (ValueError, RecursionError):
        raise BadProposal(f"the reply is not one JSON object: {_show(text)}") from None
    if not isinstance(task, dict):
        raise BadProposal(f"the reply is not one JSON object: {_show(text)}")
    _check_form(task)
    request = task["request"]
    return Proposal(task["name"], (request,) if isinstance(request, str) else tuple(request), write_toml(task))


def _check_form(task: Mapping[str, Any]) -> None:
    """Raise ``BadProposal`` for another form than the reader of tasks takes, and for what is too large."""
    if unknown := sorted(task.keys() - set(KEYS)):
        raise BadProposal(f"the reply has the key {_show(unknown[0])}; keys are {', '.join(KEYS)}")
    name = task.get("name")
    if not isinstance(name, str) or not NAME.fullmatch(name) or name == FILE:
        raise BadProposal(f"its name cannot be {_show(name)}; it has letters, digits, dots, dashes and _, at most 64")
    for key in ("request", "solution"):
        if key not in task:
            raise BadProposal(f"it has no {key}")
    if not task.keys() & set(GOALS):
        raise BadProposal("it has no condition, no answer and no expect, so nothing says when it is done")
    _check_texts("request", task["request"], MOST_TEXTS)
    _check_texts("solution", task["solution"], MOST_COMMANDS)
    if "condition" in task:
        _check_texts("condition", task["condition"], 1)
    if "answer" in task and not (type(task["answer"]) is int or _is_text(task["answer"], LONGEST_LINE)):
        raise BadProposal(f"its answer cannot be {_show(task['answer'])}; it is a short text or a whole number")
    for key in ("files", "expect"):
        _check_files(key, task.get(key, {}))
    _check_values(task.get("values", {}))


def _check_texts(key: str, value: object, most: int) -> None:
    listed = value if isinstance(value, list) else [value]
    if not listed or len(listed) > most:
        raise BadProposal(f"its {key} has {len(listed)} texts; it takes 1 to {most}")
    for text in listed:
        if not _is_text(text, LONGEST_LINE):
            raise BadProposal(f"its {key} cannot be {_show(text)}; it is a text of at most {LONGEST_LINE} characters")


def _check_files(key: str, files: object) -> None:
    if not isinstance(files, dict) or len(files) > MOST_FILES:
        raise BadProposal(
            f"its {key} cannot be {_show(files)}; it is an object of at most {MOST_FILES} paths and texts"
        )
    for path, text in files.items():
        is_text = _is_text(text, MOST_BYTES) or (key == "expect" and text is False)
        if not _is_text(path, LONGEST_LINE) or not is_text:
            raise BadProposal(f"its {key} cannot have {_show(path)}: {_show(text)}; it takes paths and texts")
    size = sum(len(text.encode()) for text in files.values() if isinstance(text, str))
    if size > MOST_BYTES:
        raise BadProposal(f"its {key} have {size} bytes; they may have {MOST_BYTES}")


def _check_values(values: object) -> None:
    if not isinstance(values, dict) or len(values) > MOST_TEXTS:
        raise BadProposal(
            f"its values cannot be {_show(values)}; it is an object of at most {MOST_TEXTS} names and lists"
        )
    for name, listed in values.items():
        if not isinstance(listed, list) or not 1 <= len(listed) <= MOST_TEXTS:
            raise BadProposal(f"its values.{_show(name)} is no list of 1 to {MOST_TEXTS} texts")
        if not all(type(value) is int or _is_text(value, LONGEST_LINE) for value in listed):
            raise BadProposal(f"its values.{_show(name)} cannot be {_show(listed)}; it takes texts and whole numbers")


def _is_text(value: object, longest: int) -> bool:
    """Whether the value is a text that can be stored, of at most so many characters."""
    return isinstance(value, str) and len(value) <= longest and is_unicode(value)


def write_toml(task: Mapping[str, Any]) -> str:
    """The checked task as a ``task.toml``: what is asked and done first, then the tables."""
    order = ("request", "answer", "condition", "solution")
    lines = [f"{key} = {_write(task[key])}" for key in order if key in task]
    for key in ("values", "files", "expect"):
        if task.get(key):
            lines += ["", f"[{key}]", *(f"{_write(name)} = {_write(value)}" for name, value in task[key].items())]
    return "\n".join(lines) + "\n"


def _write(value: str | bool | int | list[Any]) -> str:
    """The value in TOML. A text is a basic string: what JSON escapes, TOML reads the same, but for U+007F."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_write, value))}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")


def _show(value: object) -> str:
    """The value as Python writes it, in one line and cut."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"
