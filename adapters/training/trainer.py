"""The training itself: QLoRA with TRL on a freshly loaded base that is never evaluated.

The loss covers the answer's tokens only. Runs only in the child process, ``child.py``.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import resource
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...domain.errors import TrainingError
from ...domain.settings.recipe import Recipe
from ..data.examples import dataset_hash, read_examples
from ..data.media_files import keys_in_examples, read_media
from ..registry.files import sync, write_atomically
from ..registry.local import hash_directory
from ..registry.lock import Held, hold
from ..serving.adapted_model import next_logits
from ..serving.base_model import (
    Base,
    compute_dtype,
    device,
    positions,
    precision,
    use_threads,
)
from ..serving.proof import FILE as REFERENCE
from ..serving.proof import PROMPTS, Reference, record
from .answer_loss import supervised_trainer
from .batches import Item, tokenize
from .checkpoints import newest_whole, seal
from .job import ASIDE, LOCK, NOTE, FolderBusy, Progress, TrainingJobSpec, TrainingResult
from .length_sampler import Order
from .lora import begin_as, configure_lora, round_off, use_fast_numbers, widen
from .objective import make_mixed_trainer, remember_reference, without_dropout
from .shared_beginning import MULTIPLE, typical_length
from .sight import Sight

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

LIBRARIES = ("torch", "transformers", "peft", "bitsandbytes", "trl")
LOCK_WAIT_S = 15.0
"""Seconds to wait for the end of a trainer that lost its parent; chosen: far more than it takes."""
SHORT = 512
"""Length in tokens up to which a CPU computes plain attention, not the fused kernel: a fifth faster for pages of 150
tokens, and a tenth slower for four pages that share a beginning and make 720, both measured; its memory grows with the square
of the length. Chosen."""


def train_job(job: TrainingJobSpec, prepare: Callable[[Any], None] | None = None) -> TrainingResult:
    """Train, write ``adapter/`` and return the result. Raises ``TrainingError`` and the errors of the libraries.

    ``prepare`` gets the trainer before it starts.
    """
    started = time.monotonic()
    with _sole_trainer(job.directory):
        shutil.rmtree(job.directory / "adapter", ignore_errors=True)  # without a result beside it, it is not finished
        checkpoint = newest_whole(job.directory, lambda line: _write_line(job.directory, {NOTE: line}))
        use_threads()
        examples = read_examples(job.dataset)
        base = Base(**{**job.base.to_json(), "quantization": job.recipe.quantization})
        model, tokenizer = base.load()
        longest = min(job.recipe.max_length, positions(model) or job.recipe.max_length)
        left_out: Counter[str] = Counter()
        media = read_media(job.media, keys_in_examples(examples))
        processor = base.load_processor(model, tokenizer)
        sight = None if processor is None else Sight(processor, tokenizer, media)
        items = tokenize(examples, tokenizer, longest, job.recipe, left_out, sight)
        trainer = make_trainer(
            model, tokenizer, items, job.recipe, job.directory, job.report_to, sees=processor is not None
        )
        if job.parent is not None:
            begin_as(trainer.model, job.parent, job.recipe, base)
        trainer.add_callback(_report(job.directory, len(items), job.recipe))
        with plain_attention(model, items, job.recipe.batch):
            if job.recipe.has_preferences:
                remember_reference(trainer)
            if prepare is not None:
                prepare(trainer)
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint is not None else None)
        check_never_evaluated(trainer.model)
        computed_in = precision(model.dtype)
        round_off(trainer.model)
        reference = _reference(trainer.model, tokenizer, base)
        _save(trainer.model, base, reference, job.directory)
        return TrainingResult(
            adapter=job.directory / "adapter",
            adapter_hash=hash_directory(job.directory / "adapter"),
            dataset_hash=dataset_hash(examples),
            base_fingerprint=base.fingerprint(),
            duration_s=round(time.monotonic() - started, 3),
            peak_memory_bytes=_peak_memory_bytes(),
            examples=len(items),
            left_out=left_out.total(),
            reasons=dict(left_out),
            tokens=sum(item.tokens for item in items),
            steps=trainer.state.global_step,
            final_loss=[entry["loss"] for entry in trainer.state.log_history if "loss" in entry][-1],
            device=device(),
            precision=computed_in,
            versions={name: version(name) for name in LIBRARIES},
        )


def make_trainer(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    items: Sequence[Item],
    recipe: Recipe,
    directory: Path,
    report_to: str = "none",
    *,
    sees: bool = False,
) -> SFTTrainer:
    """A TRL trainer for the items, with a fresh adapter. Its weights are kept in fp32.

    ``sees`` where the model is one for pictures.
    """
    from datasets import Dataset  # type: ignore[import-untyped]

    model.config.use_cache = False
    use_fast_numbers(model)
    parts: dict[str, Any] = {
        "model": model,
        "args": make_arguments(recipe, directory, model.dtype, report_to),
        "processing_class": tokenizer,
        "peft_config": configure_lora(recipe, model),
    }
    if recipe.has_preferences or sees:
        trainer = make_mixed_trainer(items, recipe, sees=sees, **parts)
    else:
        trainer = supervised_trainer(train_dataset=Dataset.from_list([item.row for item in items]), **parts)
    widen(trainer.model)
    take_in_order(trainer, Order(row_lengths(trainer), recipe.batch, recipe.seed))
    return trainer


@contextlib.contextmanager
def plain_attention(model: PreTrainedModel, items: Sequence[Item], batch: int) -> Iterator[None]:
    """The model with the fastest attention for these items on this device, in batches of so many; restored afterwards."""
    served = model.config._attn_implementation
    longest, typical = max(item.longest for item in items), typical_length([item.prompt for item in items], batch)
    if device() == "cpu" and max(longest, typical) <= SHORT:
        model.set_attn_implementation("eager")
    yield
    model.set_attn_implementation(str(served))


def take_in_order(trainer: Any, order: Order | range) -> None:
    """Make the trainer take the rows at these places, in this order; with ``set_epoch`` in another order each epoch."""
    trainer._get_train_sampler = lambda dataset=None: order  # transformers provides it for overriding


def row_lengths(trainer: Any) -> list[int]:
    """Tokens of each row that the trainer takes; all its sequences where the collator makes several of one."""
    rows = trainer.train_dataset
    if "input_ids" in rows.column_names:
        return [len(ids) for ids in rows["input_ids"]]
    batches = (trainer.data_collator([row]) for row in rows)
    return [sum(batch[name].numel() for name in batch if name.endswith("input_ids")) for batch in batches]


def make_arguments(recipe: Recipe, directory: Path, dtype: torch.dtype, report_to: str = "none") -> SFTConfig:
    """The recipe as TRL's arguments; ``dtype`` is that of the model, and ``report_to`` names a tool that shows progress too."""
    import torch
    from trl.trainer.sft_config import SFTConfig

    return SFTConfig(
        output_dir=str(directory),
        num_train_epochs=recipe.epochs,
        per_device_train_batch_size=recipe.batch,
        gradient_accumulation_steps=recipe.accumulation,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type=recipe.schedule,
        warmup_steps=recipe.warmup_ratio,
        weight_decay=recipe.weight_decay,
        max_grad_norm=recipe.max_grad_norm,
        max_length=recipe.max_length,
        packing=recipe.packing,
        pad_to_multiple_of=None if recipe.packing else MULTIPLE,
        gradient_checkpointing=recipe.gradient_checkpointing,
        gradient_checkpointing_kwargs={"use_reentrant": False},  # the reentrant kind needs gradients of the input
        **_optimizer(recipe),
        seed=recipe.seed,
        bf16=dtype == torch.bfloat16,
        fp16=dtype == torch.float16,  # with loss scaling
        use_cpu=device() == "cpu",
        save_steps=recipe.checkpoint_steps,
        save_total_limit=2,
        logging_steps=1,
        logging_nan_inf_filter=False,
        disable_tqdm=True,
        report_to=report_to,
        dataloader_pin_memory=False,
    )


