"""Learning from judged answers: KTO and DPO beside the supervised loss, in one weighted sum.

TRL's own trainers each take one kind of row: its DPO trainer pairs, its KTO trainer judged answers in a fixed order. A
log of runs gives a mix of all. So the three terms are computed here, over TRL's supervised trainer, whose fused head
gives the log-probabilities.

The reference of both preference losses is the model at the start of the training: with a fresh adapter the base, with a
parent the parent. Its log-probabilities are computed once, before the first step, in training mode without dropout.
Nothing is ever evaluated (see ``check_never_evaluated``), and a resumed training computes the same values again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from ...domain.settings.recipe import Recipe
from .answer_loss import answer_log_probs, applies
from .batches import Item, Look, collate
from .sight import in_groups

if TYPE_CHECKING:
    from torch import Tensor
    from trl.trainer.sft_trainer import SFTTrainer


@dataclass(frozen=True)
class Weights:
    """The weight of each term. ``good`` and ``bad`` balance unequal numbers of the two within KTO."""

    sft: float
    kto: float
    dpo: float
    beta: float
    good: float = 1.0
    bad: float = 1.0

    @staticmethod
    def of(recipe: Recipe, items: Sequence[Item]) -> Weights:
        """The recipe's weights; the rarer of good and bad is raised to the other's total.

        Source: KTO (arXiv 2402.01306), equation 8, whose ratio of the two sides is kept at 1.
        """
        good = sum(item.label == "good" for item in items)
        bad = sum(item.label == "bad" for item in items)
        most = max(good, bad)
        return Weights(
            recipe.sft_weight,
            recipe.kto_weight,
            recipe.dpo_weight,
            recipe.beta,
            most / good if good else 1.0,
            most / bad if bad else 1.0,
        )


@dataclass(frozen=True)
class LogProbs:
    """Log-probabilities of whole answers, summed over their tokens.

    Shapes: ``answer`` (batch,), ``rejected`` (pairs,), ``unrelated`` (shifted,).
    """

    answer: Tensor
    rejected: Tensor
    unrelated: Tensor


def joint_loss(policy: LogProbs, reference: LogProbs, batch: dict[str, Tensor], weights: Weights) -> Tensor:
    """The weighted sum of the three losses, each a mean over the optimiser step that the batch is part of.

    ``batch["counts"]`` (3,) holds the denominators for the whole step: target tokens, judged answers, pairs. Sources:
    DPO, arXiv 2305.18290, equation 7; KTO, arXiv 2402.01306, equation 7; the supervised term beside them, which keeps
    the chosen answer likely while the margin grows, arXiv 2404.19733, equation 1.
    """
    import torch
    from torch.nn.functional import logsigmoid

    gained = policy.answer - reference.answer  # (batch,)
    moved = (policy.unrelated - reference.unrelated).detach()  # (shifted,)
    shift = moved.mean().clamp(min=0) if moved.numel() else gained.new_zeros(())
    good, bad = batch["is_good"], batch["is_bad"]  # (batch,)
    kto = weights.good * good * (1 - torch.sigmoid(weights.beta * (gained - shift)))
    kto = kto + weights.bad * bad * (1 - torch.sigmoid(weights.beta * (shift - gained)))
    margin = gained[batch["chosen"]] - (policy.rejected - reference.rejected)  # (pairs,)
    dpo = -logsigmoid(weights.beta * margin)
    sft = -policy.answer * batch["is_target"]
    tokens, judged, pairs = batch["counts"].clamp(min=1)
    loss: Tensor = weights.sft * sft.sum() / tokens + weights.kto * kto.sum() / judged + weights.dpo * dpo.sum() / pairs
    return loss


def log_probs(model: Any, batch: dict[str, Any], *, sees: bool = False) -> LogProbs:
    """The log-probabilities of the batch's answers; the unrelated ones without gradient.

    ``sees`` where the model is one for pictures: its rows are computed by the model alone, without what is made for models
    of text.
    """
    import torch

    names = ("input_ids", "attention_mask", "labels")

    def score(prefix: str) -> Tensor:
        inputs = {name: batch[prefix + name] for name in names}
        if not len(inputs["labels"]):
            return torch.zeros(0, device=inputs["labels"].device)
        if sees:
            return _score_seen(model, inputs, batch.get(f"{prefix}looks") or [None] * len(inputs["labels"]))
        if applies(inputs):
            scored, rows = answer_log_probs(model, inputs)
            return torch.zeros(len(inputs["labels"])).index_add(0, rows, scored)  # (sequences,)
        summed: Tensor = model(**inputs, fused_lm_head=True, use_cache=False).log_probs.sum(-1)  # (sequences,)
        return summed

    with torch.no_grad():
        unrelated = score("unrelated_")
    learnt = score("")
    size = len(batch["index"])
    return LogProbs(learnt[:size], learnt[size:], unrelated)


def _score_seen(model: Any, inputs: dict[str, Tensor], looks: Sequence[Look | None]) -> Tensor:
    """The log-probability of each row's answer (sequences,), where some prompts show pictures."""
    import torch

    scores = torch.zeros(len(looks), device=inputs["labels"].device)
    for rows, given in in_groups(model, inputs, looks):
        scored, places = answer_log_probs(model, given, is_shared=False)
        index = torch.tensor(rows, device=scores.device)[places]
        scores = scores.index_add(0, index, scored)
    return scores


