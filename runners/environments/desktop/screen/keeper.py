"""A program by itself: it starts a desktop and its programs, and ends all of them when the program that started it is gone.

It is started with an empty environment, takes what it needs as JSON in its first argument, and imports the standard library
alone. It gives root's rights up before it starts any program. Every process below it is its own child at last, whatever a
program does to get away, because it is the reaper of its descendants. It answers each line of its input by one line.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 36, 38
CLONE_NEWNET = 0x40000000

LOOK_S = 0.5
"""How often ended programs are collected; chosen."""

END_S = 3.0
"""How long the screen may take to remove its own files after it was told to end; chosen."""

START_S = 20.0
"""How long one part of the desktop may take to start; chosen: a hundred times what it takes on a quiet machine."""

SOCKETS = "/tmp/.X11-unix"
"""Where each display of this machine has its socket. The X11 libraries have this folder built in, so no setting moves it."""

READ = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc", "/proc", "/sys", "/var/cache/fontconfig", "/opt")
WRITE = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/shm", "/dev/fd")

LIBRARY = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Start the desktop, tell where it is, then start and end programs as the input says, until the input ends."""
    wanted: dict[str, Any] = json.loads(sys.argv[1])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the terminal is for the program that started this one
    LIBRARY.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    prepare()
    keeper = Keeper(wanted)
    try:
        answer(keeper.open())
        keeper.serve()
    except Fault as fault:
        answer({"error": str(fault)})
    finally:
        keeper.close()


def prepare() -> None:
    """What comes before the screen: no program gets rights, and its socket has a folder."""
    with suppress(FileExistsError):
        os.mkdir(SOCKETS)
        os.chmod(SOCKETS, 0o1777)
    LIBRARY.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    os.umask(0o077)


def drop_rights(user: int, group: int) -> None:
    """Be root no longer. Programs have no network where the system allows to take it from them."""
    LIBRARY.unshare(CLONE_NEWNET)
    os.setgroups([])
    os.setresgid(group, group, group)
    os.setresuid(user, user, user)


class Fault(Exception):
    """A part of the desktop cannot be started."""


def answer(document: dict[str, Any]) -> None:
    """Write one line of the output."""
    with suppress(BrokenPipeError):
        os.write(1, json.dumps(document).encode() + b"\n")


