"""The loss from the logits of the answers alone: the same numbers as from all logits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tiny_base import RECIPE, click_examples, job, quiet_libraries
from trl.trainer.sft_trainer import SFTTrainer

from grokputer.adapters.serving.base_model import Base
from grokputer.adapters.training import answer_loss
from grokputer.adapters.training.batches import tokenize
from grokputer.adapters.training.trainer import make_trainer, train_job
from grokputer.domain.settings.recipe import Recipe

ROWS = 21
PLAIN: Any = SFTTrainer.compute_loss
"""The loss of TRL, from all logits."""


@pytest.fixture(autouse=True)
def _quiet_libraries() -> Iterator[None]:
    with quiet_libraries():
        yield


def make(base: Path, folder: Path, recipe: Recipe = RECIPE) -> Any:
    """A trainer of the tiny base, whose fresh adapter already changes the outputs."""
    import torch

    model, tokenizer = Base(str(base), quantization="none").load()
    items = tokenize(click_examples(ROWS), tokenizer, 512)
    trainer: Any = make_trainer(model, tokenizer, items, recipe.replace(quantization="none"), folder)
    torch.manual_seed(3)
    for name, parameter in trainer.model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    trainer.model.train()
    return trainer


def loss_and_gradient(trainer: Any, compute: Any, batch: dict[str, Any], tokens: int | None) -> tuple[float, Any]:
    import torch

    trainer.model.zero_grad()
    with trainer.compute_loss_context_manager():
        loss = compute(trainer.model, dict(batch), num_items_in_batch=tokens)
    loss.backward()
    parts = [each.grad.flatten() for each in trainer.model.parameters() if each.grad is not None]
    return loss.item(), torch.cat(parts)


@pytest.mark.parametrize("tokens", [None, 40])
def test_loss_and_gradient_equal_those_of_all_logits(tiny_base: Path, tmp_path: Path, tokens: int | None) -> None:
    import torch

    trainer = make(tiny_base, tmp_path)
    batch = next(iter(trainer.get_train_dataloader()))
    assert (batch["attention_mask"] == 0).any()  # some rows are padded
    plain = partial(PLAIN, trainer)
    expected, gradient = loss_and_gradient(trainer, plain, batch, tokens)
    found, own = loss_and_gradient(trainer, trainer.compute_loss, batch, tokens)
    assert found == pytest.approx(expected, rel=1e-3)
    assert float(torch.nn.functional.cosine_similarity(own, gradient, 0)) > 0.999
    assert float(own.norm()) == pytest.approx(float(gradient.norm()), rel=1e-2)


def test_only_the_positions_that_predict_an_answer_get_logits(tiny_base: Path, tmp_path: Path) -> None:
    trainer = make(tiny_base, tmp_path)
    batch = next(iter(trainer.get_train_dataloader()))
    seen: list[int] = []
    head = trainer.model.get_output_embeddings()
    hook = head.register_forward_hook(lambda _, given, logits: seen.append(logits.shape[:-1].numel()))
    trainer.compute_loss(trainer.model, dict(batch))
    hook.remove()
    assert seen == [int((batch["labels"] != answer_loss.IGNORED).sum())]


def test_many_answer_tokens_are_left_to_trl_with_the_same_loss(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = make(tiny_base, tmp_path)
    batch = next(iter(trainer.get_train_dataloader()))
    own = trainer.compute_loss(trainer.model, dict(batch)).item()
    monkeypatch.setattr(answer_loss, "MOST", 1)
    assert not answer_loss.applies(batch)
    assert trainer.compute_loss(trainer.model, dict(batch)).item() == pytest.approx(own, rel=1e-3)


def test_a_packed_sequence_has_the_loss_of_all_logits(tiny_base: Path, tmp_path: Path) -> None:
    trainer = make(tiny_base, tmp_path, RECIPE.replace(packing=True, max_length=256, batch=2))
    batch = next(iter(trainer.get_train_dataloader()))
    expected = PLAIN(trainer, trainer.model, dict(batch)).item()
    assert trainer.compute_loss(trainer.model, dict(batch)).item() == pytest.approx(expected, rel=1e-3)


def test_every_example_comes_once_in_each_epoch(tiny_base: Path, tmp_path: Path) -> None:
    trainer = make(tiny_base, tmp_path, RECIPE.replace(batch=4))
    rows = Counter(tuple(row["input_ids"]) for row in trainer.train_dataset)
    assert rows.total() == ROWS
    loader = trainer.get_train_dataloader()
    for epoch in range(2):
        loader.set_epoch(epoch)
        seen = Counter(
            tuple(ids[mask.bool()].tolist())
            for batch in loader
            for ids, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True)
        )
        assert seen == rows


def test_the_same_seed_gives_the_same_weights_and_another_gives_others(tiny_base: Path, tmp_path: Path) -> None:
    def weights(name: str, seed: int) -> str:
        recipe = RECIPE.replace(epochs=1, seed=seed, batch=4)
        return train_job(job(tmp_path / name, tiny_base, click_examples(ROWS), recipe)).adapter_hash

    assert weights("one", 5) == weights("again", 5) != weights("other", 6)
