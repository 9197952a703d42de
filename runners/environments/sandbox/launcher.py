"""A program by itself: it carries out one command in a sandbox by sandlock, ends all that it left, and tells the exit code.

It is started with an empty environment, takes what it needs as JSON in its first argument, and imports nothing of this package.
It stays root no longer than it takes to load its libraries, which may lie where no other user can read.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import threading
import time
from typing import Any

PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER = 4, 36

LOOK_S = 0.2
"""How often it looks whether the program that started it is there still; chosen."""


def main() -> None:
    """Carry the command out, and write its exit code to the descriptor that is named, as JSON."""
    wanted: dict[str, Any] = json.loads(sys.argv[1])
    from sandlock import Sandbox, StdioMode

    drop_rights(wanted["user"], wanted["group"])
    box = Sandbox(
        fs_readable=wanted["readable"],
        fs_writable=wanted["writable"],
        max_memory=wanted["memory_bytes"],
        max_processes=wanted["processes"],
        max_open_files=wanted["open_files"],
        clean_env=True,
        env=wanted["environment"],
        cwd=wanted["folder"],
        no_coredump=True,
    )
    process = box.popen(wanted["arguments"], StdioMode.NULL, StdioMode.INHERIT, StdioMode.INHERIT)
    threading.Thread(target=end_with, args=(os.getppid(),), daemon=True).start()
    code = process.wait().exit_code
    end_children()
    os.write(wanted["tell"], json.dumps({"exit-code": code if code >= 0 else 128}).encode())


def drop_rights(user: int | None, group: int) -> None:
    """Become the user, where one is given; what the command leaves behind becomes a child of this process from then on."""
    library = ctypes.CDLL(None)
    if user is not None:
        os.setgroups([])
        os.setresgid(group, group, group)
        os.setresuid(user, user, user)
        library.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)  # sandlock looks into its child through /proc
    library.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_with(parent: int) -> None:
    """End everything once the program that started this one is gone."""
    while os.getppid() == parent:
        time.sleep(LOOK_S)
    end_children()
    os._exit(1)


def end_children() -> None:
    """Kill all children until there is none: the children of a killed one are this process's own then."""
    until = time.monotonic() + 5
    while (found := children()) and time.monotonic() < until:
        for pid in found:
            os.kill(pid, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.001)


def children() -> list[int]:
    """The processes below this one."""
    found: list[int] = []
    for task in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{task}/children", "rb") as file:
            found += map(int, file.read().split())
    return found


if __name__ == "__main__":
    main()
