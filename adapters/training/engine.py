"""The engine of a training: transformers and TRL, or ``unsloth`` with its own faster kernels for the same model.

``unsloth`` is no dependency: it is used where it is installed. It needs an NVIDIA GPU, so this project's tests do not run it.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ...domain.errors import TrainingError
from ...domain.settings.recipe import ATTENTION, Recipe
from ..serving.base_model import Base, device

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

MLP = ("gate_proj", "up_proj", "down_proj")
"""The other linear layers of the Llama-like models that unsloth supports."""


def load_for_training(base: Base, recipe: Recipe) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A freshly loaded base and its tokenizer; with ``unsloth`` it already has a fresh adapter. Raises ``TrainingError``."""
    if recipe.engine == "trl":
        return base.load()
    if find_spec("unsloth") is None:
        raise TrainingError(
            "training.engine is unsloth, which is not installed; install it, or set training.engine to trl"
        )
    if device() == "cpu":
        raise TrainingError("training.engine is unsloth, which needs an NVIDIA GPU; set training.engine to trl")
    fast: Any = import_module("unsloth").FastLanguageModel  # before transformers: it changes what that imports
    model, tokenizer = fast.from_pretrained(
        model_name=base.location,
        revision=base.revision,
        trust_remote_code=base.trust_remote_code,
        max_seq_length=recipe.max_length,
        load_in_4bit=recipe.quantization == "nf4",
        use_exact_model_name=True,  # not unsloth's own upload: the adapter is served on this base
    )
    adapted = fast.get_peft_model(
        model,
        r=recipe.r,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        target_modules=[*ATTENTION, *(MLP if recipe.target == "all-linear" else ())],
        use_gradient_checkpointing=recipe.gradient_checkpointing,
        random_state=recipe.seed,
    )
    return adapted, tokenizer
