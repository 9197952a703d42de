"""The worker beside a gateway: a process of its own, which is started again where it ends by itself."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from ...store.place import Place, text_of

PROGRAM = "from grokputer.cli import main; main()"
"""The program of the process, with its arguments."""
PAUSES_S = (1.0, 5.0, 30.0, 60.0)
"""Seconds before it is started again; the last one from then on. Chosen: a log that another process holds is free soon, and
what an operator must mend should not fill the output."""
WELL_S = 300.0
"""Seconds after which a worker counts as well, so that the pauses begin anew; chosen."""


class Worker:
    """The worker of a log, a process of its own because trainings take all the memory and time that there is."""

    def __init__(self, log: Place, say: Callable[[str], None]) -> None:
        self._log, self._say = log, say
        self._process: asyncio.subprocess.Process | None = None
        self._is_stopping = asyncio.Event()

    async def run(self) -> None:
        """Start it, and again whenever it ends by itself, until ``stop`` was called and it has ended."""
        loop, tries = asyncio.get_running_loop(), 0
        while not self._is_stopping.is_set():
            began = loop.time()
            self._process = await self._start()
            if self._is_stopping.is_set():
                self.stop()
            code = await self._process.wait()
            if self._is_stopping.is_set():
                return
            tries = 0 if loop.time() - began > WELL_S else tries
            pause_s = PAUSES_S[min(tries, len(PAUSES_S) - 1)]
            tries += 1
            self._say(f"the worker ended with code {code}; it starts again in {pause_s:g} s")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._is_stopping.wait(), pause_s)

    def stop(self) -> None:
        """Ask it to end, as Ctrl-C does: a training goes on where it was when the next worker starts."""
        self._is_stopping.set()
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGINT)

    async def _start(self) -> asyncio.subprocess.Process:
        """It finds the log in its environment: the URL of a database may have a password, which lists of processes show."""
        environment = {**os.environ, "GROKPUTER_DB": text_of(self._log)}
        return await asyncio.create_subprocess_exec(sys.executable, "-c", PROGRAM, "work", env=environment)


@asynccontextmanager
async def working(log: Place, say: Callable[[str], None]) -> AsyncIterator[Worker]:
    """A worker that runs until the block ends, and is waited for then. ``say`` is told when it ended by itself."""
    worker = Worker(log, say)
    running = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        worker.stop()
        await running
