"""The state of the roles: now, and at any earlier moment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ....domain.durations import show_duration
from ....domain.vocabulary import RolloutPhase
from ....projections.explain.standing.imported import describe_imported
from ....projections.explain.standing.summary import RoleSummary
from ....projections.explain.standing.waits import PERSON, RATINGS, WORKER
from ....projections.wording.role_metrics import describe_metric
from ....projections.wording.sentences import count
from ..error_lines import describe_wait
from ..hints import suggest
from ..options import DEFAULT_DB, AsJson, Db, find_position, open_log
from ..rendering import Column, as_time, print_json, print_line, print_table, show_share, show_time

if TYPE_CHECKING:
    from ...use_cases.overview import AdapterSummary


SHOWN = 5
"""Alerts that the status shows; chosen: as many as fit under the roles."""


AllRoles = Annotated[
    bool, typer.Option("--all", help="Show the roles without any data too; JSON always has all roles.")
]


def status(all_roles: AllRoles = False, db: Db = DEFAULT_DB, as_json: AsJson = False) -> None:
    """Show the state of each role that has runs or ratings.

    The live adapter, the mean of its ratings, the canary, the cycle in progress, how many runs succeeded, the metric of
    each role with its target, and the newest alerts that are open.

    \b
    Examples:
      grokputer status
      grokputer status --all
      grokputer status --db events.db --json
    """
    from ...use_cases.overview import view_status

    now = view_status(open_log(db))
    if as_json:
        document = {
            "position": now.position,
            "roles": [role.to_json() for role in now.roles],
            "alerts": [alert.details for alert in now.alerts],
        }
        print_json({**document, "weights_missing": {gone.adapter: gone.serves for gone in now.missing}})
        return
    roles, alerts = now.roles, now.alerts
    _print_waits(roles)
    _print_roles(roles, all_roles)
    _print_role_metrics(roles, all_roles)
    _print_imported(roles)
    _print_grades(roles)
    for gone in now.missing:
        print_line(
            f"WEIGHTS MISSING: those of {gone.adapter}, which is {gone.serves}, are not in {gone.place}; restore them "
            "from a backup"
        )
    for alert in alerts[-SHOWN:]:
        print_line(f"ALERT ({alert.severity}) at position {alert.position}, {alert.kind}: {alert.message}")
    if len(alerts) > SHOWN:
        print_line(f"{len(alerts) - SHOWN} older alerts are open too; see 'grokputer alerts --open'")
    suggest(_next_step(roles), db)


def at(
    moment: Annotated[str, typer.Argument(metavar="POSITION|TIME", help="A position, or an ISO 8601 time or date.")],
    all_roles: AllRoles = False,
    db: Db = DEFAULT_DB,
    as_json: AsJson = False,
) -> None:
    """Show the state at a position or time.

    Adapters, traffic, settings and metrics, from the log. A time without a zone is local; a date is its first moment.
    A time stands for the last event in the log that is not later. Where the clock was set back, or runs were played at the
    same time, some of the events before that one may be later than the time.

    \b
    Examples:
      grokputer at 120
      grokputer at 2026-05-01T14:30
    """
    from ...use_cases.overview import view_status

    log = open_log(db)
    then = view_status(log, find_position(log, moment))
    assert then.time is not None  # a position has an event
    if as_json:
        print_json(then.to_json())
        return
    print_line(f"at position {then.position}, {show_time(then.time)}")
    _print_waits(then.roles)
    _print_roles(then.roles, all_roles)
    _print_role_metrics(then.roles, all_roles)
    _print_imported(then.roles)
    _print_grades(then.roles)
    print_adapters(then.adapters)
    print_table(("setting", "value"), sorted(then.settings.items()), "all settings at their defaults")
    _print_metrics(then.metrics)
    suggest(f"diff {then.position} {log.position}" if then.position < log.position else "status", db)


def _next_step(roles: Sequence[RoleSummary]) -> str:
    """The command that moves the first waiting role on: by its worker, a person's decision, or ratings."""
    begun = [role for role in roles if role.has_data]
    if not begun:
        return "run click-button"
    steps = {WORKER: "work --once", PERSON: "rollouts", RATINGS: "runs --unrated"}
    order = (PERSON, WORKER, RATINGS)
    waits = sorted((role.waits_for.on for role in begun), key=lambda on: order.index(on) if on in order else 9)
    return steps.get(waits[0], "rollouts")


