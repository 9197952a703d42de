"""Logits of answers alone: on a CPU, TRL's supervised loss also computes those of every prompt token.

The words of a prompt have no loss, but each costs one row of the largest matrix of a small model. With SmolLM2 that is
a third of a training's time. On a GPU, TRL's own kernel leaves these rows out.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .shared_beginning import MOST as LONGEST
from .shared_beginning import can_share, share_beginning

if TYPE_CHECKING:
    from torch import Tensor
    from trl.trainer.sft_trainer import SFTTrainer

IGNORED = -100
"""The label of a token without loss."""
MOST = 1024
"""Answer tokens of one pass whose logits are held at once: 0.7 GB with a vocabulary of 50,000; chosen. TRL computes more
than that in parts."""


def applies(inputs: Mapping[str, Tensor]) -> bool:
    """Whether the logits of this batch's answers are computed here, and not by TRL's kernel."""
    labels = inputs["labels"]
    return labels.device.type == "cpu" and int((labels[:, 1:] != IGNORED).sum()) <= MOST


def answer_log_probs(model: Any, inputs: Mapping[str, Tensor], *, is_shared: bool = True) -> tuple[Tensor, Tensor]:
    """The log-probability of each answer token, and the row of the batch that it stands in.

    Shapes: both (answer tokens,). ``inputs`` has ``labels`` (batch, seq), where a prompt's token is ``IGNORED``.
    A common beginning of the rows is computed once, unless ``is_shared`` is false: rows with pictures have none.
    """
    import torch

    rows = (inputs["labels"][:, 1:] != IGNORED).nonzero()[:, 0]
    passes = _shared(model, inputs) if is_shared else [inputs]
    return torch.cat([_score(model, each) for each in passes]), rows


def _score(model: Any, inputs: Mapping[str, Tensor]) -> Tensor:
    """The log-probability of each answer token (answer tokens,), row by row."""
    import torch

    labels = inputs["labels"][:, 1:]  # a position predicts the token after it
    has_loss = labels != IGNORED
    others = {name: tensor for name, tensor in inputs.items() if name != "labels"}
    with _only(model.get_output_embeddings(), has_loss):
        logits = model(**{**others, "use_cache": False}).logits[0]  # (answer tokens, vocab)
    return -torch.nn.functional.cross_entropy(logits.float(), labels[has_loss], reduction="none")


def _shared(model: Any, inputs: Mapping[str, Tensor]) -> Sequence[Mapping[str, Tensor]]:
    """The batch in passes that compute a common beginning once, where that is possible and saves time."""
    is_packed = "position_ids" in inputs or "attention_mask" not in inputs
    if is_packed or not can_share(model, inputs["labels"].shape[1]):
        return [inputs]
    attention = model.config._attn_implementation
    return share_beginning(inputs, IGNORED, is_added=attention == "eager", most=LONGEST[attention])


@contextlib.contextmanager
def _only(head: Any, has_loss: Tensor) -> Iterator[None]:
    """The head computes logits at these positions alone, as one row of a batch."""
    hook = head.register_forward_pre_hook(lambda _, given: (given[0][:, :-1][has_loss][None],))
    try:
        yield
    finally:
        hook.remove()


def supervised_trainer(**parts: Any) -> SFTTrainer:
    """TRL's supervised trainer, with the same loss from the answers' logits alone. ``parts`` are its arguments."""
    from trl.trainer.sft_trainer import SFTTrainer

    plain: Any = SFTTrainer.compute_loss

    class AnswerTrainer(SFTTrainer):
        def compute_loss(
            self, model: Any, inputs: Any, return_outputs: Any = False, num_items_in_batch: Any = None
        ) -> Any:
            if self.aux_loss_enabled or not applies(inputs):
                return plain(self, model, inputs, return_outputs, num_items_in_batch)
            scored, _ = answer_log_probs(model, inputs)
            tokens = scored.numel() if num_items_in_batch is None else num_items_in_batch
            return -scored.sum() / max(int(tokens), 1)

    return AnswerTrainer(**parts)
