"""The base with several LoRA adapters in memory; one is applied at a time, never merged.

PEFT keeps the active adapter as state of the whole model, so calls must not overlap; ``local.py`` serialises them.
"""

from __future__ import annotations

import time
import warnings
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...domain.errors import ModelError
from ...domain.page.messages import Completion, Message, Request
from ...domain.page.tool_text import read_answer
from ...domain.page.tools import Tool, ToolCall
from .base_model import Base, first_line, positions
from .chat_template import answer_tokens, prompt_tokens, stop_tokens
from .decoding import decode, greedy, sampler

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class AdaptedModel:
    """The base and its resident adapters. Not thread-safe. Raises ``ModelError`` when the base cannot be loaded."""

    def __init__(self, base: Base, resident: int) -> None:
        self.model, self.tokenizer = base.load_for_serving()
        self.peft: Any = None
        self.resident = resident
        self.slots: OrderedDict[str, str] = OrderedDict()  # adapter name -> PEFT's name, the least recently used first
        self.applied: str | None = ""
        self.count = 0
        self.stop = stop_tokens(self.model, self.tokenizer)

    def has(self, name: str) -> bool:
        """Whether the adapter is in memory."""
        return name in self.slots

    def bring(self, name: str, directory: Path) -> None:
        """Load the adapter into memory; the least recently used one is removed if there is no room."""
        while len(self.slots) >= self.resident:
            self.drop(next(iter(self.slots)))
        self.count += 1
        slot = f"slot{self.count}"  # PEFT makes it a module's name, which may have no dots
        try:
            self._read(slot, directory)
        except Exception as error:
            raise ModelError(
                f"adapter {name} in {directory} does not fit the base model: {first_line(error)}"
            ) from error
        self.slots[name] = slot

    def drop(self, name: str) -> None:
        """Free the adapter's memory, if it is loaded."""
        slot = self.slots.pop(name, None)
        if slot is not None:
            self._delete(slot)

    def apply(self, name: str | None) -> None:
        """Apply exactly this adapter to the base; None applies none."""
        if name is not None:
            self.slots.move_to_end(name)
        if self.peft is None or name == self.applied:
            return
        self.applied = ""  # unknown, should this fail
        tuner = self.peft.base_model
        if name is None:
            tuner.disable_adapter_layers()
        else:
            tuner.enable_adapter_layers()
            tuner.set_adapter(self.slots[name], inference_mode=True)
        self.applied = name

    def answer(self, requests: Sequence[Request]) -> list[Completion]:
        """The answers with the applied adapter, in one batch. Raises ``ModelError`` for a prompt that does not fit."""
        started = time.perf_counter()
        prompts = [self._prompt(request.messages, request.max_tokens, request.tools) for request in requests]
        choose = [sampler(r.temperature, r.seed) if r.temperature > 0 else greedy for r in requests]
        written = decode(self.model, prompts, [request.max_tokens for request in requests], choose, self.stop)
        took_ms = round((time.perf_counter() - started) * 1000)
        return [
            _complete(self._text(tokens), request, len(prompt), len(tokens), took_ms)
            for request, prompt, tokens in zip(requests, prompts, written, strict=True)
        ]

    def stream(self, request: Request, on_text: Callable[[str], None]) -> Completion:
        """The answer with the applied adapter; ``on_text`` gets its parts, whole characters, as they are written.

        Where functions are offered, it gets the text at the end, when the calls are known.
        """
        started, shown = time.perf_counter(), ""

        def show(written: Sequence[int]) -> None:
            nonlocal shown
            text = self._text(written)
            # the tokens of one character may come one by one
            is_whole = not text.endswith("\ufffd") and not request.tools
            if is_whole and len(text) > len(shown) and text.startswith(shown):
                on_text(text[len(shown) :])
                shown = text

        prompt = self._prompt(request.messages, request.max_tokens, request.tools)
        choose = sampler(request.temperature, request.seed) if request.temperature > 0 else greedy
        [written] = decode(self.model, [prompt], [request.max_tokens], [choose], self.stop, show)
        took_ms = round((time.perf_counter() - started) * 1000)
        completion = _complete(self._text(written), request, len(prompt), len(written), took_ms)
        if completion.text.startswith(shown) and completion.text != shown:
            on_text(completion.text[len(shown) :])
        return completion

    def next_logits(self, messages: Sequence[Message]) -> list[float]:
        """The logits of the answer's first token (vocab,)."""
        return next_logits(self.model, self.tokenizer, messages)

    def score(
        self, messages: Sequence[Message], answer: str, tools: Sequence[Tool], calls: Sequence[ToolCall]
    ) -> tuple[float, int]:
        """The log-probability of the answer, its calls and its end token, in nats, and its number of tokens. Raises
        ``ModelError`` if it does not fit."""
        import torch

        written = answer_tokens(self.tokenizer, answer, calls, messages=messages, tools=tools)
        prompt = self._prompt(messages, len(written), tools)
        ids = torch.tensor([prompt + written], device=self.model.device)
        with torch.inference_mode():
            # The logits at each place predict the next token.
            logits = self.model(input_ids=ids, use_cache=False, logits_to_keep=len(written) + 1).logits[0, :-1]
            chosen = logits.float().log_softmax(-1).gather(-1, ids[0, -len(written) :, None])  # (tokens, 1)
        return float(chosen.sum()), len(written)

    def _prompt(self, messages: Sequence[Message], max_tokens: int, tools: Sequence[Tool]) -> list[int]:
        prompt = prompt_tokens(self.tokenizer, messages, tools)
        room = positions(self.model)
        if max_tokens < 1:
            raise ModelError(f"max_tokens is {max_tokens}; it takes 1 or more")
        if room is not None and len(prompt) + max_tokens > room:
            raise ModelError(
                f"prompt of {len(prompt)} tokens and {max_tokens} for the answer do not fit the model's {room}; shorten it, "
                "or lower run.memory or run.max_tokens"
            )
        return prompt

    def _text(self, tokens: Sequence[int]) -> str:
        # Some tokenizers would remove spaces that an action needs.
        text = self.tokenizer.decode(list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return str(text)

    def _read(self, slot: str, directory: Path) -> None:
        from peft import PeftConfig, PeftModel

        if not (directory / "adapter_model.safetensors").is_file():
            raise FileNotFoundError("adapter_model.safetensors is missing")  # PEFT would look for a pickle
        config = PeftConfig.from_pretrained(str(directory))
        config.inference_mode = True
        self.applied = ""
        if self.peft is None:
            with warnings.catch_warnings():
                # PEFT uses a deprecated name of transformers.
                warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
                self.peft = PeftModel(self.model, config, slot, autocast_adapter_dtype=False)
        else:
            self.peft.add_adapter(slot, config, autocast_adapter_dtype=False)
        try:
            options = {"torch_device": str(self.model.device), "autocast_adapter_dtype": False}
            result = self.peft.load_adapter(str(directory), slot, **options)
            if result.missing_keys or result.unexpected_keys:
                raise ValueError(f"weights for {[*result.missing_keys, *result.unexpected_keys][0]} do not match")
        except Exception:
            self._delete(slot)
            raise
        self.peft.eval()

    def _delete(self, slot: str) -> None:
        self.applied = ""
        others = [other for other in self.peft.peft_config if other != slot]
        if others:  # PEFT needs an active adapter
            self.peft.base_model.set_adapter(others[0], inference_mode=True)
            self.peft.delete_adapter(slot)
        else:
            self.peft.unload()  # what remains is the bare base
            self.peft = None


def _complete(written: str, request: Request, prompt_tokens: int, completion_tokens: int, took_ms: int) -> Completion:
    """The answer, with the calls in it where functions were offered."""
    text, calls = read_answer(written) if request.tools else (written, ())
    return Completion(text, prompt_tokens, completion_tokens, took_ms, calls)


def next_logits(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message]) -> list[float]:
    """The logits of the answer's first token (vocab,), in fp32."""
    import torch

    ids = torch.tensor([prompt_tokens(tokenizer, messages)], device=model.device)
    with torch.no_grad():
        logits: list[float] = model(input_ids=ids, use_cache=False, logits_to_keep=1).logits[0, -1].float().tolist()
    return logits
