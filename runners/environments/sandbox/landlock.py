"""A sandbox by sandlock, where namespaces are not allowed: Landlock and seccomp keep the command to its folder.

The command sees the paths of this machine, though it can open few of them, and has no /tmp. It is carried out by a program of
its own (``launcher.py``), because the library supervises it from threads of its process.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from ....domain.errors import EnvironmentUnavailable
from .account import limiter, worker
from .command import PATH, Limits, Outcome, arguments_of
from .supervision import Kept, follow
from .usage import children_of, over

LIBRARY = "sandlock"

READABLE = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc/alternatives", "/etc/ld.so.cache", "/proc"),
    *("/dev/zero", "/dev/random", "/dev/urandom", "/dev/fd"),
)
"""What may be read. Of /proc the library shows a command its own processes alone."""

END_S = 5.0
"""How long all processes may take to be gone once they were killed."""


class Landlock:
    """The ``Sandbox`` by sandlock: the extra ``shell``."""

    name = LIBRARY

    def run(self, folder: Path, command: str, limits: Limits, *, is_read_only: bool = False) -> Outcome:
        """See ``Sandbox.run``."""
        if find_spec(LIBRARY) is None:
            raise EnvironmentUnavailable(f"{LIBRARY} is not installed")
        began, kept = time.monotonic(), Kept(limits.output_bytes)
        told, to_tell = os.pipe()
        try:
            process = _start(folder, command, limits, is_read_only, to_tell)
        except (OSError, subprocess.SubprocessError) as error:
            os.close(told)
            raise EnvironmentUnavailable(f"{LIBRARY} cannot be started: {error}") from error
        finally:
            os.close(to_tell)
        with process, os.fdopen(told, "rb") as answer:
            try:
                ended = follow(process, kept, limits, lambda: over(process.pid, folder, limits))
            finally:
                _end(process)
            found = answer.read()
        if not found and not ended:
            said = bytes(kept.tail or kept.head).decode("utf-8", "replace").strip().rsplit("\n", 1)[-1]
            raise EnvironmentUnavailable(f"the sandbox failed: {said or f'{LIBRARY} was killed'}")
        code: int | None = None if ended else json.loads(found)["exit-code"]
        took_ms = round((time.monotonic() - began) * 1000)
        return Outcome(code, ended, bytes(kept.head), bytes(kept.tail), kept.cut, took_ms)


def _start(folder: Path, command: str, limits: Limits, is_read_only: bool, tell: int) -> subprocess.Popen[bytes]:
    account, work = worker(), os.fspath(folder)
    wanted = {
        "user": account.user if account.is_dropped else None,
        "group": account.group,
        "readable": [path for path in READABLE if os.path.exists(path)] + [work] * is_read_only,
        "writable": ["/dev/null", *[work] * (not is_read_only)],
        "memory_bytes": limits.memory_bytes,
        "processes": limits.processes,
        "open_files": limits.open_files,
        "environment": {"HOME": work, "USER": "user", "PATH": PATH, "LANG": "C.UTF-8", "TERM": "dumb"},
        "folder": work,
        "arguments": arguments_of(command),
        "tell": tell,
    }
    return subprocess.Popen(
        [sys.executable, "-I", os.fspath(Path(__file__).with_name("launcher.py")), json.dumps(wanted)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={},
        pass_fds=(tell,),
        start_new_session=True,
        preexec_fn=limiter(limits, account, is_supervised=True),
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill what the command runs still, and wait until all is gone. The launcher ends when nothing is left to wait for."""
    until = time.monotonic() + END_S
    while process.poll() is None and time.monotonic() < until:
        waiting, found = [process.pid], list[int]()
        while waiting:
            below = children_of(waiting.pop())
            found += below
            waiting += below
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.01)
    process.kill()
