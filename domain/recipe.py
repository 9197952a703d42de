"""How an adapter is trained: one frozen, checked set of hyperparameters, and the presets.

A recipe is written into the log with the training it belongs to, so it is plain JSON and says everything that decides the
outcome. Nothing here imports torch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import InvalidRecipe

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
"""The projections that ``target="attention"`` adapts, by the names that Llama-like models give them."""

ROLE_RANKS = {"ocr": 16, "action": 8, "decomposition": 16, "recovery": 12}
"""The rank of each role under the preset ``seed``; given by the project's user."""

LARGEST_HELD_OUT_SHARE = 0.5

_RANGES: dict[str, tuple[float, float]] = {
    "r": (1, 512),
    "alpha": (1, 1024),
    "dropout": (0.0, 0.9),
    "epochs": (1, 1000),
    "batch": (1, 4096),
    "accumulation": (1, 4096),
    "learning_rate": (1e-8, 1.0),
    "warmup_ratio": (0.0, 0.9),
    "weight_decay": (0.0, 1.0),
    "max_grad_norm": (1e-3, 1e3),
    "max_length": (16, 1_048_576),
    "replay_share": (0.0, 0.95),
    "public_share": (0.0, 0.95),
    "copies": (1, 1000),
    "renamings": (0, 100),
    "held_out_share": (0.0, LARGEST_HELD_OUT_SHARE),
    "checkpoint_steps": (1, 1_000_000),
    "seed": (0, 2**32 - 1),
    "sft_weight": (0.0, 1000.0),
    "kto_weight": (0.0, 1000.0),
    "dpo_weight": (0.0, 1000.0),
    "beta": (1e-4, 100.0),
}
_CHOICES: dict[str, tuple[str, ...]] = {
    "target": ("attention", "all-linear"),
    "quantization": ("nf4", "none"),
    "schedule": ("linear", "cosine", "constant"),
    "lineage": ("base", "parent"),
    "optimizer": ("adamw", "paged_adamw_8bit"),
    "engine": ("trl", "unsloth"),
}


@dataclass(frozen=True)
class Recipe:
    """The hyperparameters of one training. The defaults are the preset ``default``.

    Raises ``InvalidRecipe`` when made with a value outside its range.
    """

    r: int = 16
    """Rank of the update. Source: the project's user."""
    alpha: int = 32
    """The update is scaled by ``alpha / r``. Source: the project's user."""
    dropout: float = 0.0
    """Dropout on the input of the update. None: measured for the embedded model, a quarter faster and nothing lost in success
    on new tasks and old. QLoRA (arXiv 2305.14314), section 5, takes 0.05 for models of billions, as ``seed`` does."""
    target: str = "all-linear"
    """``all-linear`` or ``attention`` (q, k, v, o). All layers: QLoRA, section 4, and measured here."""
    epochs: int = 4
    batch: int = 4
    """Examples per forward pass."""
    accumulation: int = 4
    """Forward passes per optimiser step."""
    learning_rate: float = 2e-3
    """Measured for the embedded model with replay: better than 5e-4 on new tasks and old. A model of billions wants the
    2e-4 of the preset ``seed``."""
    schedule: str = "linear"
    warmup_ratio: float = 0.0
    """Share of all steps over which the learning rate rises from 0. None: the update starts at zero by itself, and of a
    training of five steps the first would be lost. Measured: a tenth of the steps makes no difference."""
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    max_length: int = 2048
    """Tokens of prompt and completion. A longer example is left out and counted, never cut."""
    packing: bool = False
    """Whether several examples share one sequence; they never see each other. With KTO or DPO, none do."""
    quantization: str = "nf4"
    """``nf4``: 4-bit base with double quantisation and bf16 compute (QLoRA). ``none``: bf16 base (LoRA)."""
    gradient_checkpointing: bool = False
    """Recompute activations instead of keeping them: a fifth slower, for models that do not fit otherwise."""
    optimizer: str = "adamw"
    """``paged_adamw_8bit``: a quarter of AdamW's state, on a GPU moved aside when memory runs short (QLoRA, section 3)."""
    engine: str = "trl"
    """``unsloth``: its kernels in place of those of transformers, where it is installed and there is an NVIDIA GPU."""
    replay_share: float = 1 / 3
    """Share of the dataset that repeats what already went well, against forgetting; measured for the embedded model. Sets
    from outside come on top."""
    public_share: float = 0.2
    """Share of the dataset that sets from outside make up, where some were imported; chosen."""
    teacher_answers: bool = False
    """Learn from a teacher's answers to questions in words, too, though nobody can check them."""
    copies: int = 8
    """How many times the same prompt and answer come at most, where as many runs gave them. A page that looks the same each
    time would be one example among hundreds, however often it went wrong; measured."""
    detours: bool = False
    """Learn from own successes that took more steps than any correction that showed their task, too (``detours.py``).
    Measured: 82.4 % of the unseen tasks with them and 85.1 % without, the mean of three datasets."""
    renamings: int = 0
    """How many times each target comes again with other names for things (``renaming.py``)."""
    held_out_share: float = 0.15
    """Share of the task instances that are never trained on, to judge the adapter by; chosen. Where it is raised later,
    instances that earlier adapters were trained on are held out too."""
    checkpoint_steps: int = 25
    """Optimiser steps between two checkpoints, from which a killed training goes on; chosen."""
    seed: int = 0
    sft_weight: float = 1.0
    """What the supervised loss on targets counts for, relative to the other two."""
    kto_weight: float = 0.0
    """What KTO counts for: answers that were given and rated good or bad, as they are (arXiv 2402.01306)."""
    dpo_weight: float = 0.0
    """What DPO counts for: pairs of a right and a failed answer to the same prompt (arXiv 2305.18290)."""
    beta: float = 0.1
    """How strongly KTO and DPO hold the model to what it was. Both papers' default."""
    lineage: str = "base"
    """``base``: a fresh adapter. ``parent``: the weights begin as those of the adapter that is live."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            _check(field.name, getattr(self, field.name), type(field.default))
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
        known = [field.name for field in dataclasses.fields(Recipe)]
        for key in settings:
            if key not in known:
                raise InvalidRecipe(f"recipe setting '{key}' does not exist; the settings are {', '.join(known)}")
        return Recipe(**settings)


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


def _check(key: str, value: object, expected: type) -> None:
    if expected is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not expected:
        raise InvalidRecipe(
            f"recipe setting '{key}' has value {value!r}; allowed is a value of type {expected.__name__}"
        )
    if key in _CHOICES and value not in _CHOICES[key]:
        raise InvalidRecipe(f"recipe setting '{key}' has value {value!r}; allowed are {', '.join(_CHOICES[key])}")
    if key in _RANGES:
        low, high = _RANGES[key]
        if not low <= value <= high:  # type: ignore[operator]  # NaN fails this too
            raise InvalidRecipe(f"recipe setting '{key}' has value {value!r}; allowed is {low:g} to {high:g}")
