"""Shares the fixtures that are costly to make, and keeps files in memory."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import pytest

if sys.dont_write_bytecode:
    # Hundreds of processes start in these tests. Where the environment forbids byte code, each compiles torch again:
    # half of their time. A folder of its own keeps the source tree and the libraries as they are.
    sys.dont_write_bytecode = False
    sys.pycache_prefix = os.environ["PYTHONPYCACHEPREFIX"] = str(Path(sys.prefix) / "pycache")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("HF_HUB_OFFLINE", "1")  # no test asks the real Hub

# A client of HTTP reads the certificates of a hundred authorities, hundreds of times in these tests, and no test asks a
# server that one of them vouches for. A folder without certificates in their place is read at once.
os.environ.pop("SSL_CERT_FILE", None)
os.environ["SSL_CERT_DIR"] = str(Path(__file__).parent)

from command_line import log, written  # noqa: F401
from ray_cluster import cluster  # noqa: F401
from stores import own_server, place  # noqa: F401
from tiny_base import tiny_base, trained  # noqa: F401
from tiny_vision import vision_base  # noqa: F401

MEMORY = Path("/dev/shm")
NEEDED_BYTES = 1 << 30
"""Far more than all tests leave at once."""


def can_hold_the_tests(folder: Path) -> bool:
    """Whether there is room for the files of the tests, and the programs among them can be started."""
    if sys.platform != "linux" or not folder.is_dir() or not os.access(folder, os.W_OK):
        return False
    system = os.statvfs(folder)
    return system.f_bavail * system.f_frsize > NEEDED_BYTES and not system.f_flag & os.ST_NOEXEC


if "TMPDIR" not in os.environ and can_hold_the_tests(MEMORY):
    # A log syncs each commit to the disk, thousands of times in these tests: most of their time is waiting for it.
    os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)

LONGEST = {
    "test_worker",
    "test_training",
    "test_stopped_trainings",
    "test_learning",
    "test_objectives",
    "test_failed_trainings",
    "test_cost",
    "test_release",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, so that processes which share the files end together."""
    items.sort(key=lambda item: item.path.stem not in LONGEST)
