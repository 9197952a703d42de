"""The user that runs commands: never root. Where the program is root, a user that owns nothing else on this machine."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from .command import Limits

FIRST_USER = 64_000
"""The first number of the users; chosen: above those that systems give to people and services."""

USERS = 1000
"""The number of such users. Each process of the program takes one, so that two rarely share a limit on processes."""


class Account(NamedTuple):
    """The user and group that own a work folder and run its commands."""

    user: int
    group: int
    is_dropped: bool
    """Whether the program is root and must give its rights up for them."""


def worker() -> Account:
    """The user that runs commands. Root would keep rights inside a user namespace, such as writing to ``/proc/sys``."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid(), False)
    number = FIRST_USER + os.getpid() % USERS
    return Account(number, number, True)


def limiter(limits: Limits, account: Account, *, is_supervised: bool = False) -> Callable[[], None]:
    """A function that the child calls before it becomes the command. It sets the limits, and makes the child the first to be
    killed where memory is short.

    With ``is_supervised`` the child is a supervisor, which itself limits memory, processes and open files of the command.
    """
    bounds = [
        (resource.RLIMIT_CPU, limits.cpu_s),
        (resource.RLIMIT_FSIZE, limits.file_bytes),
        (resource.RLIMIT_CORE, 0),
    ]
    if not is_supervised:
        others = _running(account.user)
        bounds += [
            (resource.RLIMIT_AS, limits.memory_bytes),
            (resource.RLIMIT_NOFILE, limits.open_files),
            (resource.RLIMIT_NPROC, limits.processes + others),
        ]

    def limit() -> None:
        for kind, most in bounds:
            _, hard = resource.getrlimit(kind)
            most = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(kind, (most, most))
        os.umask(0o022)
        os.nice(5)
        with suppress(OSError):
            score = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
            os.write(score, b"1000")
            os.close(score)

    return limit


def _running(user: int) -> int:
    """Threads of the user, with those that have ended and that no process has waited for: the limit counts them all.

    The first process of each ended sandbox is such a one, until the first process of this machine gets round to it.
    """
    found = 0
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if folder.stat().st_uid == user:
                found += len(os.listdir(folder / "task"))
    return found