class Keeper:
    """The desktop's own processes, and the programs on it."""

    def __init__(self, wanted: dict[str, Any]) -> None:
        self._wanted = wanted
        self._environment: dict[str, str] = dict(wanted["environment"])
        self._services: list[subprocess.Popen[bytes]] = []
        self._buffer = b""

    def open(self) -> dict[str, Any]:
        """Start the parts of the desktop that are asked for; the answer says where they are. Raises ``Fault``."""
        for name in ("screen", "bus", "tree", "manager"):
            part = self._wanted["parts"].get(name)
            if part is not None:
                told = self._start_part(name, part["arguments"], part.get("tells"))
                if name == "screen" and self._wanted["user"] is not None:
                    drop_rights(self._wanted["user"], self._wanted["group"])
                if told:
                    self._environment[part["tells"]] = f"{part.get('before', '')}{told}"
        return {"environment": self._environment}

    def serve(self) -> None:
        """Carry out what the lines of the input say, until it ends."""
        poll = select.poll()
        poll.register(0, select.POLLIN)
        while True:
            if poll.poll(LOOK_S * 1000):
                part = os.read(0, 1 << 16)
                if not part:
                    return
                self._buffer += part
            collect()
            while b"\n" in self._buffer:
                line, self._buffer = self._buffer.split(b"\n", 1)
                self._do(json.loads(line))

    def close(self) -> None:
        """End everything: programs at once, the screen in a way that lets it remove its files."""
        self._end_programs()
        for process in reversed(self._services):
            with suppress(OSError):
                process.terminate()
        until = time.monotonic() + END_S
        while time.monotonic() < until and any(process.poll() is None for process in self._services):
            time.sleep(0.005)
        end_all(lambda: list(descendants(os.getpid())))
        remove(self._wanted["folder"])

    def _do(self, asked: dict[str, Any]) -> None:
        if asked["do"] == "start":
            answer(self._start_program(asked))
        elif asked["do"] == "end":
            answer({"left": self._end_programs()})
        else:
            answer({"lost": [p.args[0] for p in self._services if p.poll() is not None]})  # type: ignore[index]

    def _start_part(self, name: str, arguments: list[str], tells: str | None) -> str:
        """Start a part; where it tells something, wait for its line. ``@`` in an argument is the descriptor to tell it on."""
        told, to_tell = os.pipe()
        log = os.open(os.path.join(self._wanted["folder"], "run", f"{name}.log"), os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            process = subprocess.Popen(
                [argument.replace("@", str(to_tell)) for argument in arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment | {"HOME": os.path.join(self._wanted["folder"], "run")},
                pass_fds=[to_tell] if tells else [],
                preexec_fn=lambda: die_with_parent(signal.SIGTERM),
                start_new_session=True,
                **self._account(),
            )
        except OSError as error:
            os.close(told)
            raise Fault(f"{arguments[0]} cannot be started: {error.strerror}") from None
        finally:
            os.close(to_tell)
            os.close(log)
        self._services.append(process)
        with os.fdopen(told, "rb") as lines:
            return self._read_line(lines.fileno(), arguments[0]) if tells else ""

    def _account(self) -> dict[str, Any]:
        """The screen alone is started by root: it stays in the network of all screens, where no two have the same number."""
        if os.geteuid() or self._wanted["user"] is None:
            return {}
        return {"user": self._wanted["user"], "group": self._wanted["group"], "extra_groups": []}

    def _read_line(self, descriptor: int, program: str) -> str:
        found, until = b"", time.monotonic() + START_S
        while not found.endswith(b"\n"):
            if not select.select([descriptor], [], [], max(0.0, until - time.monotonic()))[0]:
                raise Fault(f"{program} did not start within {START_S:g} s")
            part = os.read(descriptor, 4096)
            if not part:
                raise Fault(f"{program} ended at its start")
            found += part
        return found.decode().strip()

    def _start_program(self, asked: dict[str, Any]) -> dict[str, Any]:
        out = os.open(asked["out"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600) if asked.get("out") else None
        try:
            process = subprocess.Popen(
                asked["arguments"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL if out is None else out,
                stderr=subprocess.DEVNULL,
                cwd=asked["folder"],
                env=self._environment | asked["environment"],
                preexec_fn=self._limit,
                start_new_session=True,
            )
        except (OSError, subprocess.SubprocessError) as error:
            return {"error": f"{asked['arguments'][0]} cannot be started: {error}"}
        finally:
            if out is not None:
                os.close(out)
        process.returncode = 0  # collected with all others
        return {"pid": process.pid}

    def _limit(self) -> None:
        for bound, most in self._wanted["limits"]:
            hard = resource.getrlimit(bound)[1]
            most = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(bound, (most, most))
        die_with_parent(signal.SIGKILL)
        folder = self._wanted["folder"]
        if self._wanted["is_confined"]:
            confine([*READ, folder], [*WRITE, f"{folder}/home", f"{folder}/run"])

    def _end_programs(self) -> int:
        """Kill all that is not a part of the desktop. Returns how many could not be ended."""
        parts = {process.pid for process in self._services}
        return end_all(
            lambda: [pid for pid in descendants(os.getpid(), parts) if pid not in parts and not is_registry(pid)]
        )


def die_with_parent(how: int) -> None:
    """In a child: end when the keeper ends, however that ends."""
    LIBRARY.prctl(PR_SET_PDEATHSIG, int(how), 0, 0, 0)


def descendants(pid: int, without: set[int] | None = None) -> Iterator[int]:
    """The processes below the process, but for those below one of ``without``."""
    with suppress(OSError):
        with open(f"/proc/{pid}/task/{pid}/children", "rb") as file:
            found = [int(child) for child in file.read().split()]
        for task in os.listdir(f"/proc/{pid}/task"):
            if int(task) != pid:
                with suppress(OSError), open(f"/proc/{pid}/task/{task}/children", "rb") as file:
                    found += map(int, file.read().split())
        for child in found:
            yield child
            if child not in (without or ()):
                yield from descendants(child, without)


def is_registry(pid: int) -> bool:
    """Whether the process is the registry of the accessibility bus, which that bus starts by itself and lets go."""
    with suppress(OSError):
        return os.path.basename(os.readlink(f"/proc/{pid}/exe")) == "at-spi2-registryd"
    return False


def end_all(find: Callable[[], list[int]]) -> int:
    """Kill what is found until nothing is; how many are left after ``END_S``."""
    until = time.monotonic() + END_S
    while (found := find()) and time.monotonic() < until:
        for pid in found:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        collect()
        time.sleep(0.002)
    return len(found)


def collect() -> None:
    """Collect the ended children. The parts of the desktop are asked for by ``poll``, which takes a missing one as ended."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def remove(folder: str) -> None:
    """Remove the folder with all that programs left in it: the program that started this one may be gone."""
    for name in ("home", "run", "out"):
        subprocess.run(["/bin/rm", "-rf", "--", os.path.join(folder, name)], stderr=subprocess.DEVNULL, check=False)
    with suppress(OSError):
        os.unlink(os.path.join(folder, "lock"))
        os.rmdir(folder)


# ---- Landlock: a program writes into the desktop's folder alone, and reads that and the system alone ----------------------

READ_FILE, READ_FOLDER, EXECUTE = 1 << 2, 1 << 3, 1 << 0
ALL_OF_VERSION_1 = (1 << 13) - 1
MOVE, TRUNCATE = 1 << 13, 1 << 14
FILE_RIGHTS = EXECUTE | 1 << 1 | READ_FILE | TRUNCATE
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
ASK_VERSION = 1
NO_TCP, NO_SIGNALS = 0b11, 0b10


class Ruleset(ctypes.Structure):
    """``struct landlock_ruleset_attr`` of version 6: files, TCP, and what is kept from other programs."""

    _fields_ = (("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class Beneath(ctypes.Structure):
    """``struct landlock_path_beneath_attr``."""

    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def confine(read: list[str], write: list[str]) -> None:
    """Restrict this process for good, where the system has Landlock."""
    version = LIBRARY.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), ASK_VERSION)
    if version < 1:
        return
    every = ALL_OF_VERSION_1 | (MOVE if version >= 2 else 0) | (TRUNCATE if version >= 3 else 0)
    attributes = Ruleset(every, NO_TCP, NO_SIGNALS)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    rules = LIBRARY.syscall(CREATE_RULESET, ctypes.byref(attributes), ctypes.c_size_t(size), 0)
    for paths, allowed in ((read, READ_FILE | READ_FOLDER | EXECUTE), (write, every)):
        for path in paths:
            with suppress(OSError):
                opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
                rights = allowed if os.path.isdir(path) else allowed & FILE_RIGHTS
                rule = Beneath(rights, opened)
                LIBRARY.syscall(ADD_RULE, rules, 1, ctypes.byref(rule), 0)
                os.close(opened)
    LIBRARY.syscall(RESTRICT_SELF, rules, 0)
    os.close(rules)


if __name__ == "__main__":
    main()
