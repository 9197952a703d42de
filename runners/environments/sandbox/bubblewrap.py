"""A sandbox by bubblewrap: own namespaces, a root of read-only system folders, one writable folder, an empty environment.

Three measures are not obvious. As root, ``/proc/sys`` can be written in there, and no limit on processes
holds: so the command runs as another user. ``--clearenv`` leaves ``/proc/1/environ``, which is the environment of bubblewrap
itself: so that is empty too. ``/dev/shm`` is as large as half the memory: so it is a small one of its own.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from ....domain.errors import EnvironmentUnavailable
from .account import limiter, worker
from .command import HOME, PATH, Limits, Outcome, arguments_of
from .supervision import Kept, follow
from .usage import over

PROGRAM = "bwrap"

SYSTEM = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
"""Folders of the root that are links into /usr on most systems, and folders on others."""

TEMPORARY_BYTES = 64 << 20
"""Size of /tmp and of /dev/shm; chosen."""

END_S = 5.0
"""How long all processes may take to be gone once their first one was killed."""


class Bubblewrap:
    """The ``Sandbox`` by bubblewrap, 0.8 or newer."""

    name = PROGRAM

    def run(self, folder: Path, command: str, limits: Limits, *, is_read_only: bool = False) -> Outcome:
        """See ``Sandbox.run``."""
        began, kept = time.monotonic(), Kept(limits.output_bytes)
        with _start(folder, command, limits, is_read_only) as started:
            ended = follow(started.process, kept, limits, lambda: over(started.first_process, folder, limits))
            code = started.end()
        if code is None and not ended:
            said = " ".join(bytes(kept.head).decode("utf-8", "replace").split())
            raise EnvironmentUnavailable(f"the sandbox failed: {said or 'bubblewrap was killed'}")
        took_ms = round((time.monotonic() - began) * 1000)
        return Outcome(None if ended else code, ended, bytes(kept.head), bytes(kept.tail), kept.cut, took_ms)


class _Started:
    """A running bubblewrap. It tells through a pipe of its own which process is the first inside, and how the command ended."""

    def __init__(self, process: subprocess.Popen[bytes], told: int, user: int) -> None:
        self.process = process
        self._told, self._user = told, user
        self._first: int | None = None
        """The process inside whose end is the end of all: a descriptor, so it is never mistaken for another process."""
        self._status = b""
        os.set_blocking(told, False)

    @property
    def first_process(self) -> int:
        """Its number; until it is known that of bubblewrap, whose descendant it is."""
        pid: int = self._read().get("child-pid", self.process.pid)
        if self._first is None and pid != self.process.pid:
            self._first = _open_process(pid, self._user)
        return pid

    def end(self) -> int | None:
        """End whatever runs still, and wait until all is gone; the command's exit code, None where it was ended here."""
        assert self.first_process
        if self._first is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._first, signal.SIGKILL)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        if self._first is not None:
            gone = select.poll()
            gone.register(self._first, select.POLLIN)
            if not gone.poll(END_S * 1000):
                raise EnvironmentUnavailable(f"processes of a command do not end within {END_S:g} s of being killed")
        code: int | None = self._read().get("exit-code")
        return code

    def _read(self) -> dict[str, int]:
        with suppress(BlockingIOError):
            while part := os.read(self._told, 4096):
                self._status += part
        found: dict[str, int] = {}
        for line in self._status.splitlines():
            with suppress(ValueError):
                found |= json.loads(line)
        return found

    def __enter__(self) -> _Started:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.end()
        finally:
            for opened in (self._told, self._first):
                if opened is not None:
                    os.close(opened)
            assert self.process.stdout is not None
            self.process.stdout.close()


def _open_process(pid: int, user: int) -> int | None:
    """The process as a descriptor, where it is the first of a namespace and the user's; None where it is gone."""
    try:
        opened = os.pidfd_open(pid)
    except OSError:
        return None
    with suppress(OSError):
        fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        if fields["NSpid"].split()[1:][-1:] == ["1"] and fields["Uid"].split()[0] == str(user):
            return opened
    os.close(opened)
    return None


def _start(folder: Path, command: str, limits: Limits, is_read_only: bool) -> _Started:
    account = worker()
    drop: dict[str, Any] = {}
    if account.is_dropped:
        drop = {"user": account.user, "group": account.group, "extra_groups": []}
    told, to_tell = os.pipe()
    try:
        process = subprocess.Popen(
            _arguments(folder, command, to_tell, is_read_only),
            executable=shutil.which(PROGRAM),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={},
            pass_fds=(to_tell,),
            start_new_session=True,
            preexec_fn=limiter(limits, account),
            **drop,
        )
    except (OSError, subprocess.SubprocessError) as error:
        os.close(told)
        raise EnvironmentUnavailable(f"bubblewrap cannot be started: {error}") from error
    finally:
        os.close(to_tell)
    return _Started(process, told, account.user)


def _arguments(folder: Path, command: str, to_tell: int, is_read_only: bool) -> list[str]:
    arguments = [
        PROGRAM,
        *("--json-status-fd", str(to_tell)),
        *("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--unshare-net"),
        *("--uid", "1000", "--gid", "1000", "--hostname", "box"),
        *("--disable-userns", "--die-with-parent", "--new-session", "--cap-drop", "ALL"),
        *("--ro-bind", "/usr", "/usr"),
    ]
    for name in SYSTEM:
        path = Path("/", name)
        if path.is_symlink():
            arguments += ["--symlink", os.readlink(path), os.fspath(path)]
        elif path.is_dir():
            arguments += ["--ro-bind", os.fspath(path), os.fspath(path)]
    for name in ("/etc/alternatives", "/etc/ld.so.cache"):
        arguments += ["--ro-bind-try", name, name]
    arguments += ["--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys", "--dev", "/dev"]
    for name in ("/tmp", "/dev/shm"):
        arguments += ["--size", str(TEMPORARY_BYTES), "--tmpfs", name]
    arguments += ["--ro-bind" if is_read_only else "--bind", os.fspath(folder), HOME, "--chdir", HOME]
    arguments += ["--remount-ro", "/dev", "--remount-ro", "/", "--clearenv"]
    for name, value in (("HOME", HOME), ("USER", "user"), ("PATH", PATH), ("LANG", "C.UTF-8"), ("TERM", "dumb")):
        arguments += ["--setenv", name, value]
    return [*arguments, "--", *arguments_of(command)]
