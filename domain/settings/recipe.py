"""A recipe: one frozen, checked set of hyperparameters for a training, and the presets.

Each figure is declared once, with its default, range and help; the settings ``training.*`` are made from it. A training
records its whole recipe in the log, so a recipe is plain JSON and holds everything that decides the outcome.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ..errors import InvalidRecipe
from .keys import RENAMED, RENAMED_PRESETS, RETIRED
from .setting import MEASURED, OPERATORS, Form, Group, Setting, declared, setting

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
"""The projections that ``target="attention"`` adapts, by the names that Llama-like models give them."""

TARGETS = ("attention", "all-linear", "vision")
"""The words of ``target`` that stand for many layers."""

_LAYER = r"[A-Za-z_]\w{0,63}"
"""The name of a layer; one alone has an underscore or a digit, so that a mistyped word is none."""

TARGET = Form(
    re.compile(rf"{'|'.join(TARGETS)}|(?=\w*[_\d]){_LAYER}|{_LAYER}( *, *{_LAYER})+", re.ASCII),
    "one of attention, all-linear, vision, or names of layers with commas between them, as in q_proj, v_proj",
)

ROLE_RANKS = {"ocr": 16, "action": 8, "decomposition": 16, "recovery": 12}
"""The rank for each role under the preset ``large``. Source: operators' requirements."""

LARGEST_HELD_OUT_SHARE = 0.5

EARLY = 1 / 3
"""The presets' ``held_out_early``; chosen: of 40 questions 13 are held out, and a gate needs 10 failures."""


