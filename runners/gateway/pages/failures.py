"""What fails most, which failures are alike, and where a training would pay most."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Any
from urllib.parse import urlencode

from ....domain.settings.settings import ROLES
from ....projections.explain.failures.group import FailureGroup
from ....projections.wording.sentences import count, short_id
from ...explain.run_filter import RunFilter, read_time
from ...use_cases.lookups import adapter_names
from ...use_cases.reading.failures import Failures, view_failures
from ...use_cases.reading.kept import Kept, moment_of
from ...use_cases.trainings import request_training
from ..site.visit import Done, Form, View, Visit
from .runs import id_of

LAST, MOST = 2000, 10_000
"""The newest runs that the page examines, and the most that it can be asked for; chosen: a page should come within seconds."""
FIELDS = ("role", "task", "adapter", "since")
_found: Kept[Failures] = Kept(8)
"""The failures by the moment of the log and the conditions: people who wait for the same ones get one computation."""


def show_failures(visit: Visit) -> View:
    """The failures among the newest runs that meet the conditions in the address."""
    conditions = _read(visit.query, visit)
    found = conditions.find(visit, with_advice=True)
    data = {
        **conditions.to_json(),
        **found.to_json(),
        "choices": {"role": list(ROLES), "adapter": ["base", *adapter_names(visit.ledger)]},
    }
    return View("failures", "Failures", data)


def show_group(visit: Visit) -> View:
    """The group of similar failures that the run is in, among the runs that meet the conditions in the address."""
    conditions = _read(visit.query, visit)
    group = conditions.group_of(visit)
    data = {**conditions.to_json(), "group": group.to_json(len(group.runs))}
    return View("failure_group", f"{count(len(group.runs), 'similar failure')}", data)


def train_on_group(visit: Visit) -> Done:
    """Request a training of the group's role; its reason names the group."""
    conditions = _read(visit.form, visit)
    group = conditions.group_of(visit)
    told = visit.form.words("reason")
    reason = f"{told}; {group.reason}" if told else group.reason
    requested = request_training(visit.ledger, group.role, reason=reason, actor=visit.visitor.name)
    said = f"a training of role {group.role} is requested; a worker runs it"
    data = {"role": group.role, "training": requested.training.hex, "position": requested.position}
    return Done(f"/failures/{short_id(group.id)}{conditions.query}", said, data=data)


@dataclass(frozen=True)
class _Conditions:
    """Which runs are examined. Groups are of these, so every link to a group carries them."""

    given: Mapping[str, str]
    wanted: RunFilter
    last: int

    @property
    def query(self) -> str:
        """The conditions as the query of an address; empty without one."""
        said = {name: value for name, value in self.given.items() if value}
        said |= {"last": str(self.last)} if self.last != LAST else {}
        return f"?{urlencode(said)}" if said else ""

    def group_of(self, visit: Visit) -> FailureGroup:
        """The group of the run that the address names. Raises ``NotFound``."""
        return self.find(visit, with_advice=False).group_of(id_of(visit))

    def find(self, visit: Visit, *, with_advice: bool) -> Failures:
        """The failures among the runs that meet the conditions. Raises ``NotFound`` for an unknown role."""
        log, key = visit.ledger, (moment_of(visit.ledger), self.wanted, self.last, with_advice)
        return _found.get(key, lambda: view_failures(log, self.wanted, self.last, with_advice=with_advice))

    def to_json(self) -> dict[str, Any]:
        """The conditions, JSON-plain."""
        return {"filter": dict(self.given), "last": self.last, "query": self.query}


def _read(form: Form, visit: Visit) -> _Conditions:
    given = {name: form.one(name) for name in FIELDS}
    now = visit.ledger.clock.now().replace(second=0, microsecond=0)  # so that requests of one minute ask for the same
    since = read_time(given["since"], now, UTC) if given["since"] else None
    named: dict[str, str | None] = {name: given[name] or None for name in ("role", "task", "adapter")}
    wanted = RunFilter(role=named["role"], task=named["task"], adapter=named["adapter"], since=since)
    return _Conditions(given, wanted, form.number("last", 1, MOST) or LAST)
