"""The cost of a training: energy and money, from its duration and the prices set at the time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..events import TrainingCompleted
from ..settings.settings import Policy


@dataclass(frozen=True)
class Cost:
    """Energy in kWh and money in ``currency``."""

    energy_kwh: float
    money: float
    currency: str

    @property
    def price(self) -> str:
        """The money in words, to the cent, or to two significant digits under 0.1."""
        return f"{self.money:.2f} {self.currency}" if self.money >= 0.1 else f"{self.money:.2g} {self.currency}"

    def __str__(self) -> str:
        return f"{self.energy_kwh:.3g} kWh, {self.price}"

    def to_json(self) -> dict[str, Any]:
        """The cost as plain JSON, rounded to a millionth."""
        return {"energy_kwh": round(self.energy_kwh, 6), "money": round(self.money, 6), "currency": self.currency}


@dataclass(frozen=True)
class Prices:
    """The prices in force at one moment; see the settings ``cost.*``."""

    power_watts: float
    per_kwh: float
    per_hour: float
    currency: str
    per_tuned: float = 0.0
    """Of a million tokens that an endpoint trains on."""

    @staticmethod
    def of(policy: Policy) -> Prices:
        """The prices in the settings."""
        return Prices(
            policy.cost.power_watts,
            policy.cost.price_per_kwh,
            policy.cost.price_per_hour,
            policy.cost.currency,
            policy.cost.tuning_price,
        )

    def cost(self, duration_s: float) -> Cost:
        """The cost of this duration: the energy of a machine that draws ``power_watts``, and its rent by the hour."""
        hours = duration_s / 3600
        energy_kwh = self.power_watts / 1000 * hours
        return Cost(energy_kwh, energy_kwh * self.per_kwh + hours * self.per_hour, self.currency)

    def of_training(self, completed: TrainingCompleted) -> Cost:
        """The cost of the training: by its duration, or at an endpoint by the tokens that it billed."""
        return self.tuning(completed.billed_tokens) if completed.model else self.cost(completed.duration_s)

    def tuning(self, tokens: int) -> Cost:
        """The cost of so many tokens that an endpoint trained on; it uses no energy of ours."""
        return Cost(0.0, tokens / 1e6 * self.per_tuned, self.currency)
