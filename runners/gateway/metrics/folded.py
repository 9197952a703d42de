"""What the folded state knows, as metrics: equal at a log position after a restart and in every process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client.core import Metric

from ....domain.settings.settings import ROLES
from ....domain.settings.training import MONEY_DIGITS
from ....domain.vocabulary import AdapterStatus, AlertKind, Arm, FailureReason, Severity, TrainingStatus
from ....projections.state.usage import MODEL_MS, RUN_MS, TOKENS
from ....projections.wording.role_metrics import role_metrics
from ...explain.rollout_health import Health, check_rollout
from .families import Names, bound, counter, flags, gauge, histogram

if TYPE_CHECKING:
    from ....projections.state.metrics import RunCounts
    from ....projections.state.state import State

WHO = ("role", "adapter")
GEN_AI = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model", "role")
"""The labels of OpenTelemetry's conventions for generative AI, and the role."""
OPERATION = ("chat", "grokputer")
"""The values of the first two."""


def collect_folded(state: State) -> list[Metric]:
    """The metrics of the state. No clock has a part in them."""
    names = Names(state.registry.adapters)
    groups = (_log, _runs, _usage, _money, _ratings, _traffic, _evidence, _adapters, _roles)
    return [metric for group in groups for metric in group(state, names)]


def _log(state: State, names: Names) -> Iterator[Metric]:
    yield gauge("grokputer_log_position", "Position of the last event.", (), [((), state.position)])
    yield gauge("grokputer_runs_open", "Runs that have begun and not ended.", (), [((), len(state.open_runs))])
    alerts = (
        (
            (
                names.role(it.role),
                names.adapter(it.adapter),
                bound(it.kind, [*AlertKind]),
                bound(it.severity, [*Severity]),
            ),
            1,
        )
        for it in state.alerts.open()
    )
    yield gauge("grokputer_alerts_open", "Alerts that nothing has resolved.", (*WHO, "kind", "severity"), alerts)


def _runs(state: State, names: Names) -> Iterator[Metric]:
    labels = (*WHO, "arm")
    rows = [
        ((names.role(role), names.adapter(adapter), bound(arm, [*Arm])), counts)
        for role in state.metrics.roles
        for adapter, arm, counts in state.metrics.of_role(role)
    ]
    yield counter("grokputer_runs", "Ended runs in which the role made a step.", labels, ((k, c.runs) for k, c in rows))
    yield counter("grokputer_run_steps", "Steps of these runs.", labels, ((k, c.steps) for k, c in rows))
    yield gauge(
        "grokputer_run_outcomes",
        "Ended runs by outcome. 'unknown' ones may be judged later.",
        (*labels, "outcome"),
        (((*key, outcome), number) for key, counts in rows for outcome, number in _outcomes(counts).items()),
    )
    known = ((key, counts.runs - counts.unknown) for key, counts in rows)
    yield gauge("grokputer_runs_known", "Ended runs whose success is known.", labels, known)
    yield gauge(
        "grokputer_corrections",
        "Corrections of these runs that were not withdrawn.",
        labels,
        ((k, c.corrections) for k, c in rows),
    )


def _outcomes(counts: RunCounts) -> dict[str, int]:
    reasons = {bound(reason, [*FailureReason]): number for reason, number in counts.failures.items()}
    unknown = counts.runs - counts.succeeded - sum(counts.failures.values())
    return {"succeeded": counts.succeeded, "unknown": max(0, unknown), **reasons}


def _usage(state: State, names: Names) -> Iterator[Metric]:
    rows = [((names.role(role), names.adapter(adapter)), usage) for role, adapter, usage in state.usage.rows()]
    models = [((*OPERATION, adapter, role), usage) for (role, adapter), usage in rows]
    yield counter("grokputer_answers", "Answers of models.", WHO, ((k, u.answers) for k, u in rows))
    yield counter(
        "grokputer_failed_steps",
        "Answers that the environment could not carry out.",
        WHO,
        ((k, u.failed) for k, u in rows),
    )
    yield histogram(
        "gen_ai_client_token_usage",
        "Tokens of prompts (input) and answers (output), where known.",
        (*GEN_AI, "gen_ai_token_type"),
        (((*k, kind), c) for k, u in models for kind, c in (("input", u.prompt), ("output", u.answer))),
        TOKENS,
        1,
    )
    yield histogram(
        "gen_ai_client_operation_duration_seconds",
        "Time of the model for an answer, where known.",
        GEN_AI,
        ((key, usage.model_ms) for key, usage in models),
        MODEL_MS,
        1000,
    )
    yield histogram(
        "grokputer_run_duration_seconds",
        "Time of a whole run, where known.",
        WHO,
        ((key, usage.runs_ms) for key, usage in rows if usage.runs_ms.counts),
        RUN_MS,
        1000,
    )


def _money(state: State, names: Names) -> Iterator[Metric]:
    """What tokens and trainings cost, in the currency that the settings name now. Sums in others are left out."""
    currency, costs = state.policy.cost.currency, [it.cost for it in state.registry.trainings.values() if it.cost]
    tokens = (
        ((names.role(role), names.adapter(adapter), currency), usage.money.get(currency, 0))
        for role, adapter, usage in state.usage.rows()
    )
    summed = _fraction(tokens, 10**MONEY_DIGITS)
    yield counter("grokputer_token_cost", "Price of the tokens.", (*WHO, "currency"), summed)
    money = sum(round(cost.money * 10**6) for cost in costs if cost.currency == currency)
    yield counter("grokputer_training_cost", "Price of the trainings.", ("currency",), [((currency,), money / 10**6)])
    joules = sum(round(cost.energy_kwh * 3_600_000) for cost in costs)
    yield counter("grokputer_training_energy_joules", "Energy of the trainings.", (), [((), joules)])


