"""The dataset of a training: built from the log once, and again where it is needed, by the same function."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from ...adapters.data.dataset import TOPICS, Dataset, build_dataset
from ...adapters.data.examples import Example, read_examples, write_examples
from ...adapters.data.media_files import FOLDER, keys_in_examples, write_media
from ...adapters.tuning.conversations import encode_conversations
from ...domain.aggregates.training import TrainingJob
from ...domain.errors import TrainingError
from ...domain.events import TrainingRequested
from ...domain.settings.recipe import Recipe
from ..agent.inputs import read_media
from ..store.ledger import Ledger
from ..store.log import Log
from ..store.texts.ahead import LogAhead

MOST_MEDIA_BYTES = 4_000_000_000
"""Of a dataset's pictures, as texts; chosen: memory that a machine which trains a vision model has."""

ERASED = "the recorded dataset can no longer be built: some of its content was erased"


def dataset_of(log: Log, role: str, below_stars: int, recipe: Recipe, up_to: int | None = None) -> Dataset:
    """The role's dataset, from the log up to the position, by default to its end."""
    ahead = LogAhead(log)
    events = (recorded.event for recorded in ahead.read(1, up_to, TOPICS))
    return build_dataset(events, ahead.get_content, role, below_stars, recipe)


def dataset_for(log: Log, requested: TrainingRequested, up_to: int) -> Dataset:
    """The training's dataset, from the log up to the position."""
    return dataset_of(log, requested.role, requested.below_stars, Recipe.from_json(requested.recipe), up_to)


def rebuild_dataset(ledger: Ledger, job: TrainingJob) -> Dataset:
    """The job's dataset as it was built, from the log up to the same position; without texts erased since."""
    assert job.dataset is not None and job.requested is not None
    return dataset_for(ledger, job.requested, job.dataset.up_to)


def dataset_file(ledger: Ledger, job: TrainingJob, folder: Path) -> Path:
    """The recorded dataset's file, written again from the log where a killed worker left none."""
    assert job.dataset is not None and job.requested is not None
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "dataset.jsonl"
    if file.exists() and "sha256:" + hashlib.sha256(file.read_bytes()).hexdigest() == job.dataset.dataset:
        examples = read_examples(file)
    else:
        examples = list(rebuild_dataset(ledger, job).examples)
        if write_examples(file, examples) != job.dataset.dataset:
            raise TrainingError(ERASED)
    _write_media(ledger, folder / FOLDER, examples)
    return file


def _write_media(ledger: Ledger, folder: Path, examples: Sequence[Example]) -> None:
    """Write the dataset's pictures beside its file. Raises ``TrainingError`` where one was erased."""
    write_media(folder, media_of_dataset(ledger, examples))


def media_of_dataset(ledger: Ledger, examples: Sequence[Example]) -> Mapping[str, str]:
    """The dataset's pictures by their keys. Raises ``TrainingError`` where one was erased, and where they are too large."""
    keys = keys_in_examples(examples)
    media = read_media(ledger, keys)
    if len(media) < len(keys):
        raise TrainingError("the recorded dataset can no longer be built: some of its pictures were erased")
    if (size := sum(map(len, media.values()))) > MOST_MEDIA_BYTES:
        raise TrainingError(
            f"the dataset's pictures have {size / 1e9:.1f} GB; at most {MOST_MEDIA_BYTES / 1e9:.0f} GB are trained on"
        )
    return media


def conversations(ledger: Ledger, job: TrainingJob) -> tuple[bytes, int]:
    """The recorded dataset as a file for an endpoint, and how many examples it has; from the log as it is now.

    Raises ``TrainingError`` where a text of it was erased, and ``InvalidExamples``.
    """
    dataset = rebuild_dataset(ledger, job)
    if job.dataset is None or dataset.hash != job.dataset.dataset:
        raise TrainingError(ERASED)
    return encode_conversations(dataset.examples, media_of_dataset(ledger, dataset.examples))
