"""Deleting the words of a run or of a person."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from ...domain.aggregates.training import PREFIX, TrainingJob
from ...domain.errors import LogError, NotPossible
from ...domain.events import PolicyChanged
from ...domain.settings.settings import without_role
from ..archive.erasure import Target, Words, drop_dataset, erase, find_words
from ..improvement.process_manager import open_cycle, process_new_events
from ..improvement.tuning.elsewhere import CopyElsewhere, delete_copies, find_copies, has_left
from ..store.log import adapters_folder

if TYPE_CHECKING:
    from ...projections.state.state import State
    from ..store.ledger import Ledger


SHARED = "training.shared_folder"


@dataclass(frozen=True)
class Erasure:
    """The deleted words, or in a preview those to delete."""

    words: Words
    requested: tuple[str, ...] = ()
    """The roles for which a training without the words was requested."""
    refused: dict[str, str] = field(default_factory=dict)
    """The roles for which no training could be requested, with the reason for each."""
    elsewhere: tuple[CopyElsewhere, ...] = ()
    """What endpoints have of trainings on the words: what was deleted there, and what cannot be reached from here."""


class TracesRemain(LogError):
    """The words are erased, but bytes of them may remain in the database's files; all else is done."""

    def __init__(self, done: Erasure) -> None:
        super().__init__(done.words.traces)
        self.done = done


def preview_erasure(ledger: Ledger, target: Target) -> Erasure:
    """What ``forget`` would delete now. Nothing is recorded, and no endpoint is asked."""
    words = find_words(ledger, target)
    return Erasure(words, elsewhere=tuple(find_copies(ledger, words.trainings)))


def forget(ledger: Ledger, target: Target, *, reason: str, actor: str, retrain: bool = False) -> Erasure:
    """Delete the target's words for good; with ``retrain``, request a training of each live adapter that learnt from them.

    Raises ``NotPossible`` without a reason, and ``TracesRemain`` at the end, when all else is done. With ``retrain``,
    ``NotPossible`` also where trainings start from the live adapter, which would keep what it learnt. Files that endpoints
    have of the words are deleted first, where that is possible: once the words are gone, nobody could tell which files held
    them.
    """
    state = process_new_events(ledger)
    if retrain:
        _check_lineage(state)
    sent = find_words(ledger, target).trainings if reason.strip() and has_left(ledger) else []
    elsewhere = delete_copies(ledger, sent)
    words = erase(ledger, target, reason, actor)
    elsewhere += delete_copies(ledger, [training for training in words.trainings if training not in sent])
    _drop_datasets(ledger, words.trainings)
    if actor == target.person and words.person is not None:
        actor = words.person  # so that the request does not store the name again
    requested, refused = _retrain(ledger, state, words, actor) if retrain else ((), {})
    process_new_events(ledger)
    done = Erasure(words, requested, refused, tuple(elsewhere))
    if words.traces:
        raise TracesRemain(done)
    return done


def _drop_datasets(ledger: Ledger, trainings: Iterable[str]) -> None:
    """Delete the files of the trainings' datasets: beside the log, and in each shared folder that was ever set."""
    changes = (recorded.event for recorded in ledger.read(1, None, (PolicyChanged.TOPIC,)))
    shared = {it.new for it in changes if isinstance(it, PolicyChanged) and without_role(it.key) == SHARED and it.new}
    for id in trainings:
        drop_dataset(adapters_folder(ledger.path) / "trainings" / id)
        name = ledger.get(TrainingJob, UUID(id)).name.removeprefix(PREFIX)
        for folder in shared:
            drop_dataset(Path(folder) / "trainings" / name)


def _check_lineage(state: State) -> None:
    for role in _trained_roles(state):
        if state.policy.recipe_figures(role)["init_from"] == "parent":
            raise NotPossible(
                f"trainings of role {role} start from the live adapter, which would keep what it learnt; set "
                "training.init_from to base first"
            )


def _retrain(ledger: Ledger, state: State, words: Words, actor: str) -> tuple[tuple[str, ...], dict[str, str]]:
    requested, refused = [], {}
    for role in _trained_roles(state):
        live = state.traffic(role).stable
        if live not in words.adapters:
            continue
        try:
            open_cycle(ledger, role, "train without words that were erased", actor)
        except NotPossible as error:
            refused[role] = str(error)
        else:
            requested.append(role)
    return tuple(requested), refused


def _trained_roles(state: State) -> list[str]:
    return sorted({adapter.role for adapter in state.registry.adapters.values()})
