"""The state of the roles: now, and at any earlier moment."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ....domain.durations import show_duration
from ....domain.rules.cost import Cost
from ....projections.explain.imported import describe_imported
from ....projections.explain.overview import PERSON, RATINGS, WORKER, describe_role
from ....projections.explain.words import say_alert
from ..hints import suggest
from ..options import DEFAULT_DB, AsJson, Db, find_position, open_log
from ..rendering import Column, as_time, print_json, print_line, print_table, show_share, show_time

if TYPE_CHECKING:
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
    roles = describe_roles(log, state, find_worker(log))
    alerts = [say_alert(row, log.get_content) for row in state.alerts.rows() if row["is_open"]]
    store = open_registry(state.policy, log.path)
    gone = missing(state, store)
    if as_json:
        print_json({"position": state.position, "roles": roles, "alerts": alerts, "weights_missing": gone})
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
        print_line(f"ALERT ({alert['severity']}) at position {alert['position']}, {alert['kind']}: {alert['message']}")
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
    document: dict[str, Any] = {
        "position": position,
        "time": time.isoformat(),
        "roles": describe_roles(log, state),
        "adapters": [_with_cost(state, name) for name, _ in in_order(state.registry.adapters)],
        "settings": dict(state.settings),
        "metrics": [{**row, "adapter": log.say(row["adapter"])} for row in state.metrics.rows()],
        "ratings": state.ratings.rows(),
    }
    if as_json:
        print_json(document)
        return
    print_line(f"at position {position}, {show_time(time)}")
    _print_waits(document["roles"])
    print_line()
    _print_roles(document["roles"])
    _print_imported(document["roles"])
    print_adapters(state)
    print_table(("setting", "value"), sorted(state.settings.items()), "all settings at their defaults")
    _print_metrics(document["metrics"])
    suggest(f"diff {position} {log.position}" if position < log.position else "status", db)


def _next_step(roles: list[dict[str, Any]]) -> str:
    """The command that moves the first waiting role on: by its worker, a person's decision, or ratings."""
    begun = [role for role in roles if role["has_begun"] or role["runs"]]
    if not begun:
        return "run click-button"
    steps = {WORKER: "work --once", PERSON: "rollouts", RATINGS: "runs --unrated"}
    order = (PERSON, WORKER, RATINGS)
    waits = sorted((role["waits_for"]["on"] for role in begun), key=lambda it: order.index(it) if it in order else 9)
    return steps.get(waits[0], "rollouts")


def describe_roles(log: Log, state: State, worker: str | None = None) -> list[dict[str, Any]]:
    """One document per role, JSON-plain."""
    from ...improvement.overview import view_roles

    return [describe_role(state, view) for view in view_roles(log, state, worker)]


def _print_roles(roles: list[dict[str, Any]]) -> None:
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


def _print_waits(roles: list[dict[str, Any]]) -> None:
    """Print what each role with runs waits for, and what its mean leaves out."""
    begun = [role for role in roles if role["has_begun"] or role["runs"]]
    for role in begun:
        print_line(f"{role['role']} waits for {role['waits_for']['message']}")
        if role["window"]["note"]:
            print_line(f"{role['role']}, its mean: {role['window']['note']}")
    if not begun:
        print_line("no role has runs yet; 'grokputer run' makes some")


def _print_imported(roles: list[dict[str, Any]]) -> None:
    """Print whether the imported sessions count and what they lack, one line for each role that has some."""
    for role in roles:
        if role["imported"] is not None:
            print_line(describe_imported(role["role"], role["imported"]))


def _row(role: dict[str, Any]) -> tuple[Any, ...]:
    window, canary, cycle = role["window"], role["canary"], role["cycle"]
    paused = " (paused)" if canary and canary["phase"] == "paused" else ""
    return (
        role["role"],
        role["live"] or "base",
        None if window["mean"] is None else f"{window['mean']:.2f}",
        window["count"],
        window["unattributed"] or None,
        window["threshold"],
        f"{canary['adapter']} {canary['weight_percent']} %{paused}" if canary else None,
        f"{canary['verdict']} ({canary['reason']}): {canary['message']}" if canary else None,
        f"{cycle['stage']} (since {cycle['position']})" if cycle else role["last_outcome"],
        role["runs"],
        show_share(role["success"]),
    )


def _print_metrics(found: list[dict[str, Any]]) -> None:
    columns = (
        *("role", "adapter", "arm", "runs", "success"),
        Column("steps", rank=2),
        Column("ms", rank=2),
        Column("ratings"),
        Column("corrections", rank=1),
    )
    names = ("role", "adapter", "arm", "runs", "success", "mean_steps", "mean_ms", "ratings", "corrections")
    rows = ([row[name] for name in names] for row in found)
    print_table(columns, rows, "no runs")


def in_order(known: dict[str, dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """The entries by their positions; a saved state has them in the order of their keys."""
    return sorted(known.items(), key=lambda entry: entry[1]["position"])


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
    gone = {name for name, it in state.registry.adapters.items() if not store.has(it["weights"])}
    if as_json:
        rows = [_with_cost(state, name) for name, _ in in_order(state.registry.adapters)]
        print_json([{**row, "weights_missing": row["adapter"] in gone} for row in rows])
        return
    print_adapters(state, gone)
    names = list(state.registry.adapters)
    suggest(f"why {names[-1]}" if names else "status", db)


def _with_cost(state: State, name: str) -> dict[str, Any]:
    """The adapter as the registry has it, with what its training took and cost."""
    known = state.registry.adapters[name]
    training = state.registry.trainings[known["training"]]
    return {"adapter": name, **known, **{key: training[key] for key in ("duration_s", "peak_memory_bytes", "cost")}}


def print_adapters(state: State, gone: Collection[str] = ()) -> None:
    """Print the table of adapters as of the state; the weights of those in ``gone`` are not in their folder."""
    means = {(row["role"], row["adapter"]): row for row in state.ratings.rows()}
    trainings = state.registry.trainings

    def row(name: str, known: dict[str, Any]) -> tuple[Any, ...]:
        rated = means.get((known["role"], name), {"ratings": 0, "mean": None})
        return (
            name,
            known["role"],
            known["status"],
            as_time(known["registered"]),
            known["position"],
            trainings[known["training"]]["examples"],
            show_duration(trainings[known["training"]]["duration_s"]),
            Cost(**trainings[known["training"]]["cost"]).price,
            rated["ratings"],
            rated["mean"],
            known["parent"],
            known["lineage"],
            known["gate"] and known["gate"]["reason"],
            "MISSING" if name in gone else known["weights"][:19],
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
    rows = (row(name, known) for name, known in in_order(state.registry.adapters))
    print_table(columns, rows, "no adapters yet; a training makes one")
