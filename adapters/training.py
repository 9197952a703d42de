"""Training an adapter in a process of its own, and the parent's side of it.

A process of its own, because the base must be freshly loaded and never evaluated (bitsandbytes repacks 4-bit weights on a
CPU at the first evaluation, and gradients through them are silently wrong afterwards), and because whatever happens to it
leaves the parent standing. The job's folder holds everything::

    job.json         what to train: base, recipe, dataset
    progress.jsonl   one line per optimiser step
    training.log     what the libraries said
    checkpoint-N/    where a killed training goes on
    adapter/         the weights, whole or absent
    result.json      written last: the measured cost, or {"error": reason}

``python -m grokputer.adapters.training JOB_DIR`` is the child.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..domain.errors import GrokputerError, TrainingError
from .base_model import Base, first_line
from .recipe import Recipe

POLL_S = 0.05
"""How often the parent looks for progress; chosen."""


@dataclass(frozen=True)
class TrainingJobSpec:
    """One training: its folder, its dataset (JSON Lines of ``Example``), the base and the recipe.

    The recipe's quantisation holds for the base. A folder with a finished training of the same job is not trained again;
    one with a checkpoint goes on from there.
    """

    directory: Path
    dataset: Path
    recipe: Recipe = field(default_factory=Recipe)
    base: Base = field(default_factory=Base)

    def to_json(self) -> dict[str, Any]:
        """What ``job.json`` says."""
        return {"dataset": str(self.dataset.absolute()), "recipe": self.recipe.to_json(), "base": self.base.to_json()}

    @staticmethod
    def read(directory: Path) -> TrainingJobSpec:
        """The job in a folder. Raises ``TrainingError`` when there is none."""
        try:
            data = json.loads((directory / "job.json").read_text(encoding="utf-8"))
            return TrainingJobSpec(
                directory, Path(data["dataset"]), Recipe.from_json(data["recipe"]), Base(**data["base"])
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TrainingError(f"training job {directory}/job.json cannot be read: {error}") from error


@dataclass(frozen=True)
class Progress:
    """Where a training stands after an optimiser step. ``epoch`` counts from 0.0; ``loss`` is of this step."""

    step: int
    total_steps: int
    loss: float
    epoch: float
    examples_per_s: float
    elapsed_s: float


@dataclass(frozen=True)
class TrainingResult:
    """A finished training and what it cost.

    ``examples`` were trained on and ``left_out`` were longer than the recipe allows; ``tokens`` counts those of one epoch;
    ``duration_s`` is the time of the process that finished it, ``peak_memory_bytes`` the GPU's, or without one the process's.
    """

    adapter: Path
    adapter_hash: str
    dataset_hash: str
    base_fingerprint: str
    duration_s: float
    peak_memory_bytes: int
    examples: int
    left_out: int
    tokens: int
    steps: int
    final_loss: float
    device: str
    versions: dict[str, str]

    @staticmethod
    def read(directory: Path) -> TrainingResult | None:
        """The result in a job's folder, or None while there is none. Raises ``TrainingError`` with a failed one's reason."""
        try:
            data = json.loads((directory / "result.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise TrainingError(f"training result {directory}/result.json cannot be read: {error}") from error
        if "error" in data:
            raise TrainingError(f"training in {directory} failed: {data['error']}")
        return TrainingResult(**{**data, "adapter": directory / "adapter"})


def train(job: TrainingJobSpec, on_progress: Callable[[Progress], None] = lambda progress: None) -> TrainingResult:
    """Train in a child process that dies with this one, and return the finished result.

    Raises ``TrainingError`` with the reason. Interrupted (``KeyboardInterrupt`` included), the child is stopped; call
    again to go on from its last checkpoint.
    """
    if not _take_up(job):
        finished = TrainingResult.read(job.directory)
        if finished is not None:
            return finished
    log = job.directory / "training.log"
    with log.open("ab") as output:
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__, str(job.directory)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=_environment(job),
            start_new_session=True,
        )
    try:
        for progress in _follow(job.directory / "progress.jsonl", child):
            on_progress(progress)
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
    result = TrainingResult.read(job.directory)
    if result is None or child.returncode != 0:
        raise TrainingError(f"training in {job.directory} failed: {_cause(child.returncode)}; see {log}")
    return result


def _take_up(job: TrainingJobSpec) -> bool:
    """Write the job into its folder; True when it still has to be trained. Raises ``TrainingError`` if it has another."""
    job.directory.mkdir(parents=True, exist_ok=True)
    file = job.directory / "job.json"
    text = json.dumps(job.to_json(), indent=1)
    if file.exists() and file.read_text(encoding="utf-8") != text:
        raise TrainingError(f"folder {job.directory} holds another training job; give an empty folder")
    write_atomically(file, text)
    try:
        return TrainingResult.read(job.directory) is None
    except TrainingError:
        (job.directory / "result.json").unlink()  # failed before: try again
        return True


def _environment(job: TrainingJobSpec) -> dict[str, str]:
    """The child's environment: no telemetry, and no network where the base lies on this machine."""
    quiet = {"HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1", "TOKENIZERS_PARALLELISM": "false"}
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"} if job.base.is_local else {}
    return {
        **os.environ,
        **quiet,
        **offline,
        "GROKPUTER_PARENT": str(os.getpid()),
    }


def _follow(file: Path, child: subprocess.Popen[bytes]) -> Iterator[Progress]:
    """Each progress line as it is written from now on, until the child has ended."""
    with file.open("a+", encoding="utf-8") as stream:
        stream.seek(0, os.SEEK_END)
        line = ""
        while True:
            has_ended = child.poll() is not None
            while part := stream.readline():
                line += part
                if line.endswith("\n"):
                    yield Progress(**json.loads(line))
                    line = ""
            if has_ended:
                return
            time.sleep(POLL_S)


def _cause(returncode: int) -> str:
    if returncode == -signal.SIGKILL:
        return "its process was killed, by hand or because memory ran out"
    if returncode < 0:
        return f"its process was ended by {signal.Signals(-returncode).name}"
    return f"its process ended with exit code {returncode} and without a result"


def write_atomically(file: Path, text: str) -> None:
    """Write the file so that it has the whole text or does not change."""
    aside = file.with_name(f".{file.name}.aside")
    with aside.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    aside.replace(file)


def _die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent dies (Linux only)."""
    parent = int(os.environ.get("GROKPUTER_PARENT", "0"))
    if parent and sys.platform == "linux":
        import ctypes

        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)


def main(directory: Path) -> int:
    """The child: train the job in the folder and write its result. Returns the exit code."""
    _die_with_parent()
    try:
        from .trainer import train_job

        result: dict[str, Any] = asdict(train_job(TrainingJobSpec.read(directory)))
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
