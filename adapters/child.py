"""The training process: ``python -m grokputer.adapters.child JOB_DIR``. Started by ``training.py``, it ends with its parent."""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..domain.errors import GrokputerError
from .base_model import first_line
from .job import TrainingJobSpec, write_atomically


def _die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent dies (Linux only)."""
    parent = int(os.environ.get("GROKPUTER_PARENT", "0"))
    if parent and sys.platform == "linux":
        import ctypes

        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)


def main(directory: Path, prepare: Callable[[Any], None] | None = None) -> int:
    """The child: train the job in the folder and write its result. Returns the exit code; ``prepare`` as in ``train_job``."""
    _die_with_parent()
    try:
        from .trainer import train_job

        result: dict[str, Any] = asdict(train_job(TrainingJobSpec.read(directory), prepare))
        del result["adapter"]
        code = 0
    except Exception as error:  # whatever it is, the parent is told, and the log has its traceback
        traceback.print_exc()
        result = {"error": reason(error)}
        code = 1
    write_atomically(directory / "result.json", json.dumps(result, indent=1))
    return code


def reason(error: BaseException) -> str:
    """One line that says why a training failed."""
    if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
        return (
            f"out of memory ({first_line(error)}); use a smaller batch, max_length or rank, or gradient_checkpointing"
        )
    if isinstance(error, OSError) or "os error" in str(error):  # the latter by the safetensors library
        return f"{first_line(error)}; see whether the disk is full"
    return first_line(error) if isinstance(error, GrokputerError) else f"{type(error).__name__}: {first_line(error)}"


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
