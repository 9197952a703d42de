"""Settings of training: what is learnt from, and what it costs. The recipe's own figures are in ``recipe``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from .forms import MODEL_PRICES, read_model_prices
from .keys import RENAMED_PRESETS
from .setting import OPERATORS, Group, setting


@dataclass(frozen=True)
class TrainingSettings(Group):
    """What a training learns from."""

    PREFIX: ClassVar[str] = "training"

    preset: str = setting(
        "default",
        "Source of the recipe's figures that are not set. 'default': figures that measured best with the embedded model. "
        "'large': figures for bases of billions of parameters, with a rank per role.",
        choices=("default", "large"),
        renamed=RENAMED_PRESETS,
    )
    min_examples: int = setting(
        5, "Usable examples under which a training is declined.", source=OPERATORS, unit="examples", low=1
    )
    learn_below_stars: int = setting(
        4, "Runs rated under this are learnt from.", source=OPERATORS, unit="stars", low=2, high=5
    )
    report_to: str = setting(
        "none",
        "The tool that shows the course of a training too, where it is installed: TensorBoard, W&B or MLflow. It is set up by "
        "its own environment variables.",
        choices=("none", "tensorboard", "wandb", "mlflow"),
    )
    retries: int = setting(
        2,
        "Sampled attempts at each failed task without a correction. Successes become targets.",
        unit="attempts",
        low=0,
        high=100,
    )
    practice: int = setting(
        0,
        "Fresh pages of each failed task, played before a training. Their failures get training.retries attempts.",
        unit="pages",
        low=0,
        high=1000,
    )
    retry_temperature: float = setting(0.8, "Sampling temperature of the retries.", low=0.01, high=5)
    retry_exploration: float = setting(
        0.5,
        "Share of the steps, in the later half of the retries, that are random actions which the page allows.",
        unit="of 1",
        low=0,
        high=1,
    )


MONEY_DIGITS = 12
"""Decimal places of the price of tokens: a token at 0.01 a million tokens still is a whole number of the last place."""


@dataclass(frozen=True)
class CostSettings(Group):
    """What trainings and tokens cost."""

    PREFIX: ClassVar[str] = "cost"
    IS_PER_ROLE: ClassVar[bool] = False

    power_watts: float = setting(
        100.0,
        "Power of the machine while it trains.",
        source="chosen: a desktop without a GPU",
        unit="watts",
        low=0,
    )
    price_per_kwh: float = setting(
        0.29, "Price of energy.", source="households in the EU, 2024, Eurostat", unit="currency per kWh", low=0
    )
    price_per_hour: float = setting(0.0, "Rent of the machine; 0 for your own.", unit="currency per hour", low=0)
    prompt_price: float = setting(
        0.0,
        "Price of a million tokens of prompts, for limits of access keys. It holds for models without a row in "
        "cost.model_prices.",
        unit="currency per million tokens",
        low=0,
    )
    answer_price: float = setting(
        0.0,
        "Price of a million tokens of answers, likewise.",
        unit="currency per million tokens",
        low=0,
    )
    model_prices: str = setting(
        "none",
        "The price table: prices of a million tokens of prompts and of answers for single models, by the name of an adapter or "
        "of model.base. An adapter without a row has the prices of its base.",
        form=MODEL_PRICES,
    )
    currency: str = setting("EUR", "The currency of the prices.")

    def of_model(self, adapter: str | None, base: str) -> CostSettings:
        """The settings, with the prices of tokens that this adapter has, or the bare base (None, or any name without a row)."""
        if self.model_prices == "none":
            return self
        table = read_model_prices(self.model_prices)
        found = table.get(adapter or base) or table.get(base)
        return self if found is None else replace(self, prompt_price=found[0], answer_price=found[1])

    def price_of(self, prompt_tokens: int | None, answer_tokens: int | None) -> int:
        """The price of the tokens in units of ``10 ** -MONEY_DIGITS``; an unknown number of them, None, costs nothing."""
        prices = (prompt_tokens or 0, self.prompt_price), (answer_tokens or 0, self.answer_price)
        return sum(round(tokens * price * 10 ** (MONEY_DIGITS - 6)) for tokens, price in prices)
