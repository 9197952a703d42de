"""The processes of the fleet: started, commanded, killed and started again."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from ..layout import Layout

MODULE = "grokputer.benchmarks.shards."
TICK = os.sysconf("SC_CLK_TCK")


class Worker:
    """One process of the fleet, whichever is running at present."""

    def __init__(self, kind: str, name: str, layout: Path) -> None:
        self.kind, self.name, self._layout = kind, name, layout
        self.killed = 0
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start the process; ``wait`` waits until it is ready."""
        command = [sys.executable, "-m", MODULE + self.kind, str(self._layout)]
        command += [] if self.kind == "decider" else [self.name]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    @property
    def process(self) -> subprocess.Popen[str]:
        """The running process."""
        assert self._process is not None, "it has been started"
        return self._process

    def wait(self) -> None:
        """Wait until it is ready. Raises ``RuntimeError`` where it ended before that."""
        assert self.process.stdout is not None
        if self.process.stdout.readline() != "ready\n":
            raise RuntimeError(f"{self.kind} {self.name} ended before it was ready")

    def tell(self, line: str) -> None:
        """A command, for a gateway."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.write(f"{line}\n")
            self.process.stdin.flush()

    def kill(self) -> None:
        """End it as ``kill -9`` does; nothing where it was not started."""
        if self._process is None:
            return
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()


class Roster:
    """All processes of the fleet."""

    def __init__(self, layout: Layout, gateways: int) -> None:
        path = layout.save()
        self.gateways = [Worker("gateway", str(number), path) for number in range(gateways)]
        self.counters = [Worker("counter", name, path) for name in layout.names]
        self.decider = Worker("decider", "decider", path)
        self.rate, self.killed = 0.0, 0

    @property
    def workers(self) -> list[Worker]:
        """Every process."""
        return [*self.gateways, *self.counters, self.decider]

    def start(self) -> None:
        """Start them all, and wait until they are ready."""
        for worker in self.workers:
            worker.start()
        for worker in self.workers:
            worker.wait()

    def offer(self, rate: float) -> None:
        """Let so many requests a second come, over all gateways; infinity for as many as are taken."""
        self.rate = rate
        for gateway in self.gateways:
            gateway.tell(self._command)

    @property
    def _command(self) -> str:
        return "max" if self.rate == float("inf") else str(self.rate / len(self.gateways))

    def kill_next(self, draw: random.Random) -> None:
        """Kill a gateway, a counter or the decider, in turn, and start it again."""
        kinds = [self.gateways, self.counters, [self.decider]]
        worker = draw.choice(kinds[self.killed % len(kinds)])
        self.killed += 1
        worker.kill()
        worker.killed += 1
        worker.start()  # the next one may be killed before this one is ready
        if worker in self.gateways:
            worker.tell(self._command)

    def require_running(self) -> None:
        """Raise ``RuntimeError`` where a process ended by itself."""
        for worker in self.workers:
            if worker.process.poll() is not None:
                raise RuntimeError(f"{worker.kind} {worker.name} ended by itself, with {worker.process.returncode}")

    def stop(self) -> None:
        """End all."""
        for worker in self.workers:
            worker.kill()

    def cpu_s(self) -> dict[str, float]:
        """Processor seconds so far of the running processes, by kind."""
        return {
            "gateway": sum(cpu_of(worker.process.pid) for worker in self.gateways),
            "counter": sum(cpu_of(worker.process.pid) for worker in self.counters),
            "decider": cpu_of(self.decider.process.pid),
        }


def cpu_of(pid: int, *, with_children: bool = False) -> float:
    """Processor seconds of the process; with those of its children, ended or not."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = sum(map(int, fields[11 : 15 if with_children else 13]))
    return ticks / TICK + (sum(map(cpu_of, _children(pid))) if with_children else 0.0)


def _children(pid: int) -> Iterator[int]:
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(path.read_text().rpartition(")")[2].split()[1]) == pid:
                yield int(path.parent.name)


def wait_until(is_so: Callable[[], bool], limit_s: float, what: str) -> float:
    """Wait until the function returns true; the seconds that took. Raises ``RuntimeError`` after the limit."""
    began = time.monotonic()
    while not is_so():
        if time.monotonic() - began > limit_s:
            raise RuntimeError(f"{what} took longer than {limit_s:.0f} s")
        time.sleep(0.05)
    return time.monotonic() - began