def _optimizer(recipe: Recipe) -> dict[str, Any]:
    """Empty for ``adamw``: the default of transformers then picks the best implementation here."""
    return {} if recipe.optimizer == "adamw" else {"optim": recipe.optimizer}


def _report(directory: Path, items: int, recipe: Recipe) -> Any:
    """The callback that writes progress, stops at a loss that is not finite, and marks complete checkpoints."""
    from transformers import TrainerCallback

    class Report(TrainerCallback):
        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self.started, self.first = time.monotonic(), state.global_step

        def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            logs: dict[str, float] = kwargs["logs"]
            if "loss" not in logs:
                return
            for name, value in (("loss", logs["loss"]), ("gradient's norm", logs.get("grad_norm", 0.0))):
                if not math.isfinite(value):
                    raise TrainingError(f"the {name} is {value} at step {state.global_step}; lower the learning rate")
            elapsed = time.monotonic() - self.started
            examples = (state.global_step - self.first) * items * recipe.epochs / state.max_steps
            progress = Progress(
                state.global_step,
                state.max_steps,
                logs["loss"],
                round(state.epoch, 4),
                round(examples / elapsed, 3),
                round(elapsed, 3),
            )
            _write_line(directory, asdict(progress))

        def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            seal(directory / f"checkpoint-{state.global_step}")

    return Report()


