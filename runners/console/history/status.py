"""The state of the roles: now, and at any earlier moment."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ....domain.durations import show_duration
from ....domain.vocabulary import RolloutPhase
from ....projections.explain.imported import describe_imported
from ....projections.explain.overview import PERSON, RATINGS, WORKER
from ....projections.explain.summary import RoleSummary, summarize_role
from ....projections.explain.words import say_alert
from ..error_lines import describe_wait
from ..hints import suggest
from ..options import DEFAULT_DB, AsJson, Db, find_position, open_log
from ..rendering import Column, as_time, print_json, print_line, print_table, show_share, show_time

if TYPE_CHECKING:
    from ....projections.state.registry import Adapter
    from ....projections.state.state import State
    from ...store.log import Log


SHOWN = 5
"""Alerts that the status shows; chosen: as many as fit under the roles."""


def status(db: Db = DEFAULT_DB, as_json: AsJson = False) -> None:
    """Show the state of each role.

    The live adapter, the mean of its ratings, the canary, the cycle in progress, how many runs succeeded, and the newest
    alerts that are open.

    \b
    Examples:
      grokputer status
      grokputer status --db events.db --json
    """
    from ...improvement.weights import missing
    from ...store.locks import find_worker
    from ...store.states import load_state
    from ...wiring.registries import open_registry

    log = open_log(db)
    state = load_state(log)
    roles = summarize_roles(log, state, find_worker(log))
    alerts = [say_alert(alert, log.get_content) for alert in state.alerts.open()]
    store = open_registry(state.policy, log.path)
    gone = missing(state, store)
    if as_json:
        document = {
            "position": state.position,
            "roles": [role.to_json() for role in roles],
            "alerts": [alert.to_json() for alert in alerts],
        }
        print_json({**document, "weights_missing": gone})
        return
    _print_waits(roles)
    print_line()
    _print_roles(roles)
    _print_imported(roles)
    for name, serves in gone.items():
        print_line(
            f"WEIGHTS MISSING: those of {name}, which is {serves}, are not in {store.place}; restore them from a backup"
        )
    for alert in alerts[-SHOWN:]:
        print_line(f"ALERT ({alert.severity}) at position {alert.position}, {alert.kind}: {alert.message}")
    if len(alerts) > SHOWN:
        print_line(f"{len(alerts) - SHOWN} older alerts are open too; see 'grokputer alerts --open'")
    suggest(_next_step(roles), db)


def at(
    moment: Annotated[str, typer.Argument(metavar="POSITION|TIME", help="A position, or an ISO 8601 time or date.")],
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
    from ...store.states import load_state

    log = open_log(db)
    position = find_position(log, moment)
    state = load_state(log, position)
    time = log.at(position).event.time
    roles = summarize_roles(log, state)
    document: dict[str, Any] = {
        "position": position,
        "time": time.isoformat(),
        "roles": [role.to_json() for role in roles],
        "adapters": [_with_cost(state, adapter) for adapter in state.registry.adapters.values()],
        "settings": dict(state.settings),
        "metrics": [{**row, "adapter": log.say(row["adapter"])} for row in state.metrics.rows()],
        "ratings": state.ratings.rows(),
    }
    if as_json:
        print_json(document)
        return
    print_line(f"at position {position}, {show_time(time)}")
    _print_waits(roles)
    print_line()
    _print_roles(roles)
    _print_imported(roles)
    print_adapters(state)
    print_table(("setting", "value"), sorted(state.settings.items()), "all settings at their defaults")
    _print_metrics(document["metrics"])
    suggest(f"diff {position} {log.position}" if position < log.position else "status", db)


def _next_step(roles: Sequence[RoleSummary]) -> str:
    """The command that moves the first waiting role on: by its worker, a person's decision, or ratings."""
    begun = [role for role in roles if role.has_begun or role.runs]
    if not begun:
        return "run click-button"
    steps = {WORKER: "work --once", PERSON: "rollouts", RATINGS: "runs --unrated"}
    order = (PERSON, WORKER, RATINGS)
    waits = sorted((role.waits_for.on for role in begun), key=lambda on: order.index(on) if on in order else 9)
    return steps.get(waits[0], "rollouts")


def summarize_roles(log: Log, state: State, worker: str | None = None) -> list[RoleSummary]:
    """How each role stands."""
    from ...improvement.overview import view_roles

    return [summarize_role(state, view) for view in view_roles(log, state, worker)]


def _print_roles(roles: Sequence[RoleSummary]) -> None:
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
    print_table(columns, (_row(role) for role in roles))


def _print_waits(roles: Sequence[RoleSummary]) -> None:
    """Print what each role with runs waits for, and what its mean leaves out."""
    begun = [role for role in roles if role.has_begun or role.runs]
    for role in begun:
        print_line(f"{role.role} waits for {describe_wait(role.waits_for)}")
        if role.window.note:
            print_line(f"{role.role}, its mean: {role.window.note}")
    if not begun:
        print_line("no role has runs yet; 'grokputer run' makes some")


def _print_imported(roles: Sequence[RoleSummary]) -> None:
    """Print whether the imported sessions count and what they lack, one line for each role that has some."""
    for role in roles:
        if role.imported is not None:
            print_line(describe_imported(role.role, role.imported))


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


def _print_metrics(metrics: list[dict[str, Any]]) -> None:
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


def adapters(db: Db = DEFAULT_DB, as_json: AsJson = False) -> None:
    """List the adapters and the status of each.

    \b
    Examples:
      grokputer adapters
      grokputer adapters --json
    """
    from ...store.states import load_state
    from ...wiring.registries import open_registry

    log = open_log(db)
    state = load_state(log)
    store = open_registry(state.policy, log.path)
    gone = {name for name, adapter in state.registry.adapters.items() if not store.has(adapter.weights)}
    if as_json:
        rows = [_with_cost(state, adapter) for adapter in state.registry.adapters.values()]
        print_json([{**row, "weights_missing": row["adapter"] in gone} for row in rows])
        return
    print_adapters(state, gone)
    names = list(state.registry.adapters)
    suggest(f"why {names[-1]}" if names else "status", db)


def _with_cost(state: State, adapter: Adapter) -> dict[str, Any]:
    """The adapter as the registry has it, with what its training took and cost."""
    fields, training = adapter.to_json(), state.registry.trainings[adapter.training].to_json()
    took = {key: training[key] for key in ("duration_s", "peak_memory_bytes", "cost")}
    return {"adapter": fields.pop("name"), **fields, **took}


def print_adapters(state: State, gone: Collection[str] = ()) -> None:
    """Print the table of adapters as of the state; the weights of those in ``gone`` are not in their folder."""
    trainings = state.registry.trainings

    def row(adapter: Adapter) -> tuple[Any, ...]:
        rated, training = state.ratings.sums(adapter.role, adapter.name), trainings[adapter.training]
        return (
            adapter.name,
            adapter.role,
            adapter.status,
            as_time(adapter.registered),
            adapter.position,
            training.examples,
            None if training.duration_s is None else show_duration(training.duration_s),
            training.cost and training.cost.price,
            rated.count,
            None if rated.mean is None else f"{rated.mean:.2f}",
            adapter.parent,
            adapter.lineage,
            adapter.gate and adapter.gate.reason,
            "MISSING" if adapter.name in gone else adapter.weights[:19],
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
    print_table(columns, map(row, state.registry.adapters.values()), "no adapters yet; a training makes one")
