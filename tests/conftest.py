"""Lets the tests import each other's helpers, and shares the fixtures that are costly to make."""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
sys.path.insert(0, str(Path(__file__).parent))

from command_line import log, written  # noqa: F401
from tiny_base import tiny_base, trained  # noqa: F401