def _fraction(rows: Iterator[tuple[tuple[str, ...], int]], divisor: int) -> Iterator[tuple[tuple[str, ...], float]]:
    """The sums of the rows by key, divided after they were added up, so that they are exact."""
    sums: dict[tuple[str, ...], int] = {}
    for key, value in rows:
        sums[key] = sums.get(key, 0) + value
    return ((key, value / divisor) for key, value in sums.items())


def _ratings(state: State, names: Names) -> Iterator[Metric]:
    rows = [((names.role(row["role"]), names.adapter(row["adapter"])), row) for row in state.ratings.rows()]
    sums = [(key, state.ratings.sums(row["role"], row["adapter"])) for key, row in rows]
    yield gauge("grokputer_ratings", "Ratings by people and reviewers.", WHO, ((k, s.count) for k, s in sums))
    yield gauge("grokputer_rating_stars", "Sum of the stars of these ratings.", WHO, ((k, s.sum) for k, s in sums))
    yield gauge(
        "grokputer_ratings_unattributed",
        "Low ratings that are attributed to no role.",
        WHO,
        ((k, s.unattributed) for k, s in sums),
    )
    windows = {role: state.window(role) for role in ROLES}
    policy, label = {role: state.policy.rating(role) for role in ROLES}, ("role",)
    yield gauge(
        "grokputer_rating_window_mean_stars",
        "Mean of the live adapter's latest ratings, 1 to 5.",
        label,
        (((role,), window.mean) for role, window in windows.items() if window.ratings),
    )
    yield gauge(
        "grokputer_rating_window_ratings",
        "How many ratings that is the mean of.",
        label,
        (((role,), len(window.ratings)) for role, window in windows.items()),
    )
    yield gauge(
        "grokputer_rating_window_least_ratings",
        "How many there must be before the mean says something: rating.minimum.",
        label,
        (((role,), policy[role].minimum) for role in ROLES),
    )


def _traffic(state: State, names: Names) -> Iterator[Metric]:
    shares: dict[tuple[str, str], float] = {}
    for role in ROLES:
        traffic = state.traffic(role)
        percent = traffic.weight_percent if traffic.canary is not None else 0
        shares[role, names.adapter(traffic.stable)] = (100 - percent) / 100
        if traffic.canary is not None:
            shares[role, names.adapter(traffic.canary)] = percent / 100
    yield gauge("grokputer_traffic_ratio", "Share of the role's runs that the adapter gets.", WHO, shares.items())


def _evidence(state: State, names: Names) -> Iterator[Metric]:
    rows: list[tuple[tuple[str, str, str], float, float]] = []
    for id, rollout in state.undecided.items():
        if (evidence := state.health.evidence(id)) is not None:
            who = names.role(rollout.role), names.adapter(rollout.adapter)
            rows.append(((*who, "no_worse"), evidence.no_worse, evidence.terms.promote_at))
            rows.append(((*who, "worse"), evidence.worse, evidence.terms.roll_back_at))
    labels = (*WHO, "evidence")
    yield gauge(
        "grokputer_canary_evidence", "Evidence about a canary; 1 is none.", labels, ((k, has) for k, has, _ in rows)
    )
    yield gauge(
        "grokputer_canary_evidence_needed",
        "Evidence at which it is decided.",
        labels,
        ((k, needs) for k, _, needs in rows),
    )
    newest = {rollout.role: rollout.adapter for rollout in state.rollouts}
    yield flags(
        "grokputer_rollout_health",
        "Health of each role's newest rollout, as 'grokputer rollouts check' says it.",
        (*WHO, "health"),
        {(names.role(role), names.adapter(it)): check_rollout(state, it).health for role, it in newest.items()},
        Health,
    )


def _adapters(state: State, names: Names) -> Iterator[Metric]:
    labels, registry = ("role", "status"), state.registry
    none = [((role, str(status)), 0) for role in ROLES for status in AdapterStatus]
    adapters = [((names.role(it.role), str(it.status)), 1) for it in registry.adapters.values()]
    yield gauge("grokputer_adapters", "Adapters by their status.", labels, [*none, *adapters])
    services = (
        (
            (names.role(it.role), names.adapter(it.name), word),
            sum((not found.problem) == is_applied for found in it.served.values()),
        )
        for it in registry.adapters.values()
        if it.served
        for word, is_applied in (("applied", True), ("refused", False))
    )
    yield gauge(
        "grokputer_adapter_endpoints",
        "Endpoints that were last proven to apply the adapter, and those that were found not to.",
        (*WHO, "result"),
        services,
    )
    lived = (((role,), len(set(state.rollouts.once_live(role)))) for role in ROLES)
    yield gauge("grokputer_adapter_generations", "Adapters that were ever live.", ("role",), lived)
    none = [((role, str(status)), 0) for role in ROLES for status in TrainingStatus]
    trainings = [((names.role(it.role), str(it.status)), 1) for it in registry.trainings.values()]
    yield gauge("grokputer_trainings", "Trainings by their status.", labels, [*none, *trainings])


def _roles(state: State, names: Names) -> Iterator[Metric]:
    known = role_metrics(state.role_metrics)
    values = (((role, metric.name), metric.value) for role, metric in known.items() if metric.value is not None)
    yield gauge("grokputer_role_metric_ratio", "How well each role works, where known.", ("role", "metric"), values)
    yield gauge(
        "grokputer_role_metric_cases",
        "What that is a share of.",
        ("role", "metric"),
        (((role, metric.name), metric.cases) for role, metric in known.items()),
    )
    yield gauge(
        "grokputer_role_metric_target_ratio",
        "The share that is good.",
        ("role", "metric"),
        (((role, metric.name), metric.target) for role, metric in known.items()),
    )