def _write_line(directory: Path, line: dict[str, Any]) -> None:
    """Report a line to the parent."""
    with (directory / "progress.jsonl").open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(line) + "\n")


def check_never_evaluated(model: Any) -> None:
    """Raise ``TrainingError`` when the 4-bit weights were repacked for inference: the gradients were wrong then."""
    for module in model.modules():
        if getattr(getattr(getattr(module, "weight", None), "quant_state", None), "packing_format_for_cpu", False):
            raise TrainingError(
                "the base was evaluated while it was trained, so its gradients are wrong; report this bug"
            )


def _reference(model: Any, tokenizer: PreTrainedTokenizerBase, base: Base) -> Reference:
    """The reference of base and trained model, computed as in training with dropout off."""
    import torch

    model.gradient_checkpointing_disable()
    with without_dropout(model), torch.autocast(device().split(":")[0], compute_dtype()):
        trained = [next_logits(model, tokenizer, prompt) for prompt in PROMPTS]
        with model.disable_adapter():
            untrained = [next_logits(model, tokenizer, prompt) for prompt in PROMPTS]
    if not all(map(math.isfinite, itertools.chain(*trained))):
        raise TrainingError("the trained weights give outputs that are not finite; lower the learning rate")
    return record(untrained, trained, base.fingerprint())


def _save(model: Any, base: Base, reference: Reference, directory: Path) -> None:
    """Write ``adapter/``, complete or not at all."""
    aside = directory / ASIDE
    shutil.rmtree(aside, ignore_errors=True)
    config = model.peft_config["default"]
    # A local path means nothing elsewhere, and would change the hash of the same weights.
    config.base_model_name_or_path = Path(base.location).name if base.is_local else base.name
    config.revision = base.revision
    config.target_modules = sorted(config.target_modules)
    model.save_pretrained(aside, save_embedding_layers=False)
    (aside / "README.md").unlink(missing_ok=True)
    write_atomically(aside / REFERENCE, json.dumps(reference.to_json()))
    for file in aside.iterdir():
        sync(file)
    sync(aside)
    aside.rename(directory / "adapter")
    sync(directory)


def _peak_memory_bytes() -> int:
    import torch

    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@contextlib.contextmanager
def _sole_trainer(directory: Path) -> Iterator[None]:
    """Hold the folder's lock, which the kernel releases when this process ends. Raises ``TrainingError``.

    A trainer whose parent was killed may still hold it for a moment, so this waits.
    """
    try:
        with hold(directory / LOCK, LOCK_WAIT_S):
            yield
    except Held as holder:
        raise FolderBusy(f"folder {directory} is being trained by another process; wait for it ({holder})") from None
