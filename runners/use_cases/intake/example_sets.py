"""Adding sets of examples: imported ones, or a teacher's variations of corrected runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ....domain.errors import NotPossible
from ....domain.settings.settings import resolve_recipe
from ...improvement.process_manager import process_new_events
from ...lessons.gather import find_corrected, vary
from ...lessons.imported_sets import record_import
from ...wiring.services import Services
from ..lookups import require_role

if TYPE_CHECKING:
    from ....adapters.data.imports.public_set import PublicSet
    from ....adapters.data.training_runs import PastRun
    from ...store.ledger import Ledger


@dataclass(frozen=True)
class ExampleImport:
    """The result of an import."""

    role: str
    examples: int
    is_new: bool
    """False where the set was imported before, and nothing was recorded."""


@dataclass(frozen=True)
class Synthesis:
    """The result of varying corrected runs."""

    role: str
    teacher: str
    """The teacher's model name."""
    examples: int
    runs: int
    """The runs that were varied."""
    asked: int
    """The runs that the teacher was asked to vary."""


def import_examples(ledger: Ledger, read: PublicSet, *, role: str, license: str | None, actor: str) -> ExampleImport:
    """Record the set for the role's datasets."""
    is_new = record_import(ledger, read, require_role(role), license, actor)
    process_new_events(ledger)
    return ExampleImport(role, len(read.examples), is_new)


def find_unvaried(ledger: Ledger, role: str, limit: int | None = None) -> list[PastRun]:
    """The role's corrected runs that no teacher has varied yet; at most ``limit``, the newest."""
    policy = process_new_events(ledger).policy
    below, recipe = policy.training(require_role(role)).learn_below_stars, resolve_recipe(policy, role)
    runs = [run for run in find_corrected(ledger, role, below, recipe) if not run.variations]
    return runs[-limit:] if limit is not None else runs


def synthesize_examples(
    ledger: Ledger, role: str, *, count: int, limit: int | None, actor: str, say: Callable[[str], None]
) -> Synthesis:
    """Let the role's teacher vary each corrected run, at most ``count`` times; ``say`` gets what cannot be varied.

    Raises ``NotPossible`` where no teacher is set, ``ModelError`` where the teacher does not answer.
    """
    runs = find_unvaried(ledger, role, limit)
    state = process_new_events(ledger)
    with Services(ledger, state) as services:
        teacher = services.teacher(state.policy, role)
        if teacher is None:
            raise NotPossible("no teacher is set; set teacher.endpoint and teacher.model")
        counts = [vary(ledger, services, run, teacher, count, actor, say) for run in runs]
    process_new_events(ledger)
    return Synthesis(role, teacher.model, sum(counts), sum(map(bool, counts)), len(runs))
