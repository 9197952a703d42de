"""What the base's size and the number of examples decide where no setting does: the base's quantisation, and figures of the
preset ``default``.

Neither is known from the settings. So a training resolves these figures when it starts, and records them with their reasons.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .recipe import Recipe
from .running import SMALL
from .settings import Policy

FEW = 1_000_000_000
"""Parameters below which ``auto`` holds a base in bf16. Measured at 135 million on a CPU: NF4 raises perplexity from 13.7 to
17.0, memory from 0.4 to 1.2 GB and the time to load by half. A GPU follows the same rule, because an adapter is
served on the base as it was trained."""


ENOUGH_STEPS = 100
"""Optimiser steps below which examples count as few. Measured at 135 million parameters: 24 steps of 87 examples do not even
teach these, 88 hardly more, 176 all of them."""


@dataclass(frozen=True)
class Band:
    """The figures of the preset ``default`` for bases of fewer than ``below`` parameters, and where they are from.

    ``of_few`` are those for so few examples that the others would make fewer than ``ENOUGH_STEPS``.
    """

    below: float
    figures: dict[str, Any]
    source: str
    of_few: dict[str, Any] = field(default_factory=dict)


BANDS = (
    Band(30e6, {}, "measured at 5 million parameters", {"accumulation": 1}),
    Band(FEW, {}, "measured at 135 million parameters", {"accumulation": 1, "epochs": 8, "learning_rate": 1e-3}),
    # QLoRA (arXiv 2305.14314), table 9: 2e-4 for 7 and 13 billion, 1e-4 for 33 and 65, dropout 0.05 to 13 billion, 0 above.
    # LoRA Without Regret (Schulman and others, 2025): the best rate hardly depends on the rank, and all layers are adapted.
    Band(20e9, {"learning_rate": 2e-4, "dropout": 0.05, "epochs": 3}, "QLoRA, arXiv 2305.14314, for 7 and 13 billion"),
    Band(float("inf"), {"learning_rate": 1e-4, "epochs": 3}, "QLoRA, arXiv 2305.14314, for 33 and 65 billion"),
)
"""By size, the smallest first."""


@dataclass(frozen=True)
class Resolved:
    """A recipe for a base and a dataset of known sizes: what these changed of the requested figures, and a reason for each."""

    recipe: Recipe
    adjusted: dict[str, Any]
    reasons: tuple[str, ...]


def resolve_quantization(policy: Policy, parameters: int | None) -> tuple[str, str]:
    """``nf4`` or ``none``, and the reason; a base of unknown size counts as large."""
    if policy.model.quantization != "auto":
        return policy.model.quantization, "model.quantization is set"
    if policy.model.base in SMALL or (parameters is not None and parameters < FEW):
        return "none", "below a billion parameters NF4 costs quality, memory and time"
    return "nf4", "from a billion parameters on NF4 saves more than it costs"


def resolve_for_base(
    policy: Policy, role: str, requested: Recipe, parameters: int | None, examples: int | None = None
) -> Resolved:
    """The requested recipe with the figures that the sizes of base and dataset decide; None for one that is not known.

    A figure that was set stays, and where one of those for few examples was set, they all stay.
    """
    quantization, because = resolve_quantization(policy, parameters)
    reasons = [f"base in {'bf16' if quantization == 'none' else 'NF4'}: {because}"]
    adjusted: dict[str, Any] = {"quantization": quantization}
    if policy.training(role).preset == "default":
        band = next(band for band in BANDS if (FEW if parameters is None else parameters) < band.below)
        is_set = policy.recipe_changes(role)
        figures = {name: value for name, value in band.figures.items() if name not in is_set}
        adjusted |= figures
        what = ", ".join(f"{name} {value:g}" for name, value in figures.items()) or "the preset's figures"
        reasons.append(f"{what}: {band.source}")
        few = requested.replace(**figures).steps(examples) if examples else ENOUGH_STEPS
        if few < ENOUGH_STEPS and band.of_few and not band.of_few.keys() & is_set.keys():
            adjusted |= band.of_few
            what = ", ".join(f"{name} {value:g}" for name, value in band.of_few.items())
            reasons.append(f"{what}: {examples} examples made {few} steps, under {ENOUGH_STEPS}; {band.source}")
    before = requested.to_json()
    adjusted = {name: value for name, value in adjusted.items() if before[name] != value}
    return Resolved(requested.replace(**adjusted), adjusted, (say_size(parameters), *reasons))


def say_size(parameters: int | None) -> str:
    """The size in words."""
    if parameters is None:
        return "a base of unknown size, which counts as large"
    if parameters >= FEW:
        return f"a base of {parameters / 1e9:.1f} billion parameters"
    return f"a base of {parameters / 1e6:.3g} million parameters"