@contextlib.contextmanager
def without_dropout(model: Any) -> Iterator[None]:
    """The model in training mode without randomness: dropout is off, and 4-bit layers stay in training mode."""
    from bitsandbytes.nn.modules import Linear4bit

    model.train()
    for module in model.modules():
        if not isinstance(module, Linear4bit):  # attention reads its own mode for dropout, without a layer
            module.training = False
    yield
    model.train()


def make_mixed_trainer(items: Sequence[Item], recipe: Recipe, *, sees: bool = False, **parts: Any) -> SFTTrainer:
    """TRL's supervised trainer with the joint loss over these items. ``parts`` are its other arguments, without data
    and collator.

    ``remember_reference`` must be called before it trains with preferences. ``sees`` where the model is one for pictures.
    """
    import torch
    from datasets import Dataset  # type: ignore[import-untyped]
    from trl.trainer.sft_trainer import SFTTrainer

    weights = Weights.of(recipe, items)
    tokenizer = parts["processing_class"]
    padding = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id

    class MixedTrainer(SFTTrainer):
        reference: Tensor
        """Log-probabilities before training (items, 3): answer, rejected, unrelated; zero where there is no such answer."""

        def compute_loss(
            self, model: Any, inputs: Any, return_outputs: Any = False, num_items_in_batch: Any = None
        ) -> Any:
            rows = self.reference.to(inputs["index"].device)[inputs["index"]]  # (batch, 3)
            before = LogProbs(rows[:, 0], rows[inputs["chosen"], 1], rows[inputs["shifted"], 2])
            counts = inputs["counts"] if num_items_in_batch is None else num_items_in_batch
            return joint_loss(log_probs(model, inputs, sees=sees), before, {**inputs, "counts": counts}, weights)

        def _get_num_items_in_batch(self, batch_samples: Any, device: Any) -> Any:
            return sum(batch["counts"] for batch in batch_samples).to(device)

    def collate_rows(rows: Sequence[dict[str, int]]) -> dict[str, Tensor]:
        places = [row["index"] for row in rows]
        return collate([items[place] for place in places], places, padding)

    parts["args"].remove_unused_columns = False
    parts["args"].dataset_kwargs = {"skip_prepare_dataset": True}
    rows = Dataset.from_list([{"index": place} for place in range(len(items))])
    trainer: Any = MixedTrainer(train_dataset=rows, data_collator=collate_rows, **parts)
    trainer.sees, trainer.reference = sees, torch.zeros((len(items), 3))  # without preferences nothing is read of it
    trainer.loss_is_scaled_for_ga = True  # ``counts`` cover all batches of an optimiser step
    return cast("SFTTrainer", trainer)


def remember_reference(trainer: Any) -> None:
    """Compute the reference: the log-probability of every answer under the model as it is now."""
    import torch

    rows, size = trainer.train_dataset, trainer.args.per_device_train_batch_size
    reference = torch.zeros((len(rows), 3), device=trainer.args.device)
    with without_dropout(trainer.model), torch.no_grad(), trainer.compute_loss_context_manager():
        for start in range(0, len(rows), size):
            batch = trainer.data_collator([rows[place] for place in range(start, min(start + size, len(rows)))])
            device = trainer.args.device
            batch = {name: it.to(device) if isinstance(it, torch.Tensor) else it for name, it in batch.items()}
            probabilities = log_probs(trainer.model, batch, sees=trainer.sees)
            index = batch["index"]
            reference[index, 0] = probabilities.answer
            reference[index[batch["chosen"]], 1] = probabilities.rejected
            reference[index[batch["shifted"]], 2] = probabilities.unrelated
    trainer.reference = reference
