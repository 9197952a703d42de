"""Runs of a list: a file with one task a line, read and checked before the first one begins."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ....adapters.data.plain_files import read_plain
from ....domain.aggregates.run import LARGEST_SEED
from ....domain.errors import GrokputerError
from ....domain.page.media import AUDIO, IMAGE
from ....domain.settings.keys import ROLES
from ....domain.text import check_text
from ....projections.wording.sentences import count, short_text
from ...agent.inputs import load_media
from ..error_lines import describe_error
from ..rendering import print_json_line, print_line, say
from .outcomes import Shown, outcome_document, print_outcome, say_lost, say_start, saying_interruption
from .watching import watch_steps

if TYPE_CHECKING:
    from ...store.ledger import Ledger
    from ...use_cases.runs import TaskRequest

FIELDS = {
    "task": "task",
    "env": "environment",
    "seed": "seed",
    "session": "session",
    "role": "role",
    "adapter": "adapter",
    "url": "url",
}
"""The fields of a line with one value, and the request's names of them."""

MEDIA = {"image": IMAGE, "audio": AUDIO}
"""The fields of a line that name files, and the kind of these."""


class BadTaskList(GrokputerError):
    """A list of tasks with a line that cannot be run."""


@dataclass(frozen=True)
class ListedTask:
    """A task of the list, and its place there."""

    place: str
    """The file and the line, for messages."""
    request: TaskRequest


def read_tasks(source: str, general: TaskRequest) -> list[ListedTask]:
    """The tasks of the file, ``-`` for stdin. A field that a line lacks is that of the general request.

    Raises ``BadTaskList`` with file, line and reason for the first line that cannot be run, ``OSError``.
    """
    name = "stdin" if source == "-" else source
    body = sys.stdin.buffer.read() if source == "-" else read_plain(Path(source))
    tasks, folder = [], Path() if source == "-" else Path(source).parent
    for number, line in enumerate(body.split(b"\n"), 1):
        place = f"{name}, line {number}"
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
            if text:
                tasks.append(ListedTask(place, replace(general, **_read_line(text, folder))))
        except UnicodeDecodeError:
            raise BadTaskList(f"{place}: it is not UTF-8; nothing was run") from None
        except (ValueError, RecursionError, GrokputerError) as error:
            raise BadTaskList(f"{place}: {error}; nothing was run") from None
    if not tasks:
        raise BadTaskList(f"{name} has no tasks; write one a line, as words or as a JSON object")
    return tasks


def _read_line(text: str, folder: Path) -> dict[str, Any]:
    """The fields of the line's request; its files are named from the folder. Raises ``ValueError`` with the reason."""
    if not text.startswith("{"):
        return {"task": text}
    try:
        row = json.loads(text)
    except ValueError as error:
        raise ValueError(f"it is not JSON ({error})") from None
    media = {field: _read_files(field, row.pop(field)) for field in MEDIA if field in row}
    for field, value in row.items():
        if field not in FIELDS:
            raise ValueError(f"{short_text(field, 40)!r} is not a field; there are {', '.join((*FIELDS, *MEDIA))}")
        if field == "seed":
            if type(value) is not int or not 0 <= value <= LARGEST_SEED:
                raise ValueError(
                    f"seed cannot be {short_text(str(value), 40)}; it takes a whole number from 0 to {LARGEST_SEED}"
                )
        elif not isinstance(value, str) or not value.strip():
            raise ValueError(f"{field} cannot be {short_text(json.dumps(value), 40)}; it takes text")
        else:
            check_text(value, field)
    if "task" not in row and "audio" not in media:
        raise ValueError("it has no task")
    if row.get("role", ROLES[0]) not in ROLES:
        raise ValueError(f"role cannot be {short_text(row['role'], 40)!r}; it takes {', '.join(ROLES)}")
    inputs = tuple(load_media(folder / file, MEDIA[field]) for field, files in media.items() for file in files)
    return {FIELDS[field]: value for field, value in row.items()} | ({"inputs": inputs} if inputs else {})


def _read_files(field: str, value: Any) -> list[str]:
    """The files that the field names: one, or a list. Raises ``ValueError``."""
    files = [value] if isinstance(value, str) else value
    if not isinstance(files, list) or not files or not all(isinstance(file, str) and file.strip() for file in files):
        raise ValueError(f"{field} cannot be {short_text(json.dumps(value), 40)}; it takes a file, or a list of files")
    return files


def run_list(ledger: Ledger, tasks: Sequence[ListedTask], actor: str, as_json: bool) -> None:
    """Run the tasks one after another with one model, and print each when it has ended.

    A task that cannot be run is said, and the next one follows. Exits with 1 where a run failed by an error. Raises
    ``UnknownAdapter``, ``NotFound`` before the first run.
    """
    from ...store.states import load_state
    from ...use_cases.runs import TaskProgress, check_request, run_task
    from ...wiring.services import Services

    for task in tasks:
        try:
            check_request(ledger, task.request)
        except GrokputerError as error:
            raise BadTaskList(f"{task.place}: {error}; nothing was run") from None
    successes: list[bool | None] = []
    faults = 0
    with Services(ledger, load_state(ledger), say) as services:
        progress = TaskProgress(say_lost, Shown(services).show_plan, say_start, watch_steps(is_shown=not as_json))
        for task in tasks:
            try:
                with saying_interruption():
                    outcome = run_task(ledger, services, task.request, actor=actor, progress=progress).outcome
            except GrokputerError as error:
                faults += 1
                say(f"{task.place}: {describe_error(error)}")
                continue
            successes.append(outcome.succeeded)
            if as_json:
                print_json_line(outcome_document(outcome), flush=True)
            else:
                print_outcome(outcome)
                sys.stdout.flush()
            if outcome.reason in ("error", "environment"):
                faults += 1
                say(f"{task.place}: {outcome.detail}")
    if not as_json and successes:
        print_line(say_successes(successes))
    if faults:
        say(f"{count(faults, 'task')} of {len(tasks)} could not be run")
        raise typer.Exit(1)


def say_successes(successes: Sequence[bool | None]) -> str:
    """How many of the runs succeeded, and of how many that is unknown."""
    unknown, good = successes.count(None), successes.count(True)
    if unknown == len(successes):
        return f"{count(unknown, 'answer')}; rate them, since nothing here judges an answer in words"
    return f"{good} of {len(successes) - unknown} succeeded" + (f"; {unknown} not judged" if unknown else "")
