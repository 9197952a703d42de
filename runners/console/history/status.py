"""How things stand: now, and as they were at any moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ....domain.durations import show_duration
from ....domain.rules.breach import is_breach
from ....domain.rules.cost import Cost
from ....domain.settings.settings import ROLES
from ..options import DEFAULT_DB, AsJson, Db, find_position, open_log
from ..rendering import print_json, print_table, show_share, show_time

if TYPE_CHECKING:
    from ....projections.state.state import State


SHOWN = 5
"""Alerts that the status shows; chosen: what fits under the roles."""


def status(db: Db = DEFAULT_DB, as_json: AsJson = False) -> None:
    """Show how each role stands.

    The live adapter, the mean of its ratings, the canary, the cycle in flight, how the runs went, and the newest alerts
    that nothing has dealt with yet.

    \b
    Examples:
      grokputer status
      grokputer status --db events.db --json
    """
    from ...store.states import load_state

    log = open_log(db)
    state = load_state(log)
    roles = describe_roles(state)
    alerts = [{**it, "message": log.say(it["message"], None)} for it in state.alerts.rows() if it["is_open"]]
    if as_json:
        print_json({"position": state.position, "roles": roles, "alerts": alerts})
        return
    _print_roles(roles)
    for alert in alerts[-SHOWN:]:
        print(f"ALERT ({alert['severity']}) at position {alert['position']}, {alert['kind']}: {alert['message']}")
    if len(alerts) > SHOWN:
        print(f"{len(alerts) - SHOWN} older alerts are open too; see 'grokputer alerts --open'")


def at(
    moment: Annotated[str, typer.Argument(metavar="POSITION|TIME", help="A position, or an ISO 8601 time or date.")],
    db: Db = DEFAULT_DB,
    as_json: AsJson = False,
) -> None:
    """Show how things stood at a position or time.

    Adapters, traffic, settings and metrics, from the log. A time without a zone is local; a date is its first moment.

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
        "roles": describe_roles(state),
        "adapters": [_with_cost(state, name) for name, _ in in_order(state.registry.adapters)],
        "settings": dict(state.settings),
        "metrics": [{**row, "adapter": log.say(row["adapter"])} for row in state.metrics.rows()],
        "ratings": state.ratings.rows(),
    }
    if as_json:
        print_json(document)
        return
    print(f"at position {position}, {show_time(time)}")
    _print_roles(document["roles"])
    print_adapters(state)
    print_table(("setting", "value"), sorted(state.settings.items()), "all settings at their defaults")
    _print_metrics(document["metrics"])


def describe_roles(state: State) -> list[dict[str, Any]]:
    """One document per role, JSON-plain."""
    return [_describe_role(state, role) for role in ROLES]


def _describe_role(state: State, role: str) -> dict[str, Any]:
    window, policy, traffic, cycle = state.window(role), state.policy, state.traffic(role), state.lanes.cycle(role)
    arms = [
        counts
        for adapters in state.metrics.state.get(role, {}).values()
        for arm, counts in adapters.items()
        if arm != "pinned"
    ]
    ran = sum(counts["runs"] for counts in arms)
    rollout = state.lanes.state["rollouts"][traffic.rollout] if traffic.rollout is not None else None
    return {
        "role": role,
        "live": traffic.stable,
        "window": {
            "count": len(window.ratings),
            "mean": round(window.mean, 4) if window.ratings else None,
            "size": policy.get("rating.window", role),
            "minimum": policy.get("rating.minimum", role),
            "threshold": policy.get("rating.threshold", role),
            "is_breach": is_breach(window, policy),
            "unattributed": state.ratings.unattributed(role, traffic.stable),
        },
        "canary": _describe_canary(state, traffic.rollout),
        "cycle": {"position": cycle["position"], "stage": _stage(state, cycle, rollout)} if cycle is not None else None,
        "last_outcome": state.lanes.state["roles"].get(role, {}).get("last_outcome"),
        "runs": ran,
        "success": round(sum(counts["succeeded"] for counts in arms) / ran, 4) if ran else None,
    }


