"""A real Ray cluster on this machine, for slow tests: a head with its dashboard, two processors, and no GPU."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest
from scheduler import wait_until

from grokputer.adapters.launching.ray_jobs import RayJobs
from grokputer.adapters.launching.scheduler import JobState

needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is the extra 'ray'")


@dataclass(frozen=True)
class Cluster:
    """Where its parts are asked."""

    dashboard: str
    """The URL of its dashboard, for jobs."""
    head: str
    """Its host and port, for actors."""


def head_words(head: int, dashboard: int, folder: Path) -> list[str]:
    """The command of a head with two processors and no GPU; ``folder`` has a short path.

    Ray's default for two more of its ports is one number for all clusters of a machine. The cluster that finds that of its
    agent taken accepts no job, and says nothing.
    """
    return [
        *(sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", f"--port={head}"),
        *(f"--dashboard-port={dashboard}", "--num-cpus=2", "--num-gpus=0", "--disable-usage-stats"),
        *("--object-store-memory=80000000", f"--temp-dir={folder}"),
        *("--dashboard-agent-listen-port=0", f"--ray-client-server-port={free_port()}"),
    ]


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The cluster, ended with the last test."""
    os.environ["RAY_AUTH_MODE"] = "disabled"  # for both sides, whatever token the home folder has
    folder = Path("/tmp") / f"ray{os.getpid()}"  # its sockets need a short path
    head, dashboard = free_port(), free_port()
    words = head_words(head, dashboard, folder)
    address = f"http://127.0.0.1:{dashboard}"
    with (tmp_path_factory.mktemp("ray") / "log").open("wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True)
        try:
            jobs = RayJobs(address, 0, "python")
            wait_until(lambda: process.poll() is not None or jobs.look("none").state == JobState.UNKNOWN, 180)
            assert process.poll() is None, Path(log.name).read_text()[-2000:]
            yield Cluster(address, f"127.0.0.1:{head}")
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def processes_with(*words: str) -> list[int]:
    """The processes whose command line has all these words."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if all(word in line for word in words):
                found.append(int(entry.name))
    return found
