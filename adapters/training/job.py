"""A training job in its folder: what to train, its progress, its result.

Parent and child communicate by these files only::

    job.json         what to train: base, recipe, dataset
    progress.jsonl   one line per optimiser step, and notes for people
    training.log     output of the libraries
    checkpoint-N/    where a killed training continues, if complete
    adapter/         the weights, complete or absent
    result.json      written last: the measured cost, or {"error": reason}
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from ...domain.errors import TrainingError
from ...domain.ports import Progress as Progress
from ...domain.settings.recipe import Recipe
from ..data.media_files import FOLDER
from ..registry.lock import Held, hold
from ..serving.base_model import Base
from .checkpoints import COMPLETE

ASIDE = ".adapter.aside"
"""Folder for the weights until they are complete and become ``adapter/``."""
NOTE = "note"
"""The key of a line of ``progress.jsonl`` that is a sentence for people."""
UNTOLD = 74
"""Exit code of a trainer that could not write its result; ``EX_IOERR`` of sysexits.h."""


BUSY = 75
"""Exit code of a trainer whose folder another trainer holds; ``EX_TEMPFAIL``. It leaves the other's result alone."""


LOCK = ".lock"
"""The lock of the one trainer, in the job's folder."""


UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, msgspec.ValidationError)
"""What reading raises where a file does not hold a job or a result."""

T = TypeVar("T")


class FolderBusy(TrainingError):
    """The job's folder is being trained by another process."""


@dataclass(frozen=True)
class TrainingJobSpec:
    """One training: its folder, its dataset (JSON Lines of ``Example``), the base and the recipe.

    The recipe's quantization applies to the base. ``parent`` is the weights folder that the adapter starts from, None
    for a fresh adapter. ``report_to`` is the tool that shows the progress too; it changes nothing else. A folder with a
    finished training of the same job is not trained again; one with a checkpoint is continued.
    """

    directory: Path
    dataset: Path
    recipe: Recipe = field(default_factory=Recipe)
    base: Base = field(default_factory=Base)
    parent: Path | None = None
    report_to: str = "none"

    @property
    def media(self) -> Path:
        """The folder of the dataset's pictures, beside it."""
        return self.dataset.parent / FOLDER

    def to_json(self) -> dict[str, Any]:
        """The content of ``job.json``."""
        # Relative, so that a job can continue after its folder was moved.
        paths = {"dataset": self.dataset, "parent": self.parent}
        relative = {name: os.path.relpath(path, self.directory) for name, path in paths.items() if path is not None}
        job = {**relative, "recipe": self.recipe.to_json(), "base": self.base.to_json()}
        return job if self.report_to == "none" else {**job, "report_to": self.report_to}

    @staticmethod
    def read(directory: Path) -> TrainingJobSpec:
        """The job in a folder. Raises ``TrainingError`` when there is none."""
        try:
            data = json.loads((directory / "job.json").read_text(encoding="utf-8"))
            return TrainingJobSpec(
                directory,
                directory / data["dataset"],
                Recipe.from_json(data["recipe"]),
                _checked(Base(**data["base"])),
                directory / data["parent"] if "parent" in data else None,
                data.get("report_to", "none"),
            )
        except UNREADABLE as error:
            raise TrainingError(f"training job {directory}/job.json cannot be read: {error}") from error


@dataclass(frozen=True)
class TrainingResult:
    """A finished training and its cost.

    ``examples`` were trained on, ``left_out`` were not, with ``reasons`` counted (those of ``batches.py``; empty in
    older results). ``tokens`` counts one epoch. ``duration_s`` is the time of the process that finished it,
    ``peak_memory_bytes`` the GPU's, or without one the process's.
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
    reasons: dict[str, int] = field(default_factory=dict)
    precision: str = ""
    """What was computed in, as ``precision`` of ``base_model.py`` says it; empty in older results."""

    @staticmethod
    def read(directory: Path) -> TrainingResult | None:
        """The result in a job's folder; None while there is none. Raises ``TrainingError`` with a failed one's reason."""
        try:
            data = json.loads((directory / "result.json").read_text(encoding="utf-8"))
            if "error" in data:
                raise TrainingError(f"training in {directory} failed: {data['error']}")
            return _checked(TrainingResult(**{**data, "adapter": directory / "adapter"}))
        except FileNotFoundError:
            return None
        except UNREADABLE as error:
            raise TrainingError(f"training result {directory}/result.json cannot be read: {error}") from error


def _checked(made: T) -> T:
    """The dataclass itself. Raises ``msgspec.ValidationError`` unless its fields have their types."""
    msgspec.convert(vars(made), type(made), dec_hook=lambda kind, value: kind(value))
    return made


def is_being_trained(directory: Path) -> bool:
    """Whether a trainer has the folder, on whatever machine it runs. Trainers wait for the moment that this takes."""
    try:
        with hold(directory / LOCK):
            return False
    except Held:
        return True
    except OSError:
        return False


def discard_unfinished(directory: Path) -> None:
    """Remove incomplete checkpoints and weights."""
    for folder in directory.glob("checkpoint-*"):
        if not (folder / COMPLETE).exists():
            shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(directory / ASIDE, ignore_errors=True)
