"""What many commands share: the log's path, the actor, and how runs and moments are named on the command line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext, suppress
from contextvars import ContextVar
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar
from uuid import UUID

import click
import typer

from ..store.place import read_place
from .completion import DEFAULT_DB as DEFAULT_DB
from .completion import offer_arms, offer_runs, offer_tasks

if TYPE_CHECKING:
    from ..store.ledger import Ledger
    from ..store.log import Log

LogT = TypeVar("LogT", bound="Log")

_TO_CLOSE: ContextVar[ExitStack | None] = ContextVar("to_close", default=None)

Db = Annotated[
    str,
    typer.Option(
        "--db",
        envvar="GROKPUTER_DB",
        help="The log.",
        metavar="PATH",
        click_type=click.Path(),
    ),
]
"""A file, or the URL of a database; see ``read_place``."""
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
Actor = Annotated[str | None, typer.Option("--as", "--actor", help="Who this is recorded as; default: your user name.")]
RunPrefix = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="The run's id or its beginning: four characters or more, and unique.",
        autocompletion=offer_runs,
    ),
]
Role = Literal["action", "ocr", "decomposition", "recovery"]
OfTask = Annotated[
    str | None,
    typer.Option(
        help="Only of this task, * for any letters; or questions that have these words.", autocompletion=offer_tasks
    ),
]
OfArm = Annotated[Literal["stable", "canary", "pinned"] | None, typer.Option(help="Only of this arm.")]
OfAdapter = Annotated[str | None, typer.Option(help="Only with this adapter, or 'base'.", autocompletion=offer_arms)]
Since = Annotated[str | None, typer.Option(metavar="TIME", help="Only begun at or after it; 2h is 2 hours ago.")]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="Only begun at or before it.")]


def open_log(db: str) -> Log:
    """The log at the place, for reading, closed when the command ends. Raises ``LogError``."""
    from ..store.log import Log

    return until_command_ends(Log.open(read_place(db)))


def open_ledger(db: str) -> Ledger:
    """The log at the place, closed when the command ends. Raises ``LogError``."""
    from ..store.ledger import Ledger

    return until_command_ends(Ledger.open(read_place(db)))


@contextmanager
def closing_logs() -> Iterator[None]:
    """Close the logs that commands open within the block when it ends: a process may call many commands."""
    with ExitStack() as stack:
        token = _TO_CLOSE.set(stack)
        try:
            yield
        finally:
            _TO_CLOSE.reset(token)


def until_command_ends(log: LogT) -> LogT:
    """The log, which is closed when the command ends."""
    stack = _TO_CLOSE.get()
    return log if stack is None else stack.enter_context(closing(log))


def folder_of_log(db: str) -> AbstractContextManager[None]:
    """Create the folder of the log's file for the block, as ``folder_of`` does; a database has none."""
    place = read_place(db)
    return folder_of(place) if isinstance(place, Path) else nullcontext()


@contextmanager
def folder_of(path: Path) -> Iterator[None]:
    """Create the folder of the path for the block; folders that it created are removed again if the block fails."""
    missing = [folder for folder in path.absolute().parents if not folder.exists()]
    path.absolute().parent.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        for folder in missing:
            with suppress(OSError):  # not empty any more: another process uses it
                folder.rmdir()
        raise


def is_for_subcommand(context: typer.Context) -> bool:
    """Whether a subcommand follows, so that the group itself lists nothing. ``cli.LogGroup`` passes ``--db`` on to it."""
    return context.invoked_subcommand is not None


def name_actor(given: str | None) -> str:
    """The actor of a decision: the name given with ``--as``, else the user's. Raises ``NotPossible`` for one of the
    program's own names."""
    from ..use_cases.lookups import name_actor as name

    return name(given)


def find_run(log: Log, prefix: str) -> UUID:
    """The id of the one run whose id begins with the prefix. Raises ``NotFound``."""
    from ..use_cases.lookups import find_run as find

    return find(log, prefix)


def find_position(log: Log, moment: str) -> int:
    """The position that a number or an ISO 8601 time names; see ``lookups.find_position``.

    A time without a zone is local; a date is its first moment. Raises ``BadMoment`` for other text, and ``NotFound``.
    """
    from ..use_cases.lookups import find_position as find

    return find(log, read_moment(moment))


def read_moment(moment: str) -> int | datetime:
    """The position or the time that the text names. Raises ``BadMoment``."""
    from ..use_cases.lookups import read_moment as read

    return read(moment)
