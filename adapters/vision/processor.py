"""What a vision model is given for a prompt with pictures, by the processor that comes with the model.

The prompt's own tokens are made as for any prompt (``serving/chat_template.py``): text that only looks like a picture's token
stays text. Each token that the template wrote for a picture is then replaced by those that the processor makes of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ...domain.errors import ModelError
from ...domain.page.media import marks_in
from .pictures import open_picture

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from ...domain.page.messages import Message

OF_TEXT = ("input_ids", "attention_mask")
"""What is made for every prompt."""


@dataclass(frozen=True)
class SeenPrompt:
    """A prompt with pictures."""

    tokens: list[int]
    of_tokens: Mapping[str, list[int]] = field(default_factory=dict)
    """Further numbers for each token, by the names of the model's arguments."""
    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    """The pictures, by the names of the model's arguments."""

    def inputs(self, answer: Sequence[int], model: PreTrainedModel) -> dict[str, Tensor]:
        """The model's arguments for the prompt and an answer after it.

        Shapes: ``input_ids`` and ``attention_mask`` (1, prompt + answer).
        """
        import torch

        ids = torch.tensor([[*self.tokens, *answer]])
        rows = {name: torch.tensor([[*row, *[0] * len(answer)]]) for name, row in self.of_tokens.items()}
        given = {"input_ids": ids, "attention_mask": torch.ones_like(ids), **rows, **self.tensors}
        return {
            name: tensor.to(model.device, model.dtype if tensor.is_floating_point() else None)
            for name, tensor in given.items()
        }


class Processor:
    """The processor of one model: its pictures as tokens and tensors."""

    def __init__(self, processor: Any, tokenizer: PreTrainedTokenizerBase) -> None:
        self._processor = processor
        self._tokenizer = tokenizer

    @cached_property
    def sign(self) -> str:
        """The control token that the template writes where a picture stands. Raises ``ModelError`` where there is none."""
        turn = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "question"}]}
        try:
            rendered = str(self._tokenizer.apply_chat_template([turn], tokenize=False, add_generation_prompt=True))  # type: ignore[arg-type]
        except Exception as error:  # the template's refusal, an exception of the template engine
            raise ModelError(f"the model's chat template takes no pictures: {' '.join(str(error).split())}") from None
        named = (getattr(self._processor, "boi_token", None), getattr(self._processor, "image_token", None))
        sign = next((text for text in named if isinstance(text, str) and text in rendered), None)
        if sign is None:
            raise ModelError(
                "the model's chat template writes no token for a picture; set model.chat_template to another"
            )
        return sign

    def look(self, tokens: Sequence[int], urls: Sequence[str]) -> SeenPrompt:
        """The prompt with these pictures, which ``tokens`` has signs for, in their order. Raises ``ModelError``."""
        sign: Any = self._tokenizer.convert_tokens_to_ids(self.sign)
        signs = list(tokens).count(sign)
        if signs != len(urls):
            raise ModelError(f"the model's chat template writes {signs} pictures for {len(urls)}; use another template")
        pictures = [open_picture(url) for url in urls]
        parts = [self._process(self.sign, [picture]) for picture in pictures]
        whole = parts[0] if len(parts) == 1 else self._process(self.sign * len(pictures), pictures)
        names = [name for name in whole if _is_of_tokens(name, whole)]
        written: list[int] = []
        rows: dict[str, list[int]] = {name: [] for name in names}
        waiting = iter(parts)
        for token in tokens:
            part = next(waiting) if token == sign else None
            written += [token] if part is None else part["input_ids"][0].tolist()
            for name, row in rows.items():
                row += [0] if part is None else part[name][0].tolist()
        tensors = {name: whole[name] for name in whole if name not in (*OF_TEXT, *names)}
        return SeenPrompt(written, rows, tensors)

    def _process(self, text: str, pictures: Sequence[Image]) -> dict[str, Tensor]:
        made = self._processor(text=[text], images=list(pictures), add_special_tokens=False, return_tensors="pt")
        return dict(made)


def shown_urls(messages: Iterable[Message], media: Mapping[str, str]) -> list[str]:
    """The pictures that the messages show, in their order."""
    return [media[key] for message in messages for _, key in marks_in(message["content"]) if key in media]


def _is_of_tokens(name: str, made: Mapping[str, Tensor]) -> bool:
    """Whether there is one number for each token."""
    return name not in OF_TEXT and made[name].shape == made["input_ids"].shape
