"""Which sandbox works on this machine: each is tried once in a process, by a command that must be carried out and held back."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from functools import cache

from ....domain.errors import EnvironmentUnavailable
from .bubblewrap import PROGRAM, Bubblewrap
from .command import Limits, Sandbox
from .landlock import Landlock
from .room import Room

PROBE = 'echo here > inside && ! { : > "$PWD/../outside"; } 2>/dev/null && ! { : > /usr/outside; } 2>/dev/null'
"""Succeeds where the folder can be written to and what lies beside it cannot."""

PROBE_LIMITS = Limits(seconds=20)

KINDS: tuple[Callable[[], Sandbox], ...] = (Bubblewrap, Landlock)
"""The sandboxes, the better one first."""

ADVICE = (
    "install bubblewrap 0.8 or newer (apt-get install bubblewrap) and allow unprivileged user namespaces, or on Linux 6.12 or "
    "newer: pip install 'grokputer[shell]'"
)


@cache
def find_sandbox() -> Sandbox:
    """The sandbox that works here. Raises ``EnvironmentUnavailable``, in one line with what to install, where none does.

    What was found stands for as long as the process lives; where none was found, the next call looks again.
    """
    if not sys.platform.startswith("linux"):
        raise EnvironmentUnavailable(
            "commands can be kept in a sandbox on Linux alone; run them there, or in a container"
        )
    faults = []
    for kind in KINDS:
        sandbox = kind()
        fault = probe(sandbox)
        if not fault:
            return sandbox
        faults.append(fault)
    raise EnvironmentUnavailable(f"no sandbox for commands works here ({'; '.join(faults)}); {ADVICE}")


def probe(sandbox: Sandbox) -> str:
    """Why the sandbox does not work here; empty where it does."""
    if sandbox.name == PROGRAM and shutil.which(PROGRAM) is None:
        return f"{PROGRAM} is not installed"
    try:
        with Room() as room:
            outcome = sandbox.run(room.folder, PROBE, PROBE_LIMITS)
    except EnvironmentUnavailable as error:
        fault = str(error)
        return fault if sandbox.name in fault else f"{sandbox.name}: {fault}"
    if outcome.code == 0:
        return ""
    return f"{sandbox.name} does not keep a command in its folder"
