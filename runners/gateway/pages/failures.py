"""What fails most, which failures are alike, and where a training would pay most."""

from __future__ import annotations

from ....domain.settings.settings import ROLES
from ....projections.wording.sentences import count, short_id
from ...explain.run_filter import RunFilter, read_time
from ...store.states import load_state
from ...use_cases.reading.failures import view_failures
from ...use_cases.trainings import request_training
from ..site.visit import Done, View, Visit
from .runs import id_of

LAST, MOST = 2000, 20_000
"""The newest runs that the page examines, and the most that it can be asked for; chosen: a page should come within seconds."""
FIELDS = ("role", "task", "adapter", "since")


def show_failures(visit: Visit) -> View:
    """The failures among the newest runs that meet the conditions in the address."""
    given = {name: visit.query.one(name) for name in FIELDS}
    last = visit.query.number("last", 1, MOST) or LAST
    found = view_failures(visit.ledger, _read_filter(given, visit), last)
    data = {
        "filter": given,
        "last": last,
        **found.to_json(),
        "choices": {"role": list(ROLES), "adapter": ["base", *load_state(visit.ledger).registry.adapters]},
    }
    return View("failures", "Failures", data)


def show_group(visit: Visit) -> View:
    """The group of similar failures that the run is in, with all its runs."""
    last = visit.query.number("last", 1, MOST) or LAST
    group = view_failures(visit.ledger, last=last, with_advice=False).group_of(id_of(visit))
    data = {"group": group.to_json(len(group.runs)), "last": last}
    return View("failure_group", f"{count(len(group.runs), 'similar failure')}", data)


def train_on_group(visit: Visit) -> Done:
    """Request a training of the group's role; its reason names the group."""
    last = visit.form.number("last", 1, MOST) or LAST
    group = view_failures(visit.ledger, last=last, with_advice=False).group_of(id_of(visit))
    told = visit.form.one("reason")
    reason = f"{told}; {group.reason}" if told else group.reason
    requested = request_training(visit.ledger, group.role, reason=reason, actor=visit.visitor.name)
    said = f"a training of role {group.role} is requested; a worker runs it"
    data = {"role": group.role, "training": requested.training.hex, "position": requested.position}
    return Done(f"/failures/{short_id(group.id)}", said, data=data)


def _read_filter(given: dict[str, str], visit: Visit) -> RunFilter:
    since = read_time(given["since"], visit.ledger.clock.now()) if given["since"] else None
    named: dict[str, str | None] = {name: given[name] or None for name in ("role", "task", "adapter")}
    return RunFilter(role=named["role"], task=named["task"], adapter=named["adapter"], since=since)
