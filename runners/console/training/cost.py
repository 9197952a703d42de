"""What a training would use and cost, shown before it is requested."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....adapters.data.dataset import Dataset
from ....domain.durations import show_duration
from ....domain.rules.cost import Prices
from ....domain.settings.settings import resolve_recipe
from ....domain.settings.sizes import resolve_for_base
from ....projections.wording.sentences import count
from ...improvement.tuning.tunings import complain_of_place
from ...improvement.waiting.estimates import estimate_from_history, estimate_tokens, try_out
from ...lessons.datasets import dataset_of
from ...lessons.gather import find_uncorrected
from ...wiring.services import base_of, prepare_base
from ..rendering import Column, print_json, print_line, print_table, say

if TYPE_CHECKING:
    from ....adapters.training.cost import Estimate
    from ....domain.settings.recipe import Recipe
    from ....domain.settings.settings import Policy
    from ....projections.state.state import State
    from ...store.ledger import Ledger


def preview(ledger: Ledger, state: State, role: str, *, probes: bool, as_json: bool) -> None:
    """Print the recipe, the dataset, and what the training would take: measured in a few steps on this machine, or
    estimated from the log."""
    policy = state.policy
    recipe, choices = resolve_recipe(policy, role), tuple[str, ...]()
    below, minimum = policy.training(role).learn_below_stars, policy.training(role).min_examples
    dataset = dataset_of(ledger, role, below, recipe)
    if not policy.is_remote:
        parameters = base_of(policy, ledger.get_content).count_parameters()
        resolved = resolve_for_base(policy, role, recipe, parameters, len(dataset.examples))
        recipe, choices = resolved.recipe, resolved.reasons
    declined = f"{dataset.lessons} usable examples, {minimum} are needed" if dataset.lessons < minimum else None
    if problem := complain_of_place(policy, policy, role, policy.launch(role).launcher):
        declined = problem
    if (own := policy.role_model(role)) is not None:
        declined = own.why_untrained(role)
    retries = policy.training(role).retries
    again = sum(run.started.is_repeatable for run in (find_uncorrected(ledger, role, below, recipe) if retries else ()))
    estimate = None
    is_tuned = declined is None and policy.is_remote
    if declined is None and not is_tuned:
        base = base_of(policy, ledger.get_content)
        if probes:
            prepare_base(base, say)
            say("trying a few steps of it ...")
        examples = len(dataset.examples)
        estimate = try_out(dataset, recipe, base) if probes else estimate_from_history(ledger, policy, examples, recipe)
    pages = policy.training(role).practice if retries else 0
    if as_json:
        tried_first = {"runs": again, "times": retries, "practice_pages": pages}
        print_json(
            _document(role, recipe, dataset, declined, estimate, Prices.of(policy))
            | {"choices": choices, "tried_first": tried_first}
        )
        return
    print_table(("recipe", Column("value", wraps=16)), recipe.to_json().items())
    if choices:
        print_line(f"chosen for {'; '.join(choices)}")
    sources = ", ".join(f"{source} {count}" for source, count in sorted(dataset.by_source.items()))
    print_line(
        f"{count(len(dataset.examples), 'example')} from {count(dataset.runs, 'run')}"
        + (f": {sources}" if sources else "")
    )
    if again:
        often = f"{'each ' * (again > 1)}up to {retries} times"
        print_line(
            f"before it, {count(again, 'failed run')} without a correction would be tried again, {often}; successes are added"
        )
    if pages:
        print_line(f"{count(pages, 'fresh page')} of each task that failed would be practised; successes are added")
    if is_tuned:
        print_line(_say_tuning(ledger, policy, len(dataset.examples)))
        return
    if estimate is None:
        print_line(f"it would be declined: {declined}")
        return
    print_table(("it would take", Column("about", wraps=16)), _rows(estimate, recipe, Prices.of(policy)))
    print_line(f"known from: {estimate.basis}")


def _say_tuning(ledger: Ledger, policy: Policy, examples: int) -> str:
    """What would leave, where to, and what it would cost."""
    tokens, basis = estimate_tokens(ledger, policy.model.base, examples)
    cost = (
        "its cost is unknown" if tokens is None else f"about {tokens} tokens, {Prices.of(policy).tuning(tokens).price}"
    )
    sent = f"{policy.model.endpoint} would get the dataset, tune {policy.model.base} on it, and keep the weights"
    return f"{sent}; {cost}: {basis}"


def _document(
    role: str, recipe: Recipe, dataset: Dataset, declined: str | None, estimate: Estimate | None, prices: Prices
) -> dict[str, Any]:
    cost = prices.cost(estimate.duration_s).to_json() if estimate and estimate.duration_s is not None else None
    return {
        "role": role,
        "recipe": recipe.to_json(),
        "dataset": {
            "examples": len(dataset.examples),
            "by_source": dict(dataset.by_source),
            "runs": dataset.runs,
            "hash": dataset.hash,
        },
        "declined": declined,
        "estimate": estimate.to_json() | {"total_tokens": _total(estimate, recipe)} if estimate else None,
        "cost": cost,
    }


def _rows(estimate: Estimate, recipe: Recipe, prices: Prices) -> list[tuple[str, str | None]]:
    cost = prices.cost(estimate.duration_s) if estimate.duration_s is not None else None
    memory = f"{estimate.peak_memory_bytes / 1e9:.2f} GB on {estimate.device}" if estimate.peak_memory_bytes else None
    left_out = (
        f", {estimate.left_out} left out as too long or refused by the chat template" if estimate.left_out else ""
    )
    rent = f", {prices.per_hour:g} per hour" if prices.per_hour else ""
    return [
        ("examples", f"{estimate.examples}{left_out}"),
        (
            "tokens",
            f"{estimate.tokens} an epoch, {_total(estimate, recipe)} in all" if estimate.tokens is not None else None,
        ),
        ("optimiser steps", str(estimate.steps)),
        ("peak memory", memory),
        ("time", show_duration(estimate.duration_s) if estimate.duration_s is not None else None),
        ("energy", f"{cost.energy_kwh:.3g} kWh at {prices.power_watts:g} W" if cost else None),
        ("money", f"{cost.price} at {prices.per_kwh:g} per kWh{rent}" if cost else None),
    ]


def _total(estimate: Estimate, recipe: Recipe) -> int | None:
    return None if estimate.tokens is None else estimate.tokens * recipe.epochs
