"""The processes of a run as parts: each can be killed without a word, and is started again as a supervisor would."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

MARK, PART = "GROKPUTER_CHAOS", "GROKPUTER_CHAOS_PART"
"""Variables of the environment by which all processes of a run, and those of one part, are found."""
PATIENCE_S = 600.0
"""Seconds until a part that does not answer ends the run; chosen: on busy cores Ray takes half a minute, and a real vLLM server
minutes."""


class NotInTime(Exception):
    """What was waited for has not happened; the run is over."""


class Part(Protocol):
    """Something that runs, and can be killed."""

    name: str

    def start(self) -> None:
        """Start it; it may not answer yet."""
        ...

    def kill(self) -> None:
        """End it at once, as a lost machine does."""
        ...

    def stop(self) -> None:
        """End it as a person does."""
        ...

    def is_alive(self) -> bool:
        """Whether its process is there."""
        ...

    def is_ready(self) -> bool:
        """Whether it does its work."""
        ...


@dataclass
class Command:
    """A part that is one command in a process group of its own. ``spares`` are words of processes that a kill leaves alone."""

    name: str
    words: Sequence[str]
    output: Path
    answers: Callable[[], bool] = lambda: True
    spares: str = ""
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the command; its output is appended to the file."""
        environment = {**os.environ, PART: self.name}
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                self.words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
                start_new_session=True,
            )

    def kill(self) -> None:
        """SIGKILL to every process of the part."""
        for id in processes_of(self.name):
            if not self.spares or self.spares not in command_line(id):
                with suppress(ProcessLookupError):
                    os.kill(id, signal.SIGKILL)
        self._wait(10)

    def stop(self) -> None:
        """SIGINT to its process, and SIGKILL to what is left of the part after a while."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self._wait(40)
        self.spares = ""
        self.kill()

    def _wait(self, seconds: float) -> None:
        if self.process is not None:
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(seconds)

    def is_alive(self) -> bool:
        """Whether its first process runs."""
        return self.process is not None and self.process.poll() is None

    def is_ready(self) -> bool:
        """Whether it runs and answers."""
        return self.is_alive() and self.answers()


@dataclass(frozen=True)
class Outage:
    """A time in which a part was away."""

    part: str
    began: float
    ended: float
    """When it was ready again; like ``began`` seconds since the epoch."""
    is_planned: bool = True
    """Whether it was killed; else it ended by itself."""


class Supervisor:
    """Keeps parts running: starts each again that ends by itself, and kills one when it is told to."""

    def __init__(self, parts: Sequence[Part], say: Callable[[str], None]) -> None:
        self.parts = {part.name: part for part in parts}
        self.outages: list[Outage] = []
        self.problem: NotInTime | None = None
        """What ended the watch."""
        self._say = say
        self.away = set[str]()
        """Parts that are being killed or started."""
        self._is_over = threading.Event()
        self._watching = threading.Thread(target=self._watch, daemon=True)

    def begin(self) -> None:
        """Watch the parts, which run."""
        self._watching.start()

    def end(self) -> None:
        """Watch them no more."""
        self._is_over.set()
        if self._watching.is_alive():
            self._watching.join()

    def kill(self, name: str, down_s: float) -> None:
        """Kill the part, start it again after so many seconds, and return when it is ready."""
        self.away.add(name)
        try:
            began = time.time()
            self._say(f"kills {name}")
            self.parts[name].kill()
            time.sleep(down_s)
            self._restart(name, began, is_planned=True)
        finally:
            self.away.discard(name)

    def _restart(self, name: str, began: float, *, is_planned: bool) -> None:
        part = self.parts[name]
        part.start()
        wait_until(lambda: part.is_ready() or self._start_if_ended(part), f"{name} is ready again")
        outage = Outage(name, began, time.time(), is_planned)
        self.outages.append(outage)
        self._say(f"{name} is ready again after {outage.ended - outage.began:.1f} s")

    def _start_if_ended(self, part: Part) -> bool:
        """Start a part again, after a second, that ended while it started, because another part was away; it is not ready."""
        if not part.is_alive():
            time.sleep(1)
            part.start()
        return False

    def _watch(self) -> None:
        try:
            while not self._is_over.wait(0.5):
                for name, part in self.parts.items():
                    if name not in self.away and not part.is_alive() and not self._is_over.is_set():
                        self._start_again(name)
        except NotInTime as error:
            self.problem = error

    def _start_again(self, name: str) -> None:
        """Start a part again that ended by itself, after a second."""
        self._say(f"{name} has ended by itself")
        began = time.time()
        time.sleep(1)
        self._restart(name, began, is_planned=False)


def wait_until(happens: Callable[[], bool], what: str, limit_s: float = PATIENCE_S) -> None:
    """Return when it happens. Raises ``NotInTime`` with the words after the limit."""
    until = time.monotonic() + limit_s
    while not happens():
        if time.monotonic() > until:
            raise NotInTime(f"not within {limit_s:g} s: {what}")
        time.sleep(0.2)


def processes_of(part: str = "") -> list[int]:
    """The processes of the part, or all of the run, that are no zombies."""
    wanted = f"{PART}={part}" if part else f"{MARK}={os.environ[MARK]}"
    own = f"{MARK}={os.environ[MARK]}"
    return [id for id, lines in _environments() if wanted in lines and own in lines and id != os.getpid()]


def _environments() -> Iterator[tuple[int, list[str]]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                yield int(entry.name), (entry / "environ").read_bytes().decode(errors="replace").split("\0")


def command_line(id: int) -> str:
    """The words of the process; empty where it has ended."""
    with suppress(OSError):
        return Path(f"/proc/{id}/cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
    return ""
