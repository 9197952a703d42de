"""The lease: of all processes that carry out what a log asks for, one at a time does so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ...adapters.registry.lock import WITHOUT_LIMIT, Held, hold, read_process
from ...domain.errors import NotPossible
from .connection import explain
from .log import Log


def lease_of(path: Path) -> Path:
    """The file that is held."""
    return Path(f"{path.resolve()}.lease")


def find_worker(log: Log) -> str | None:
    """The worker at work on the log, ``the worker (process 4711)``, or None.

    The lock itself is not tried: a worker that begins at that moment would not get it.
    """
    process = read_process(lease_of(log.path))
    return None if process is None else f"the worker (process {process})"


@contextmanager
def lease(
    log: Log,
    say: Callable[[str], None] = lambda line: None,
    *,
    task: Callable[[], str] = lambda: "",
    waits: bool = True,
) -> Iterator[None]:
    """Hold the log's lease until the block ends; where another worker has it, say so and wait.

    ``task`` tells what that worker is doing. The system frees the lease when its holder dies. Raises ``NotPossible``
    instead of waiting where ``waits`` is off, and ``LogError`` where the file cannot be made.
    """
    file = lease_of(log.path)
    with ExitStack() as held:
        try:
            held.enter_context(hold(file))
        except Held as holder:
            doing = task()
            other = f"another worker ({holder}) is at work on {log.path}{': ' if doing else ''}{doing}"
            if not waits:
                raise NotPossible(f"{other}; wait until it ends") from None
            say(f"{other}; waiting for it")
            held.enter_context(hold(file, WITHOUT_LIMIT))
        except OSError as error:
            raise explain(log.path, error) from error
        yield