def _print_roles(roles: Sequence[RoleSummary], all_roles: bool) -> None:
    """Print the table of the roles that have data, or of all."""
    shown = [role for role in roles if all_roles or role.has_data]
    if not shown:
        return
    print_line()
    columns = (
        Column("role"),
        Column("live"),
        Column("mean"),
        Column("ratings"),
        Column("unattributed", rank=4),
        Column("threshold", rank=2),
        Column("canary", wraps=12),
        Column("verdict", rank=3, wraps=24),
        Column("cycle", rank=1, wraps=13),
        Column("runs"),
        Column("success"),
    )
    print_table(columns, (_row(role) for role in shown))


def _print_waits(roles: Sequence[RoleSummary]) -> None:
    """Print what each role with runs waits for, and what its mean leaves out."""
    begun = [role for role in roles if role.has_data]
    for role in begun:
        print_line(f"{role.role} {describe_wait(role.waits_for)}")
        if role.window.note:
            print_line(f"{role.role}, its mean: {role.window.note}")
    if not begun:
        print_line("no role has runs yet; 'grokputer run' makes some")


def _print_role_metrics(roles: Sequence[RoleSummary], all_roles: bool) -> None:
    """Print how well each role works, one line for each of which runs say something, or for all."""
    for role in roles:
        if all_roles or role.metric.cases:
            print_line(describe_metric(role.role, role.metric))


def _print_imported(roles: Sequence[RoleSummary]) -> None:
    """Print whether the imported sessions count and what they lack, one line for each role that has some."""
    for role in roles:
        if role.imported is not None:
            print_line(describe_imported(role.role, role.imported))


def _print_grades(roles: Sequence[RoleSummary]) -> None:
    """Print the grades of judge models, one line for each role and judge. They are in no mean of the table above."""
    for role in roles:
        for grades in role.grades:
            live = (
                f"mean {grades.mean:.2f} of {count(grades.count, 'grade')}" if grades.mean is not None else "no grades"
            )
            canary = (
                f", canary mean {grades.canary_mean:.2f} of {grades.canary_count}"
                if grades.canary_mean is not None
                else ""
            )
            print_line(f"{role.role}, judge model {grades.judge}: {live}{canary}; not among the ratings")


def _row(role: RoleSummary) -> tuple[Any, ...]:
    window, canary, cycle = role.window, role.canary, role.cycle
    paused = " (paused)" if canary and canary.phase == RolloutPhase.PAUSED else ""
    return (
        role.role,
        role.live or "base",
        None if window.mean is None else f"{window.mean:.2f}",
        window.count,
        window.unattributed or None,
        window.threshold,
        f"{canary.adapter} {canary.weight_percent} %{paused}" if canary else None,
        f"{canary.verdict} ({canary.reason}): {canary.message}" if canary else None,
        f"{cycle.stage} (since {cycle.position})" if cycle else role.last_outcome,
        role.runs,
        show_share(role.success),
    )


def _print_metrics(metrics: Sequence[dict[str, Any]]) -> None:
    columns = (
        *("role", "adapter", "arm", "runs", "success"),
        Column("steps", rank=2),
        Column("ms", rank=2),
        Column("ratings"),
        Column("corrections", rank=1),
    )
    names = ("role", "adapter", "arm", "runs", "success", "mean_steps", "mean_ms", "ratings", "corrections")
    shown = ({**row, "success": show_share(row["success"])} for row in metrics)
    rows = ([row[name] for name in names] for row in shown)
    print_table(columns, rows, "no runs")


def print_adapters(adapters: Sequence[AdapterSummary]) -> None:
    """Print the table of adapters."""

    def row(adapter: AdapterSummary) -> tuple[Any, ...]:
        return (
            adapter.name,
            adapter.role,
            adapter.status,
            as_time(adapter.registered),
            adapter.position,
            adapter.examples,
            None if adapter.duration_s is None else show_duration(adapter.duration_s),
            adapter.price,
            adapter.ratings,
            None if adapter.mean is None else f"{adapter.mean:.2f}",
            adapter.parent,
            adapter.lineage,
            adapter.gate,
            "MISSING" if adapter.is_missing else adapter.weights[:19],
        )

    columns = (
        Column("adapter"),
        Column("role"),
        Column("status", wraps=8),
        Column("registered", rank=1),
        Column("position", rank=4),
        Column("examples", rank=3),
        Column("trained", rank=3, wraps=6),
        Column("cost", rank=4, wraps=8),
        Column("ratings", rank=1),
        Column("mean"),
        Column("parent", rank=2),
        Column("trained on from", rank=5),
        Column("gate", rank=2, wraps=10),
        Column("weights", rank=6),
    )
    print_table(columns, map(row, adapters), "no adapters yet; a training makes one")
