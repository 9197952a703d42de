"""The training process: ``python -m grokputer.adapters.training.child JOB_DIR``.

``process.py`` starts it, and then it ends when its parent ends. A scheduler of another machine may start it too.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...domain.errors import GrokputerError, TrainingError
from ..registry.files import write_atomically
from ..serving.base_model import first_line
from .job import BUSY, UNTOLD, FolderBusy, TrainingJobSpec, discard_unfinished
from .surroundings import surroundings

PARENT_POLL_S = 0.5
"""Seconds between two checks of the parent, where the kernel does not report its end; chosen."""
NO_MEMORY = ("out of memory", "allocate memory", "bad_alloc", "failed to map segment")
"""Words of out-of-memory errors: of torch on a GPU and on a CPU, of the C++ library, and of the library loader."""
NO_DISK = ("os error", "file write failed", "inline_container")
"""Words of safetensors and torch for a file that could not be written."""


def die_with(parent: int) -> None:
    """End this process when its parent, given by its process id, ends."""
    if sys.platform == "linux":
        import ctypes

        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before the request
            os._exit(1)
    else:
        watch_parent(parent)


def watch_parent(parent: int) -> None:
    """End this process within about ``PARENT_POLL_S`` of its parent's end: for systems without a signal for that."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(PARENT_POLL_S)
        os._exit(1)

    threading.Thread(target=watch, name="watch parent", daemon=True).start()


def main(directory: Path, prepare: Callable[[Any], None] | None = None) -> int:
    """Train the job in the folder and write its result. Returns the exit code; ``prepare`` as in ``train_job``."""
    if parent := int(os.environ.get("GROKPUTER_PARENT", "0")):
        die_with(parent)
    try:
        from .trainer import train_job

        result: dict[str, Any] = asdict(train_job(TrainingJobSpec.read(directory), prepare))
        del result["adapter"]
        code = 0
    except FolderBusy:
        traceback.print_exc()
        return BUSY
    except Exception as error:  # any error: the parent gets the reason, the log the traceback
        traceback.print_exc()
        discard_unfinished(directory)  # a full disk then has room for the reason
        result = {"error": reason(error)}
        code = 1
    try:
        write_atomically(directory / "result.json", json.dumps(result, indent=1))
    except OSError:
        traceback.print_exc()
        return UNTOLD
    return code


def reason(error: BaseException) -> str:
    """One line: why a training failed."""
    message = str(error).lower()
    if isinstance(error, MemoryError) or any(words in message for words in NO_MEMORY):
        return (
            f"out of memory ({first_line(error)}); use a smaller batch, max_length or rank, or gradient_checkpointing"
        )
    if isinstance(error, OSError) or any(words in message for words in NO_DISK):
        return f"{first_line(error)}; check whether the disk is full"
    return first_line(error) if isinstance(error, GrokputerError) else f"{type(error).__name__}: {first_line(error)}"


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    if "GROKPUTER_PARENT" not in os.environ:  # it was started elsewhere, with the environment of that place
        with contextlib.suppress(TrainingError):  # main says what is wrong with the job
            os.environ.update(surroundings(TrainingJobSpec.read(folder), os.environ))
    sys.exit(main(folder))
