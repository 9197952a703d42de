"""The evidence that ratings have fallen, by role and adapter version: the state of the sequential trigger."""

from __future__ import annotations

import copy
from typing import Any

from ...domain.events import AdapterPromoted, Assignment, CycleClosed, Event, TaskRated
from ...domain.evidence.clusters import RatingClusters
from ...domain.evidence.detector import Detector
from ...domain.evidence.terms import TriggerTerms, trigger_terms
from ...domain.rules.imported import IMPORTED, is_imported
from ...domain.rules.roles import assignments_counted
from ...domain.settings.settings import Policy
from ...domain.verdict import Verdict
from ...domain.vocabulary import Arm, Decision, Rule
from .ratings import name_version
from .rings import KEYS, RecentSet
from .shards import SavedParts, StateShards, StateValue


class TriggerState(StateValue):
    """The trigger of one version. Each field is the JSON state of a class in ``domain/evidence``."""

    terms: dict[str, Any]
    """The ``TriggerTerms``."""
    bursts: dict[str, Any]
    """The state of ``RatingClusters``."""
    detector: dict[str, Any]
    """The state of ``Detector``."""


class Triggers:
    """Fold of ratings into a detector per role and adapter version.

    - It counts the same ratings as the rolling window. One rater's ratings in one session count as one, their mean.
    - A run counts once for each rater. A later change of the rating counts no more, because a bet is not taken back.
    - The evidence starts again when the version goes live, when a cycle of its role closes, and when the terms change.
    - All imported sessions together are a version of their own.
    """

    HANDLES = (TaskRated, AdapterPromoted, CycleClosed)
    """The kinds of events that it counts."""

    def __init__(self) -> None:
        self._versions: StateShards[TriggerState] = StateShards(form=TriggerState)
        """By ``role/version``."""
        self._over: StateShards[list[tuple[str]]] = StateShards(form=KEYS)
        """The closed clusters of ratings, by ``role/version``."""
        self._running: dict[str, tuple[RatingClusters, Detector]] = {}
        """The decoded triggers, by ``role/version``."""
        self._policy: Policy | None = None
        self._terms: dict[str, TriggerTerms | None] = {}
        """The terms of each role under that policy; None where its rule is not the sequential one."""

    @classmethod
    def load(cls, saved: SavedParts) -> Triggers:
        """The fold that ``dump`` saved. Raises ``LogError`` where the saved parts are damaged."""
        triggers = cls()
        triggers._versions, triggers._over = saved.shards("trigger", TriggerState), saved.shards("burst", KEYS)
        return triggers

    def dump(self) -> dict[str, bytes]:
        """The fold as saved parts, by name."""
        return {**self._versions.dump("trigger"), **self._over.dump("burst")}

    def apply(self, event: Event, policy: Policy) -> None:
        """Apply one event, under the settings in force at its position."""
        match event:
            case TaskRated():
                for assignment in assignments_counted(event):
                    is_counted = assignment["arm"] != Arm.PINNED or is_imported(assignment)
                    if is_counted and (terms := self._terms_of(assignment["role"], policy)) is not None:
                        self._rate(event, assignment, terms)
            case AdapterPromoted():
                self._drop(name_version(event.role, event.adapter))
            case CycleClosed():
                for version in [name for name in self._versions if name.startswith(f"{event.role}/")]:
                    self._drop(version)

    def _terms_of(self, role: str, policy: Policy) -> TriggerTerms | None:
        if policy is not self._policy:
            self._policy, self._terms = policy, {}
        if role not in self._terms:
            is_ours = policy.rating(role).rule == Rule.SEQUENTIAL
            self._terms[role] = trigger_terms(policy, role) if is_ours else None
        return self._terms[role]

    def _rate(self, event: TaskRated, assignment: Assignment, terms: TriggerTerms) -> None:
        adapter = IMPORTED if is_imported(assignment) else assignment["adapter"]
        version, run = name_version(assignment["role"], adapter), event.originator_id.hex
        bursts, detector = self._run(version, terms) or self._begin(version, terms)
        for mean in bursts.take(event.actor, event.session or run, run, event.stars):
            assert mean is not None  # a rating is never unknown
            detector.take(mean)

    def _run(self, version: str, terms: TriggerTerms) -> tuple[RatingClusters, Detector] | None:
        """The clusters and the detector of the version; None where nothing was counted under these terms."""
        running = self._running.get(version)
        if running is None and version in self._versions:
            known = self._versions[version]
            before = TriggerTerms.from_json(known.terms)
            bursts = RatingClusters(known.bursts, RecentSet(self._over, version))
            running = self._running[version] = bursts, Detector(before, known.detector)
        return running if running is not None and running[1].terms == terms else None

    def _begin(self, version: str, terms: TriggerTerms) -> tuple[RatingClusters, Detector]:
        self._drop(version)  # ratings that were counted under other terms
        running = self._running[version] = RatingClusters(over=RecentSet(self._over, version)), Detector(terms)
        self._versions[version] = TriggerState(terms.to_json(), running[0].state, running[1].state)
        return running

    def _drop(self, version: str) -> None:
        self._versions.pop(version, None)
        RecentSet(self._over, version).clear()
        self._running.pop(version, None)

    def verdict(self, role: str, adapter: str | None, terms: TriggerTerms, *, with_imported: bool = False) -> Verdict:
        """``breach`` or ``hold`` for the version, as of the last event. Without a rating under these terms it is ``hold``.

        ``with_imported`` also judges the imported sessions. Their verdict stands where it is the only breach, or where only
        they have ratings.
        """
        running = self._run(name_version(role, adapter), terms)
        own = (Detector(terms) if running is None else running[1]).verdict()
        imported = self._run(name_version(role, IMPORTED), terms) if with_imported else None
        if imported is None or own.verdict == Decision.BREACH:
            return own
        theirs = imported[1].verdict()
        return theirs if running is None or theirs.verdict == Decision.BREACH else own

    def has_bursts(self, role: str, adapter: str | None, terms: TriggerTerms) -> bool:
        """Whether a recent rater gave several ratings in one session, which count as one."""
        running = self._run(name_version(role, adapter), terms)
        return running is not None and any(len(burst["values"]) > 1 for burst in running[0].state.values())

    def ratings_to_alarm(self, role: str, adapter: str | None, terms: TriggerTerms, stars: float) -> int | None:
        """The number of further ratings of ``stars``, one a session, that would make a breach; None where it is too large.

        A session counts when its rater rates another session. So the last session needs one more rating after it.
        """
        running = self._run(name_version(role, adapter), terms)
        if running is None:
            ahead = Detector(terms)
        else:
            bursts, detector = running
            if detector.is_alarm:
                return 0
            ahead = Detector(terms, copy.deepcopy(detector.state))
            for burst in bursts.state.values():
                ahead.take(sum(burst["values"].values()) / len(burst["values"]))
        further = ahead.ratings_to_alarm(stars)
        return None if further is None else further + 1
