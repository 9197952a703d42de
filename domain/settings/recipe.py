"""How an adapter is trained: one frozen, checked set of hyperparameters, and the presets.

Each figure is declared once, with its default, range and help; the settings ``training.*`` are made from that. A recipe is
written into the log with the training that it belongs to, so it is plain JSON and says everything that decides the outcome.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import InvalidRecipe
from .setting import Setting

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
"""The projections that ``target="attention"`` adapts, by the names that Llama-like models give them."""

ROLE_RANKS = {"ocr": 16, "action": 8, "decomposition": 16, "recovery": 12}
"""The rank of each role under the preset ``seed``; given by the project's user."""

LARGEST_HELD_OUT_SHARE = 0.5


def _figure(
    default: Any, help: str, low: float = -math.inf, high: float = math.inf, choices: tuple[str, ...] = ()
) -> Any:
    """A field of the recipe that is declared as a setting."""
    return dataclasses.field(default=default, metadata={"setting": Setting(default, help, low, high, choices)})


@dataclass(frozen=True)
class Recipe:
    """The hyperparameters of one training. The defaults are the preset ``default``; ``FIGURES`` says what each means.

    Raises ``InvalidRecipe`` when made with a value outside its range.
    """

    r: int = _figure(16, "rank of the update (the project's user)", 1, 512)
    alpha: int = _figure(32, "the update is scaled by alpha / r (the project's user)", 1, 1024)
    # QLoRA (arXiv 2305.14314), section 5, takes a dropout of 0.05 for models of billions, as the preset seed does.
    dropout: float = _figure(
        0.0,
        "dropout on the input of the update (measured for the embedded model: without it a quarter faster, nothing lost)",
        0,
        0.9,
    )
    target: str = _figure(
        "all-linear",
        "layers that are adapted: all linear ones, or attention's q, k, v, o (QLoRA, section 4, and measured)",
        choices=("attention", "all-linear"),
    )
    epochs: int = _figure(4, "times that the dataset is gone through (chosen)", 1, 1000)
    batch: int = _figure(4, "examples per forward pass (chosen)", 1, 4096)
    accumulation: int = _figure(4, "forward passes per optimiser step (chosen)", 1, 4096)
    learning_rate: float = _figure(
        2e-3,
        "highest learning rate (measured for the embedded model with replay; a model of billions wants 2e-4, as the preset "
        "seed has)",
        1e-8,
        1.0,
    )
    schedule: str = _figure(
        "linear",
        "how the learning rate falls to 0 over the steps; 'constant': it does not (chosen)",
        choices=("linear", "cosine", "constant"),
    )
    # The update starts at zero by itself, and of a training of five steps the first would be lost.
    warmup_ratio: float = _figure(
        0.0,
        "share of all steps over which the learning rate rises from 0 (measured: a tenth makes no difference)",
        0,
        0.9,
    )
    weight_decay: float = _figure(0.0, "weight decay of the optimiser (chosen)", 0, 1)
    max_grad_norm: float = _figure(1.0, "norm that the gradient is clipped to (chosen)", 1e-3, 1e3)
    max_length: int = _figure(
        2048,
        "tokens of prompt and completion; a longer example is left out and counted, never cut (the project's user)",
        16,
        1_048_576,
    )
    packing: bool = _figure(
        False,
        "several examples share one sequence and never see each other; with KTO or DPO none do (chosen)",
    )
    quantization: str = _figure(
        "nf4",
        "'nf4': 4-bit base with double quantisation and bf16 compute (QLoRA); 'none': bf16 base (LoRA)",
        choices=("nf4", "none"),
    )
    gradient_checkpointing: bool = _figure(
        False, "recompute activations, a fifth slower, for models that do not fit otherwise (chosen)"
    )
    optimizer: str = _figure(
        "adamw",
        "'paged_adamw_8bit': a quarter of AdamW's state, moved aside when a GPU's memory runs short (QLoRA, section 3)",
        choices=("adamw", "paged_adamw_8bit"),
    )
    engine: str = _figure(
        "trl",
        "'unsloth': its kernels in place of those of transformers, where it is installed and there is an NVIDIA GPU",
        choices=("trl", "unsloth"),
    )
    replay_share: float = _figure(
        1 / 3,
        "share of the dataset that repeats what already went well, against forgetting (measured); sets from outside come on "
        "top",
        0,
        0.95,
    )
    public_share: float = _figure(
        0.2, "share of the dataset that sets from outside make up, where some were imported (chosen)", 0, 0.95
    )
    teacher_answers: bool = _figure(
        False, "learn from a teacher's answers to questions in words, too, though nobody can check them (chosen)"
    )
    # A page that looks the same each time would be one example among hundreds, however often it went wrong.
    copies: int = _figure(
        8, "times at most that the same prompt and answer come, where as many runs gave them (measured)", 1, 1000
    )
    # Measured: 82.4 % of the unseen tasks with them and 85.1 % without, the mean of three datasets.
    detours: bool = _figure(
        False,
        "learn from own successes that took more steps than any correction that showed their task, too (measured: worse)",
    )
    renamings: int = _figure(0, "times that each target comes again with other names for things (chosen)", 0, 100)
    # Where it is raised later, instances that earlier adapters were trained on are held out too.
    held_out_share: float = _figure(
        0.15,
        "share of the task instances that are never trained on, to judge the adapter by (chosen)",
        0,
        LARGEST_HELD_OUT_SHARE,
    )
    checkpoint_steps: int = _figure(
        25, "optimiser steps between two checkpoints, from which a killed training goes on (chosen)", 1, 1_000_000
    )
    seed: int = _figure(0, "seed of weights, order and dropout", 0, 2**32 - 1)
    sft_weight: float = _figure(
        1.0, "weight of the supervised loss on targets, relative to the other two (chosen)", 0, 1000
    )
    kto_weight: float = _figure(
        0.0, "weight of KTO: answers that were rated good or bad, as they are (arXiv 2402.01306)", 0, 1000
    )
    dpo_weight: float = _figure(
        0.0, "weight of DPO: pairs of a right and a failed answer to the same prompt (arXiv 2305.18290)", 0, 1000
    )
    beta: float = _figure(
        0.1, "how strongly KTO and DPO hold the model to what it was (both papers' default)", 1e-4, 100
    )
    lineage: str = _figure(
        "base",
        "'base': a fresh adapter; 'parent': the weights begin as those of the adapter that is live",
        choices=("base", "parent"),
    )

    def __post_init__(self) -> None:
        for key, setting in FIGURES.items():
            value = getattr(self, key)
            if not is_allowed(key, value):
                raise InvalidRecipe(f"recipe setting '{key}' has value {value!r}; it takes {setting.allowed()}")
        if not self.sft_weight + self.kto_weight + self.dpo_weight > 0:
            raise InvalidRecipe(
                "recipe settings 'sft_weight', 'kto_weight' and 'dpo_weight' are all 0; give one of them a weight above 0"
            )

    @property
    def has_preferences(self) -> bool:
        """Whether it learns from judged answers too, and so from more than targets."""
        return self.kto_weight > 0 or self.dpo_weight > 0

    def replace(self, **changes: Any) -> Recipe:
        """A copy with some settings changed. Raises ``InvalidRecipe`` for an unknown one or a value out of range."""
        return Recipe.from_json({**self.to_json(), **changes})

    def to_json(self) -> dict[str, Any]:
        """Every setting by name, as plain JSON values."""
        return dict(vars(self))

    @staticmethod
    def from_json(settings: Mapping[str, Any]) -> Recipe:
        """The recipe with these settings and the defaults for the rest. Raises ``InvalidRecipe``."""
        for key in settings:
            if key not in FIGURES:
                raise InvalidRecipe(f"recipe setting '{key}' does not exist; the settings are {', '.join(FIGURES)}")
        return Recipe(**settings)


FIGURES: dict[str, Setting] = {field.name: field.metadata["setting"] for field in dataclasses.fields(Recipe)}
"""Each figure of the recipe by its name, with default, range and help."""


def preset(name: str, role: str | None = None) -> Recipe:
    """The named recipe: ``seed``, the figures the project's user gave with a rank per role, or ``default``, measured better."""
    if name == "default":
        return Recipe()
    if name != "seed":
        raise InvalidRecipe(f"preset '{name}' does not exist; the presets are default, seed")
    return Recipe(
        r=ROLE_RANKS.get(role or "", 16),
        alpha=32,
        dropout=0.05,
        target="attention",
        epochs=3,
        batch=4,
        accumulation=4,
        learning_rate=2e-4,
        max_length=2048,
        packing=True,
        quantization="nf4",
        gradient_checkpointing=True,  # not the user's: 8 billion parameters at these figures fit 24 GB with it alone
    )


def is_allowed(name: str, value: object) -> bool:
    """Whether a recipe takes the value for the figure: it has the figure's own type and lies in its range."""
    setting = FIGURES[name]
    if isinstance(setting.default, float) and type(value) is int:
        value = float(value)
    return type(value) is type(setting.default) and setting.holds(value)
