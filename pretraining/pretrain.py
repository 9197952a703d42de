"""Pretraining of the embedded base model: a Llama of a few million parameters, on the CPU, in under an hour.

Muon for the matrices and AdamW for the rest. The learning rate rises, stays, and falls to 0 at the end, so a stopped
run can continue towards an earlier end. Computation is in bf16, with fp32 master weights.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .corpus import Batch, Sample, batches, collate
from .induction import set_induction

if TYPE_CHECKING:
    import torch
    from transformers import LlamaForCausalLM, PreTrainedTokenizerBase


@dataclass(frozen=True)
class Recipe:
    """Everything that the weights depend on, except the demonstrations. Defaults without a source: chosen."""

    steps: int = 1300
    seed: int = 0
    tokens: int = 4096
    """Tokens per step, padding included."""
    width: int = 256
    layers: int = 6
    heads: int = 4
    feed_forward: int = 704
    matrix_lr: float = 0.02
    """Learning rate of Muon, for the matrices; source: the default of its author."""
    embedding_lr: float = 5e-3
    """Learning rate of AdamW for the embeddings, whose initial standard deviation is 1."""
    norm_lr: float = 1e-3
    """Learning rate of AdamW for the gains of the norms."""
    weight_decay: float = 0.01
    warmup: int = 40
    """Steps over which the learning rate rises."""
    decay_share: float = 0.4
    """Share of the steps, at the end, over which the learning rate falls linearly to 0."""
    curriculum_pools: int = 12
    """Pools of samples over which the data grow from the simplest to full size."""
    base_share: float = 0.35
    """Share of base task demonstrations among the samples that are not repetitions."""


def new_model(recipe: Recipe, tokenizer: PreTrainedTokenizerBase) -> LlamaForCausalLM:
    """A model with fresh weights, in fp32. The same seed gives the same weights."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(recipe.seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=recipe.width,
        intermediate_size=recipe.feed_forward,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        tie_word_embeddings=True,
        max_position_embeddings=2048,
        rope_parameters={"rope_type": "default", "rope_theta": 1e5},
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    config._attn_implementation = "eager"  # A third faster than the fused kernel on a CPU, for pages this short.
    model = LlamaForCausalLM(config)
    set_induction(model)
    return model


def learning_rate(recipe: Recipe, step: int) -> float:
    """The factor on the learning rates at a step (from 0), in (0, 1]."""
    left = (recipe.steps - step) / (recipe.steps * recipe.decay_share)
    return min(1.0, (step + 1) / recipe.warmup, max(left, 0.0))


