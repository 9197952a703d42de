"""The expected cost of a training that is requested now. Nothing is written to the log."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from ....adapters.data.examples import write_examples
from ....adapters.training.cost import Estimate, scale
from ....domain.events import Event, TrainingCompleted, TrainingRequested, TrainingStarted
from ....domain.settings.recipe import Recipe

if TYPE_CHECKING:
    from ....adapters.data.dataset import Dataset
    from ....adapters.serving.base_model import Base
    from ....domain.settings.settings import Policy
    from ...store.log import Log


def try_out(dataset: Dataset, recipe: Recipe, base: Base) -> Estimate:
    """The estimate from a few steps of the training, run in a separate process. Raises ``TrainingError``."""
    from ....adapters.training.job import TrainingJobSpec
    from ....adapters.training.probe import probe

    with tempfile.TemporaryDirectory(prefix="grokputer-dataset-") as folder:
        file = Path(folder) / "dataset.jsonl"
        write_examples(file, dataset.examples)
        return probe(TrainingJobSpec(Path(folder) / "job", file, recipe, base))


def estimate_from_history(log: Log, policy: Policy, examples: int, recipe: Recipe) -> Estimate:
    """The estimate from the newest training with this recipe and base in the log; without one, only the steps are known.

    The recipe may have had other steps: their number follows from that of the examples (``domain/settings/sizes.py``).
    """
    found = _newest_like(log, policy, recipe)
    if found is None:
        steps = recipe.steps(examples)
        return Estimate(
            examples, None, None, steps, None, None, None, "the log has no training of this recipe and base"
        )
    completed, before = found
    measured = Estimate(
        completed.examples,
        None,
        completed.tokens,
        completed.steps,
        completed.duration_s,
        completed.peak_memory_bytes,
        completed.device,
        f"in proportion to training {completed.originator_id.hex[:8]}",
    )
    return scale(measured, examples, recipe, before)


def estimate_tokens(log: Log, base: str, examples: int) -> tuple[int | None, str]:
    """The tokens that an endpoint would train on, in proportion to the newest training of this base there, and that in words.

    None where the log has none whose tokens were told.
    """
    bases: dict[UUID, str] = {}
    newest = None
    for recorded in log.read(1, None, (TrainingRequested.TOPIC, TrainingCompleted.TOPIC)):
        event = recorded.event
        if isinstance(event, TrainingRequested):
            bases[event.originator_id] = event.base
        elif isinstance(event, TrainingCompleted) and event.billed_tokens and bases[event.originator_id] == base:
            newest = event
    if newest is None:
        return None, f"the log has no training of {base} at an endpoint that told its tokens"
    tokens = round(newest.billed_tokens * examples / max(1, newest.examples))
    return tokens, f"in proportion to training {newest.originator_id.hex[:8]}"


def _newest_like(log: Log, policy: Policy, recipe: Recipe) -> tuple[TrainingCompleted, Recipe] | None:
    """The newest training of our own that finished at its first attempt, and its recipe: a later attempt records only a part
    of the time."""
    history: dict[UUID, list[Event]] = {}
    newest = None
    for recorded in log.read(1, None, (TrainingRequested.TOPIC, TrainingStarted.TOPIC, TrainingCompleted.TOPIC)):
        event = recorded.event
        before = history.setdefault(event.originator_id, [])
        before.append(event)
        requested = before[0]
        if (
            isinstance(event, TrainingCompleted)
            and len(before) == 3
            and not event.model
            and isinstance(requested, TrainingRequested)
        ):
            base = (policy.model.base, policy.model.revision)
            started = before[1]
            adjusted = started.adjusted if isinstance(started, TrainingStarted) else {}
            figures = Recipe.from_json({**requested.recipe, **adjusted})
            other = recipe.replace(
                accumulation=figures.accumulation, epochs=figures.epochs, learning_rate=figures.learning_rate
            )
            if (requested.base, requested.revision) == base and figures == other:
                newest = event, figures
    return newest
