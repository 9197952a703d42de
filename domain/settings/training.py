"""Settings of training: what is learnt from, and what it costs. The recipe's own figures are in ``recipe``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from ..vocabulary import Place
from .forms import COMMAND, MODEL_PRICES, RAY_ADDRESS, SHARED_FOLDER, read_model_prices
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


@dataclass(frozen=True)
class LaunchSettings(Group):
    """Where a training runs, and what it may cost without approval."""

    PREFIX: ClassVar[str] = "training"

    launcher: str = setting(
        Place.PROCESS.value,
        "Where trainings run. 'process': on the worker's machine. 'command': where training.command starts them. 'ray': as "
        "jobs of a Ray cluster. 'carry': on a machine without a connection, by 'train export' and 'train import'. 'openai': at "
        "model.endpoint, by its fine-tuning API, which gets the dataset and keeps the weights.",
        choices=tuple(place.value for place in Place),
    )
    data_may_leave: bool = setting(
        False,
        "Whether the launcher 'openai' may send datasets, with all that people asked and wrote in them, to model.endpoint.",
    )
    shared_folder: str | None = setting(
        None,
        "Folder for the files of trainings that run elsewhere, under the same path on both sides. Without it they lie beside "
        "the log, which then must be on shared storage.",
        form=SHARED_FOLDER,
    )
    command: str | None = setting(
        None,
        "The command that starts a training elsewhere and returns, such as 'sbatch --job-name {job} train.sh {folder}'. {job} "
        "is the name of the attempt, {folder} the folder of its files. There, it runs 'python -m "
        "grokputer.adapters.training.child FOLDER'. No shell reads the command.",
        form=COMMAND,
    )
    poll_command: str | None = setting(
        None,
        "The command that prints how the job stands, in one word: pending, running, or how it ended; nothing where the "
        "scheduler knows no such job. Such as 'squeue --noheader --format %T --name {job}'.",
        form=COMMAND,
    )
    kill_command: str | None = setting(
        None, "The command that ends the job, such as 'scancel --name {job}'.", form=COMMAND
    )
    poll_s: float = setting(10.0, "Time between two looks at a job elsewhere.", unit="seconds", low=0.1, high=3600)
    ray_address: str | None = setting(
        None, "The address of the Ray cluster's dashboard, such as http://ray-head:8265.", form=RAY_ADDRESS
    )
    ray_gpus: int = setting(1, "GPUs that a job of the Ray cluster asks for.", unit="GPUs", low=0, high=8)
    ray_python: str = setting("python", "The Python of the cluster's nodes, in which this package is installed.")
    pending_alert_s: float = setting(
        900.0, "Time that a job elsewhere may wait for a place to run before an alert.", unit="seconds", low=0, high=1e9
    )
    max_cost: float = setting(
        0.0,
        "Estimated cost, in cost.currency, over which a training waits for 'train approve', with an alert; so does one whose "
        "cost cannot be estimated. 0: none waits.",
        unit="currency",
        low=0,
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
    tuning_price: float = setting(
        0.0,
        "Price of a million tokens that model.endpoint trains on, by the launcher 'openai'.",
        unit="currency per million tokens",
        low=0,
    )
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
        if not self.prompt_price and not self.answer_price:
            return 0
        prices = (prompt_tokens or 0, self.prompt_price), (answer_tokens or 0, self.answer_price)
        return sum(round(tokens * price * 10 ** (MONEY_DIGITS - 6)) for tokens, price in prices)