class Training:
    """A model in training. ``model`` computes in bf16; ``masters`` are its weights in fp32."""

    def __init__(self, recipe: Recipe, tokenizer: PreTrainedTokenizerBase) -> None:
        import torch

        self.recipe, self.tokenizer = recipe, tokenizer
        self.model = new_model(recipe, tokenizer)
        self.masters = {name: p.detach().clone() for name, p in self.model.named_parameters()}
        self.average = {name: p.clone() for name, p in self.masters.items()}
        self.model.bfloat16()
        matrices = [p for name, p in self.masters.items() if p.ndim == 2 and "embed" not in name]
        embeddings = [p for name, p in self.masters.items() if "embed" in name]
        gains = [p for p in self.masters.values() if p.ndim == 1]
        self.optimizers: list[tuple[torch.optim.Optimizer, float]] = [
            (torch.optim.Muon(matrices, weight_decay=recipe.weight_decay), recipe.matrix_lr),
            (torch.optim.AdamW(embeddings, betas=(0.9, 0.95), weight_decay=0.0), recipe.embedding_lr),
            (torch.optim.AdamW(gains, betas=(0.9, 0.95), weight_decay=0.0), recipe.norm_lr),
        ]
        self.step, self.pool = 0, 0

    def loss(self, batch: Batch) -> torch.Tensor:
        """The weighted mean cross-entropy of the tokens with a weight."""
        import torch

        hidden = self.model.model(batch.ids[:, :-1]).last_hidden_state  # (batch, seq - 1, width)
        counted = batch.weights[:, 1:] > 0
        logits = self.model.lm_head(hidden[counted]).float()  # (counted, vocabulary)
        weights = batch.weights[:, 1:][counted]
        losses = torch.nn.functional.cross_entropy(logits, batch.ids[:, 1:][counted], reduction="none")
        return (losses * weights).sum() / weights.sum()

    def learn(self, batch: Batch) -> float:
        """Take one step on the batch and return its loss."""
        import torch

        loss = self.loss(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        for name, p in self.model.named_parameters():
            self.masters[name].grad = p.grad.float() if p.grad is not None else None
            p.grad = None
        self._share_gradients()
        torch.nn.utils.clip_grad_norm_(self.masters.values(), 1.0)
        factor = learning_rate(self.recipe, self.step)
        for optimizer, lr in self.optimizers:
            optimizer.param_groups[0]["lr"] = lr * factor
            optimizer.step()
        with torch.no_grad():
            for name, p in self.model.named_parameters():
                p.copy_(self.masters[name])
                self.average[name].lerp_(self.masters[name], 0.02)
        self.step += 1
        return float(loss.detach())

    def _share_gradients(self) -> None:
        """Average the gradients over all processes that train together."""
        import torch
        from torch import distributed

        if not distributed.is_initialized():
            return
        grads = [p.grad for p in self.masters.values() if p.grad is not None]
        flat = torch.cat([grad.flatten() for grad in grads])
        distributed.all_reduce(flat)
        flat /= distributed.get_world_size()
        parts = torch.split(flat, [grad.numel() for grad in grads])
        for grad, mean in zip(grads, parts, strict=True):
            grad.copy_(mean.view_as(grad))

    def accuracy(self, samples: Sequence[Sample]) -> float:
        """The share of samples whose whole answer the model predicts, in [0, 1]."""
        import torch

        right = 0
        for at in range(0, len(samples), 32):
            batch = collate(samples[at : at + 32], int(self.tokenizer.pad_token_id))
            with torch.no_grad():
                guess = self.model(batch.ids[:, :-1], use_cache=False).logits.argmax(-1)
            wrong = (guess != batch.ids[:, 1:]) & (batch.weights[:, 1:] == 1)
            right += int((~wrong.any(1)).sum())
        return right / max(len(samples), 1)

    def save(self, path: Path) -> None:
        """Write the state that a resumed training needs."""
        import torch

        torch.save(
            {
                "masters": self.masters,
                "average": self.average,
                "step": self.step,
                "pool": self.pool,
                "optimizers": [optimizer.state_dict() for optimizer, _ in self.optimizers],
            },
            path.with_suffix(".new"),
        )
        path.with_suffix(".new").replace(path)

    def load(self, path: Path) -> None:
        """Continue from a state that ``save`` wrote."""
        import torch

        state = torch.load(path, weights_only=True)
        self.step, self.pool = state["step"], state["pool"]
        for optimizer, each in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer[0].load_state_dict(each)
        with torch.no_grad():
            for name, p in self.model.named_parameters():
                self.masters[name].copy_(state["masters"][name])
                self.average[name].copy_(state["average"][name])
                p.copy_(self.masters[name])

    def export(self, folder: Path, averaged: bool = False) -> None:
        """Write the model in the form of transformers, in bf16; ``averaged`` takes the mean weights of the latest steps."""
        import torch
        from transformers import LlamaForCausalLM

        weights = self.average if averaged else self.masters
        model = LlamaForCausalLM(self.model.config)
        with torch.no_grad():
            for name, p in model.named_parameters():
                p.copy_(weights[name])
        model.bfloat16().save_pretrained(folder)
        self.tokenizer.save_pretrained(folder, save_jinja_files=False)  # the template into tokenizer_config.json


def pretrain(
    training: Training,
    demonstrated: Sequence[Sample],
    held_out: Mapping[str, Sequence[Sample]],
    out: Path,
    report_every: int = 50,
    save_every: int = 250,
    part: tuple[int, int] = (0, 1),
) -> None:
    """Train to the recipe's last step; report on stderr, and save state and averaged weights on the way.

    ``part`` is (number, count) of this process among those that train together; the first one reports and saves.
    """
    recipe, started, tokens, losses = training.recipe, time.monotonic(), 0, 0.0
    is_first = part[0] == 0
    if is_first:
        (out / "recipe.json").write_text(json.dumps(asdict(recipe), indent=2) + "\n")
    stream = batches(
        training.tokenizer,
        demonstrated,
        recipe.seed,
        recipe.tokens,
        recipe.curriculum_pools,
        training.pool,
        recipe.base_share,
        part,
    )
    is_due = False
    for pool, batch in stream:
        if training.step >= recipe.steps:
            break
        if (
            is_due and is_first and pool != training.pool
        ):  # States are saved between pools, where the stream can continue.
            training.pool, is_due = pool, False
            training.save(out / "state.pt")
            training.export(out / "average", averaged=True)
        training.pool = pool
        losses += training.learn(batch)
        tokens += batch.ids.numel() * part[1]
        is_due = is_due or training.step % save_every == 0
        if is_first and training.step % report_every == 0:
            spent = time.monotonic() - started
            scores = {}
            if training.step % (4 * report_every) == 0:
                scores = {name: round(training.accuracy(samples), 3) for name, samples in held_out.items()}
            print(
                f"step {training.step} pool {pool} loss {losses / report_every:.4f} {tokens / 1e6:.2f}M tokens "
                f"{tokens / spent:.0f}/s {spent:.0f}s {scores or ''}",
                file=sys.stderr,
                flush=True,
            )
            losses = 0.0
    if is_first:
        training.save(out / "state.pt")
        training.export(out / "average", averaged=True)
        training.export(out / "model")
