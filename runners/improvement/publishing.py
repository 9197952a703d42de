"""Publishing adapters: the worker pushes each one that the registry of ``registry.url`` does not have yet.

A registry that is down holds up nothing: the log says what is not pushed yet, and the worker tries it again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from ...domain.aggregates.adapter import Adapter as AdapterAggregate
from ...domain.aggregates.adapter import describe_tuned
from ...domain.aggregates.base import ACTOR
from ...domain.errors import BadPlugin, GrokputerError, LogError, NotPossible
from ...domain.ports import Publication, PublishedAdapters
from ...domain.vocabulary import AdapterStatus
from ...projections.explain.card import write_card
from ...projections.state.registry import Adapter
from ...projections.state.state import State
from ..store.ledger import Ledger
from ..store.log import Log, adapters_folder
from ..wiring.registries import open_published, open_registry
from ..wiring.services import require_adapter
from ..wiring.variables import registry_url

FIRST_WAIT_S = 10.0
GROWTH = 4
LONGEST_WAIT_S = 3600.0
"""Seconds between two tries to push an adapter: each wait is four times the one before, an hour at most; chosen."""
TOLD_AFTER = 3
"""Failures in a row after which an alert is raised; chosen: a short outage is none."""


def not_pushed(state: State) -> list[Adapter]:
    """The adapters that the registry in force does not have yet, as the log knows; empty without a registry.

    Those that were rejected before any traffic are not pushed, nor are models that an endpoint keeps. Raises
    ``BadArgument``.
    """
    url = registry_url(state.policy).value
    known = [it for it in state.registry.adapters.values() if it.status != AdapterStatus.REJECTED and not it.is_tuned]
    return [] if url is None else [it for it in known if it.pushed_to != url]


def require_weighed(name: str, state: State, what: str) -> Adapter:
    """The adapter, which has weights of our own. Raises ``UnknownAdapter``, and ``NotPossible`` for an endpoint's model."""
    known = require_adapter(name, state.registry.adapters)
    if known.is_tuned:
        kept = describe_tuned(name, known.endpoint, known.model)
        raise NotPossible(f"{kept}, so it cannot be {what}")
    return known


def publication_of(log: Log, adapter: Adapter) -> Publication:
    """The adapter as it is published."""
    facts: dict[str, str | None] = {
        "role": adapter.role,
        "base": adapter.base,
        "base_hash": adapter.base_hash,
        "dataset": adapter.dataset,
        "parent": adapter.parent,
        "training": adapter.training,
        "registered": adapter.registered,
    }
    return Publication(adapter.name, adapter.weights, facts, write_card(log, adapter))


def require_published(state: State) -> PublishedAdapters:
    """The registry that adapters are published in. Raises ``NotPossible`` where none is set, and as ``open_published``."""
    published = open_published(state.policy)
    if published is None:
        raise NotPossible("there is no registry; set registry.url or LORA_REGISTRY_URL to a folder or a URL")
    return published


def push_adapter(ledger: Ledger, state: State, name: str, actor: str = ACTOR) -> bool:
    """Push the adapter to the registry and record it; False where the registry had it already.

    Raises ``UnknownAdapter``, ``NotPossible``, ``DamagedWeights``, ``RegistryError``, ``MissingExtra``.
    """
    from ...adapters.publishing.exchange import push

    known = require_weighed(name, state, "pushed")
    published = require_published(state)
    folder = open_registry(state.policy, ledger.path).path(known.weights)
    is_new = push(published, publication_of(ledger, known), folder)
    context, url = ledger.context(actor, f"{known.uuid}/1"), str(registry_url(state.policy).value)
    ledger.write(AdapterAggregate, known.uuid, lambda adapter: adapter.push(url, context))
    return is_new


def pull_adapter(log: Log, state: State, name: str) -> Path:
    """The folder of the adapter's weights, after they came from the registry and were verified against the log.

    Raises as ``push_adapter``.
    """
    from ...adapters.publishing.exchange import pull

    known = require_weighed(name, state, "pulled")
    store = open_registry(state.policy, log.path)
    return pull(require_published(state), store, name, known.weights, adapters_folder(log.path))


class Publisher:
    """Pushes one adapter at a step. What is said of a failure is said once."""

    def __init__(
        self, ledger: Ledger, say: Callable[[str], None], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._ledger, self._say, self._monotonic = ledger, say, monotonic
        self._failures: dict[tuple[str, str], int] = {}
        """Failures in a row, by registry and adapter."""
        self._again: dict[tuple[str, str], float] = {}
        self._said = ""

    def step(self, state: State) -> bool:
        """Push the next adapter that is due; False where none is, or it failed."""
        adapter = next(iter(self._due(state)), None)
        if adapter is None:
            return False
        url = str(registry_url(state.policy).value)
        try:
            push_adapter(self._ledger, state, adapter.name)
        except (BadPlugin, LogError):
            raise
        except GrokputerError as error:
            self._note_failure(adapter, url, str(error))
            return False
        self._failures.pop((url, adapter.name), None)
        self._said = ""
        self._say(f"{adapter.name}: pushed to {url}")
        return True

    def _due(self, state: State) -> list[Adapter]:
        """The adapters that are to be pushed now. A variable of a wrong form is one line."""
        try:
            waiting, url = not_pushed(state), registry_url(state.policy).value
        except GrokputerError as error:
            self._say_once(str(error))
            return []
        now = self._monotonic()
        return [it for it in waiting if self._again.get((str(url), it.name), 0.0) <= now]

    def _note_failure(self, adapter: Adapter, url: str, reason: str) -> None:
        key = url, adapter.name
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        self._again[key] = self._monotonic() + min(FIRST_WAIT_S * GROWTH ** min(failures - 1, 9), LONGEST_WAIT_S)
        self._say_once(f"{adapter.name} is not pushed yet, and is tried again: {reason}")
        if failures == TOLD_AFTER:
            context = self._ledger.context(ACTOR, f"{adapter.uuid}/1")
            self._ledger.write(
                AdapterAggregate, adapter.uuid, lambda known: known.fail_push(url, reason[:300], context)
            )

    def _say_once(self, line: str) -> None:
        if line != self._said:
            self._said = line
            self._say(line)
