"""What people do with published adapters: push, pull, and export them to a folder."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ....domain.errors import Hint, NotPossible, UnknownAdapter
from ....projections.explain.card import write_card
from ...improvement.process_manager import process_new_events
from ...improvement.publishing import not_pushed, pull_adapter, push_adapter, require_published, require_weighed
from ...store.states import load_state
from ...wiring.extras import require
from ...wiring.models import base_of, prepare_base
from ...wiring.registries import obtain_weights, open_registry
from ...wiring.services import unknown_adapter

if TYPE_CHECKING:
    from ....projections.state.state import State
    from ...store.ledger import Ledger
    from ...store.log import Log

CARD = "README.md"


@dataclass(frozen=True)
class Push:
    """What a push did."""

    place: str
    is_new: bool
    """False where the registry had the adapter already."""


def list_not_pushed(state: State) -> list[str]:
    """The names of the adapters that the registry in force does not have yet; none without a registry."""
    return [adapter.name for adapter in not_pushed(state)]


def choose(ledger: Ledger, names: Sequence[str]) -> list[str]:
    """The adapters with these names; without any, those that the registry lacks. Raises ``UnknownAdapter``, and
    ``NotPossible`` without a registry."""
    state = process_new_events(ledger)
    require_published(state)
    return [_name(state, name) for name in names] or list_not_pushed(state)


def push(ledger: Ledger, adapter: str, *, actor: str) -> Push:
    """Push the adapter to the registry, and process what follows.

    Raises ``UnknownAdapter``, ``NotPossible``, ``DamagedWeights``, ``RegistryError``, ``MissingExtra``.
    """
    state = process_new_events(ledger)
    is_new = push_adapter(ledger, state, adapter, actor)
    process_new_events(ledger, state)
    return Push(require_published(state).place, is_new)


def choose_missing(log: Log, names: Sequence[str]) -> list[str]:
    """The adapters with these names or hashes; without any, those whose weights are not here. Raises ``UnknownAdapter``, and
    ``NotPossible`` without a registry."""
    state = load_state(log)
    require_published(state)
    store = open_registry(state.policy, log.path)
    known = [it for it in state.registry.adapters.values() if not it.is_tuned]
    gone = [it.name for it in known if not store.has(it.weights)]
    return [_name(state, name) for name in names] or gone


def pull(log: Log, adapter: str) -> Path:
    """The folder with the adapter's weights, after they came from the registry and were verified. Raises as ``push``."""
    return pull_adapter(log, load_state(log), adapter)


def export(
    log: Log, adapter: str, folder: Path, *, is_merged: bool = False, say: Callable[[str], None] = lambda line: None
) -> Path:
    """The folder, with the adapter's files and card, or with the base that has the adapter merged into it.

    It is whole or not there. Raises ``UnknownAdapter``, ``NotPossible`` for a folder that exists or another base than the
    adapter's, ``DamagedWeights``, ``ModelError``, ``MissingExtra``.
    """
    state = load_state(log)
    known = require_weighed(adapter, state, "exported")
    if folder.exists():
        raise NotPossible(f"{folder} exists; name a new folder")
    weights = obtain_weights(state, log.path, known)
    aside = folder.absolute().with_name(f".{folder.name}-{uuid.uuid4().hex}")
    try:
        if is_merged:
            require("train")
            _merge(log, state, adapter, weights, aside, say)
        else:
            shutil.copytree(weights, aside)
        (aside / CARD).write_text(write_card(log, known, is_merged=is_merged), encoding="utf-8")
        aside.rename(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return folder


def _merge(log: Log, state: State, adapter: str, weights: Path, into: Path, say: Callable[[str], None]) -> None:
    from ....adapters.publishing.merging import merge

    base, known = base_of(state.policy, log.get_content), state.registry.adapters[adapter]
    if base.identity() != known.base_hash:
        raise NotPossible(
            f"{adapter} was trained on {known.base} ({known.base_hash[:19]}), which is not the base in the settings; set "
            "model.base and model.quantization back"
        )
    prepare_base(base, say)
    if base.quantization != "none":
        say("the base is held in 4 bits where the adapter is served: the merged model's outputs will differ from those")
    merge(base, weights, into)


def _name(state: State, given: str) -> str:
    """The name of the adapter with this name, or with weights of this hash."""
    for known in state.registry.adapters.values():
        if given in (known.name, known.weights):
            return known.name
    raise UnknownAdapter(unknown_adapter(given, state.registry.adapters), hint=Hint.SEE_ADAPTERS)