@dataclass(frozen=True)
class Recipe(Group):
    """The hyperparameters of one training. The defaults are the preset ``default``; ``FIGURES`` has the help of each.

    Raises ``InvalidRecipe`` for a value outside its range.
    """

    PREFIX: ClassVar[str] = "training"

    r: int = setting(16, "Rank of the update.", source=OPERATORS, low=1, high=512)
    alpha: int = setting(32, "The update is scaled by alpha / r.", source=OPERATORS, low=1, high=1024)
    # QLoRA (arXiv 2305.14314), section 5, uses a dropout of 0.05 for models of billions of parameters; so does ``large``.
    dropout: float = setting(
        0.0,
        "Dropout on the input of the update.",
        source="measured for the embedded model: without it a quarter faster, nothing lost",
        unit="of 1",
        low=0,
        high=0.9,
    )
    target: str = setting(
        "all-linear",
        "Layers that are adapted: all linear ones, or attention's q, k, v, o. Of a vision model those of its language side; "
        "'vision' adapts all linear ones of both sides. Or names of layers with commas between them, on both sides.",
        source="QLoRA (arXiv 2305.14314), section 4, and measured",
        form=TARGET,
    )
    epochs: int = setting(
        4,
        "Passes over the dataset. While unset, few examples take 8 from 30 million to a billion parameters.",
        unit="epochs",
        low=1,
        high=1000,
    )
    batch: int = setting(4, "Examples per forward pass.", unit="examples", low=1, high=4096)
    accumulation: int = setting(
        4,
        "Forward passes per optimiser step. While unset, few examples take 1 below a billion parameters.",
        unit="passes",
        low=1,
        high=4096,
    )
    learning_rate: float = setting(
        2e-3,
        "Highest learning rate. While unset, it falls with the size of the base: 2e-4 from a "
        "billion, 1e-4 from 20 billion.",
        source="measured for the embedded model with replay",
        low=1e-8,
        high=1.0,
    )
    schedule: str = setting(
        "linear",
        "How the learning rate falls to 0 over the steps. 'constant': it does not.",
        choices=("linear", "cosine", "constant"),
    )
    # The update starts at zero anyway, and a warm-up would lose the first of five steps.
    warmup_ratio: float = setting(
        0.0,
        "Share of all steps over which the learning rate rises from 0.",
        source="measured: a tenth makes no difference",
        unit="of 1",
        low=0,
        high=0.9,
    )
    weight_decay: float = setting(0.0, "Weight decay of the optimiser.", low=0, high=1)
    max_grad_norm: float = setting(1.0, "Norm that the gradient is clipped to.", low=1e-3, high=1e3)
    max_length: int = setting(
        2048,
        "Longest example, prompt and completion together. A longer one is left out and counted, never cut.",
        source=OPERATORS,
        unit="tokens",
        low=16,
        high=1_048_576,
    )
    packing: bool = setting(
        False, "Several examples share one sequence and never see each other. With KTO or DPO none do."
    )
    quantization: str = setting(
        "nf4",
        "'nf4': 4-bit base with double quantisation and bf16 compute. 'none': bf16 base (LoRA).",
        source="QLoRA (arXiv 2305.14314)",
        choices=("nf4", "none"),
    )
    gradient_checkpointing: bool = setting(
        False,
        "Compute activations again instead of keeping them: a fifth slower, for models that do not fit otherwise.",
    )
    optimizer: str = setting(
        "adamw",
        "'paged_adamw_8bit': a quarter of AdamW's state, moved aside when a GPU's memory runs short (QLoRA, section 3).",
        choices=("adamw", "paged_adamw_8bit"),
    )
    replay_share: float = setting(
        1 / 3,
        "Share of the dataset that repeats what already went well, against forgetting. Imported sets come on top.",
        source=MEASURED,
        unit="of 1",
        low=0,
        high=0.95,
    )
    public_share: float = setting(
        0.2,
        "Share of the dataset from imported sets, where there are some.",
        unit="of 1",
        low=0,
        high=0.95,
    )
    teacher_answers: bool = setting(
        False, "Learn from a teacher's answers to questions in words too, although no program can check them."
    )
    # Without duplicates, a page that is always the same would be one example among hundreds, however often it failed.
    max_duplicates: int = setting(
        8,
        "Most copies of the same prompt and answer, where at least as many runs gave them.",
        source=MEASURED,
        unit="examples",
        low=1,
        high=1000,
    )
    # Measured: 82.4 % of the unseen tasks with them and 85.1 % without, the mean of three datasets.
    keep_inefficient: bool = setting(
        False,
        "Learn also from successes of retries that took more steps than every correction of their task.",
        source="measured: worse with them",
    )
    renamings: int = setting(0, "Copies of each target with other names for things.", unit="times", low=0, high=100)
    # If it is raised later, instances that earlier adapters were trained on become held out too.
    held_out_share: float = setting(
        0.15,
        "Share of the task instances that are never trained on, to judge the adapter by.",
        unit="of 1",
        low=0,
        high=LARGEST_HELD_OUT_SHARE,
    )
    # Recipes of earlier versions lack it, and have no such share.
    held_out_early: float = setting(
        0.0,
        "Share of the first 40 questions after ten that are held out, while a gate has too few failures to judge by. Only "
        "of tasks that cannot be played again from another seed; the larger of both shares counts.",
        unit="of 1",
        low=0,
        high=LARGEST_HELD_OUT_SHARE,
    )
    checkpoint_steps: int = setting(
        25,
        "Optimiser steps between two checkpoints, from which a killed training goes on.",
        unit="steps",
        low=1,
        high=1_000_000,
    )
    seed: int = setting(0, "Seed of weights, order and dropout.", low=0, high=2**32 - 1)
    sft_weight: float = setting(
        1.0,
        "Weight of the supervised loss on targets, relative to the other two.",
        low=0,
        high=1000,
    )
    kto_weight: float = setting(
        0.0,
        "Weight of KTO (arXiv 2402.01306): learn from answers that were rated good or bad, as they are.",
        low=0,
        high=1000,
    )
    dpo_weight: float = setting(
        0.0,
        "Weight of DPO (arXiv 2305.18290): learn from pairs of a right and a failed answer to the same prompt.",
        low=0,
        high=1000,
    )
    beta: float = setting(
        0.1,
        "How strongly KTO and DPO keep the model close to what it was.",
        source="the default of both papers (arXiv 2402.01306, 2305.18290)",
        low=1e-4,
        high=100,
    )
    init_from: str = setting(
        "base",
        "'base': a fresh adapter. 'parent': the weights begin as those of the adapter that is live.",
        choices=("base", "parent"),
    )

    def __post_init__(self) -> None:
        for name, figure in FIGURES.items():
            value = getattr(self, name)
            fits = figure.form is None or (isinstance(value, str) and figure.form.pattern.fullmatch(value))
            if not figure.takes(value) or not fits:
                raise InvalidRecipe(f"recipe setting '{name}' has value {value!r}; it takes {figure.allowed()}")
        if not self.sft_weight + self.kto_weight + self.dpo_weight > 0:
            raise InvalidRecipe(
                "recipe settings 'sft_weight', 'kto_weight' and 'dpo_weight' are all 0; give one of them a weight above 0"
            )

    @property
    def has_preferences(self) -> bool:
        """Whether it learns from judged answers too, not only from targets."""
        return self.kto_weight > 0 or self.dpo_weight > 0

    def steps(self, examples: int) -> int:
        """Optimiser steps of a training on so many examples, as the trainer counts them."""
        batches = math.ceil(examples / self.batch)
        return math.ceil(self.epochs * math.ceil(batches / self.accumulation))

    def replace(self, **changes: Any) -> Recipe:
        """A copy with changed figures. Raises ``InvalidRecipe`` for an unknown figure or a value out of range."""
        return Recipe.from_json({**self.to_json(), **current_figures(changes)})

    def to_json(self) -> dict[str, Any]:
        """Every setting by name, as plain JSON values."""
        return dict(vars(self))

    @staticmethod
    def from_json(settings: Mapping[str, Any]) -> Recipe:
        """The recipe with these figures, and defaults for the rest. Earlier names are accepted.

        Raises ``InvalidRecipe``.
        """
        figures = current_figures(settings)
        for name in figures:
            if name not in FIGURES:
                raise InvalidRecipe(f"recipe setting '{name}' does not exist; the settings are {', '.join(FIGURES)}")
        return Recipe(**figures)


FIGURES: dict[str, Setting] = declared(Recipe)
"""Each figure of the recipe by name, with default, range and help."""


def read_target(target: str) -> tuple[str, ...]:
    """The names of layers in the target; empty where it is one of ``TARGETS``."""
    return () if target in TARGETS else tuple(name.strip() for name in target.split(","))


_RENAMED = {
    old.removeprefix("training."): new.removeprefix("training.")
    for old, new in RENAMED.items()
    if new.removeprefix("training.") in FIGURES
}


def current_figures(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """A recorded recipe's figures, by their current names, without those that are figures no more."""
    return {_RENAMED.get(name, name): value for name, value in recorded.items() if f"training.{name}" not in RETIRED}


def preset(name: str, role: str | None = None) -> Recipe:
    """The named recipe: ``default`` is for the embedded model, ``large`` for bases of billions of parameters.

    ``large`` has a rank per role. Raises ``InvalidRecipe`` for an unknown name. Source of ``large``: operators' requirements.
    """
    name = RENAMED_PRESETS.get(name, name)
    if name == "default":
        return Recipe(held_out_early=EARLY)
    if name != "large":
        raise InvalidRecipe(f"preset '{name}' does not exist; the presets are default, large")
    return Recipe(
        held_out_early=EARLY,
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
        gradient_checkpointing=True,  # chosen: 8 billion parameters fit 24 GB only with this
    )