def _describe_canary(state: State, rollout: str | None) -> dict[str, Any] | None:
    """The rollout under way, with what a look at its canary says now."""
    if rollout is None:
        return None
    lane, look = state.lanes.state["rollouts"][rollout], state.look(rollout)
    known = {key: lane[key] for key in ("adapter", "weight_percent", "phase", "started", "position")}
    return {**known, "verdict": look.verdict, "reason": look.reason, "message": look.message}


def _stage(state: State, cycle: dict[str, Any], rollout: dict[str, Any] | None) -> str:
    """How far the cycle is: the state of its training, then the proof, the gate, then the canary."""
    if rollout is not None:
        return f"canary {rollout['phase']}"
    trainings = state.registry.trainings
    key = next((key for key, it in trainings.items() if it["cycle"] == cycle["opened_by"]), None)
    if key is None:
        return "opened"
    training = trainings[key]
    adapter = next((it for it in state.registry.adapters.values() if it["training"] == key), None)
    if adapter is not None:
        said: str = adapter["status"]
        return {"registered": "to be proven", "proven": "proven, at the gate"}.get(said, said)
    if training["status"] == "training" and training["steps"]:
        return f"training, step {training['step']} of {training['steps']}"
    status: str = training["status"]
    return {"requested": "training requested"}.get(status, status)


def _print_roles(roles: list[dict[str, Any]]) -> None:
    columns = (
        "role",
        "live",
        "mean",
        "ratings",
        "unattributed",
        "threshold",
        "canary",
        "verdict",
        "cycle",
        "runs",
        "success",
    )
    print_table(columns, (_row(role) for role in roles))


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
    columns = ("role", "adapter", "arm", "runs", "success", "steps", "ms", "ratings", "corrections")
    names = ("role", "adapter", "arm", "runs", "success", "mean_steps", "mean_ms", "ratings", "corrections")
    rows = ([row[name] for name in names] for row in found)
    print_table(columns, rows, "no runs")


def in_order(known: dict[str, dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """The entries by their positions: a saved state has them in the order of their keys."""
    return sorted(known.items(), key=lambda entry: entry[1]["position"])


def adapters(db: Db = DEFAULT_DB, as_json: AsJson = False) -> None:
    """List the adapters and what became of each.

    \b
    Examples:
      grokputer adapters
      grokputer adapters --json
    """
    from ...store.states import load_state

    state = load_state(open_log(db))
    if as_json:
        print_json([_with_cost(state, name) for name, _ in in_order(state.registry.adapters)])
        return
    print_adapters(state)


def _with_cost(state: State, name: str) -> dict[str, Any]:
    """The adapter as the registry has it, with what its training took and cost."""
    known = state.registry.adapters[name]
    training = state.registry.trainings[known["training"]]
    return {"adapter": name, **known, **{key: training[key] for key in ("duration_s", "peak_memory_bytes", "cost")}}


def print_adapters(state: State) -> None:
    """The table of adapters as of the state."""
    means = {(row["role"], row["adapter"]): row for row in state.ratings.rows()}
    trainings = state.registry.trainings

    def row(name: str, known: dict[str, Any]) -> tuple[Any, ...]:
        rated = means.get((known["role"], name), {"ratings": 0, "mean": None})
        return (
            name,
            known["role"],
            known["status"],
            show_time(known["registered"]),
            known["position"],
            trainings[known["training"]]["examples"],
            show_duration(trainings[known["training"]]["duration_s"]),
            Cost(**trainings[known["training"]]["cost"]).price,
            rated["ratings"],
            rated["mean"],
            known["parent"],
            known["lineage"],
            known["gate"] and known["gate"]["reason"],
            known["weights"][:19],
        )

    columns = (
        "adapter",
        "role",
        "status",
        "registered",
        "position",
        "examples",
        "trained",
        "cost",
        "ratings",
        "mean",
        "parent",
        "trained on from",
        "gate",
        "weights",
    )
    rows = (row(name, known) for name, known in in_order(state.registry.adapters))
    print_table(columns, rows, "no adapters yet; a training makes one")
