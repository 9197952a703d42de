"""The explanation of a name: it is found among adapters, settings, runs, rollouts and trainings, and its tree of causes is
built."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from ...domain.aggregates.base import ACTOR
from ...domain.errors import Hint, NotFound
from ...domain.events import AdapterPromoted, AdapterRolledBack, RolloutStarted, TaskStarted, TrainingRequested
from ...domain.settings.settings import ALL_SETTINGS, ROLES, current_key, is_setting, without_role
from ...projections.explain.assignments import trace_run
from ...projections.explain.history import History
from ...projections.explain.lineage import trace
from ...projections.explain.path import trace_rollout
from ...projections.explain.setting_history import trace_setting
from ...projections.explain.tree import Node, walk
from ...projections.state.state import State
from ...projections.wording.sentences import say_names, say_value
from ..store.log import Log
from ..store.states import load_state
from ..store.texts.ahead import LogAhead


@dataclass(frozen=True)
class Explanation:
    """The tree of causes of one thing, and what else in the log concerns it."""

    title: str
    about: dict[str, Any]
    """What it is, JSON-plain: ``adapter``, ``run``, ``rollout`` or ``setting``, and its present status."""
    roots: list[Node]
    role: str
    """The role whose ratings and adapters concern it."""
    rollout: str | None = None
    """The rollout that it concerns, hex; None without one."""

    @property
    def keys(self) -> frozenset[str]:
        """The keys of the setting, as changes of it name them; empty where it explains something else."""
        return frozenset(root.data["key"] for root in self.roots) if "setting" in self.about else frozenset()

    def to_json(self) -> dict[str, Any]:
        """The status and the tree, JSON-plain."""
        return {**self.about, "tree": [root.to_json() for root in self.roots]}


def explain(log: Log, state: State, name: str) -> Explanation:
    """The explanation of the adapter, setting, run or rollout of this name; ids may be abbreviated.

    A training is explained by its adapter. Raises ``NotFound``, also for a training without one.
    """
    if name in state.registry.adapters:
        return _adapter(log, state, name)
    if is_setting(name):
        return _setting(log, current_key(name))
    runs, rollouts = log.ids_like(name, TaskStarted.TOPIC), log.ids_like(name, RolloutStarted.TOPIC)
    trainings = log.ids_like(name, TrainingRequested.TOPIC)
    ids = runs + rollouts + trainings
    if not ids:
        raise NotFound(_unknown(state, name), hint=Hint.SEE_NAMES)
    if len(ids) > 1:
        candidates = ", ".join(id[: len(name) + 6] for id in sorted(ids)[:5])
        raise NotFound(
            f"more than one run, rollout or training begins with {name!r}: {candidates}; give more of the id"
        )
    if trainings:
        return _adapter(log, state, _adapter_of(log, state, trainings[0]))
    return _run(log, runs[0]) if runs else _rollout(log, state, rollouts[0])


def read_history(log: Log, explained: Explanation) -> History:
    """The ratings of its role, the verdicts on its rollout and the descent of adapters, folded from the whole log."""
    history = History(explained.role, explained.rollout, explained.keys)
    for recorded in log.read():
        history.follow(recorded.position, recorded.event)
    history.marks = [replace(mark, text=log.say(mark.text)) for mark in history.marks]
    return history


def _adapter(log: Log, state: State, name: str) -> Explanation:
    known = state.registry.adapters[name]
    about = {"adapter": name, "role": known.role, "status": known.status}
    rollout = state.rollouts.of_adapter(name)
    id = rollout.id if rollout is not None else None
    title = f"{name}, an adapter for role {known.role}: {known.status}"
    roots = trace(LogAhead(log), known.uuid)
    _add_standings(log, roots, id)
    return Explanation(title, about, roots, known.role, id)


def _adapter_of(log: Log, state: State, training: str) -> str:
    """The name of the adapter that the training made. Raises ``NotFound`` where it has made none."""
    for name, known in state.registry.adapters.items():
        if known.training == training:
            return name
    asked = state.registry.trainings[training]
    because = f" ({log.say(asked.reason)})" if asked.reason else ""
    raise NotFound(
        f"training {training[:8]} is {asked.status}{because} and has made no adapter to explain",
        hint=Hint.SEE_TRAININGS,
    )


def _add_standings(log: Log, roots: Sequence[Node], rollout: str | None) -> None:
    """Add to each person's decision on the canary the rule's verdict just before it."""
    for node in walk(roots):
        if node.kind not in (AdapterPromoted.TOPIC, AdapterRolledBack.TOPIC) or node.actor == ACTOR or rollout is None:
            continue
        before = load_state(log, node.position - 1)
        if rollout in before.undecided:
            look = before.look(rollout)
            text = f"the canary's verdict then: {look.verdict} ({look.reason}): {look.message}"
            node.children.insert(0, Node("Standing", node.position, text, look.numbers))


def _setting(log: Log, key: str) -> Explanation:
    changes = trace_setting(log, key)
    about = {"setting": key, "value": changes.value, "default": changes.default}
    role = key.partition(".")[0]
    return Explanation(changes.title, about, changes.nodes, role if role in ROLES else ROLES[0])


def _run(log: Log, run: str) -> Explanation:
    node = trace_run(LogAhead(log), UUID(run))
    own = node.children[0].data
    names = ("role", "arm", "adapter", "rollout")
    return Explanation(
        node.text, {"run": run, **{name: own[name] for name in names}}, [node], own["role"], own["rollout"]
    )


def _rollout(log: Log, state: State, id: str) -> Explanation:
    rollout = state.rollouts.of(id)
    about = {"rollout": id, "adapter": rollout.adapter, "role": rollout.role, "status": rollout.phase}
    share = say_value(rollout.weight_percent)
    title = f"rollout {id[:8]} of {rollout.adapter}, role {rollout.role}: {rollout.phase}, {share} % of the runs"
    roots = trace_rollout(LogAhead(log), rollout.uuid)
    _add_standings(log, roots, id)
    return Explanation(title, about, roots, rollout.role, id)


def _unknown(state: State, name: str) -> str:
    """One line: what exists."""
    close = difflib.get_close_matches(without_role(name), ALL_SETTINGS, n=1)
    meant = f" (close to it: {close[0]})" if close else ""
    return (
        f"{name!r} is not an adapter ({say_names(state.registry.adapters)}), not a setting{meant}, "
        "and not the beginning of a run's, rollout's or training's id (four characters or more)"
    )
