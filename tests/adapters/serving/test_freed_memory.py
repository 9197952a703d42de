"""Freed memory is kept for the next answer, and returned to the system before a training."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import ctypes
from pathlib import Path
from grokputer.adapters.serving.base_model import keep_freed_memory, return_freed_memory

def resident_mb():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 >> 20

keep_freed_memory()
c = ctypes.CDLL(None)
c.malloc.restype, c.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
before = resident_mb()
blocks = [c.malloc(64 << 20) for _ in range(4)]
for block in blocks:
    ctypes.memset(ctypes.c_void_p(block), 1, 64 << 20)
used = resident_mb()
for block in blocks:
    c.free(block)
kept = resident_mb()
return_freed_memory()
print(used - before, kept - before, resident_mb() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the memory of a process is read from /proc")
def test_freed_blocks_stay_until_they_are_returned() -> None:
    shown = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    used, kept, left = map(int, shown.stdout.split())
    assert used >= 256 and kept >= 256 and left < 64
