"""The base with several LoRA adapters in memory; one is applied at a time, never merged.

PEFT keeps the active adapter as state of the whole model, so calls must not overlap; ``local.py`` serialises them.
"""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...domain.errors import ModelError
from ...domain.page.media import IMAGE
from ...domain.page.messages import Completion, Message, Request
from ...domain.page.tool_text import read_answer
from ...domain.page.tools import Tool, ToolCall
from ...domain.ports import NO_MEDIA, Answer
from ..vision.processor import SeenPrompt, shown_urls
from ..vision.writing import write_seen
from .base_model import Base, first_line, positions
from .chat_template import answer_tokens, prompt_tokens, stop_tokens
from .decoding.answers import Prompt, Written, greedy, sampler
from .decoding.attention import library_attention, use_attention
from .decoding.cores import share_cores
from .decoding.fast_adapters import FastAdapters
from .decoding.packed_weights import pack_weights, unpack_weights
from .decoding.padded import write_padded
from .decoding.prefixes import Prefixes
from .decoding.slots import SLOTS, SlotDecoder

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

QUESTION: tuple[Message, ...] = ({"role": "user", "content": "What is 2 + 2?"},)
"""An ordinary text, to compare two ways of computing."""


class AdaptedModel:
    """The base and its resident adapters. Not thread-safe. Raises ``ModelError`` when the base cannot be loaded."""

    def __init__(self, base: Base, resident: int) -> None:
        self.model, self.tokenizer = base.load_for_serving()
        self.processor = base.load_processor(self.model, self.tokenizer)
        pack_weights(self.model)
        question = prompt_tokens(self.tokenizer, QUESTION)
        self.has_slots = use_attention(self.model, question)
        share_cores(self.model, question)
        self.prefixes = Prefixes()
        self.fast = FastAdapters()
        self.peft: Any = None
        self.resident = resident
        self.slots: OrderedDict[str, str] = OrderedDict()  # adapter name -> PEFT's name, the least recently used first
        self.applied: str | None = ""
        self.count = 0
        self.stop = stop_tokens(self.model, self.tokenizer)

    @property
    def takes(self) -> frozenset[str]:
        """The kinds of media that its prompts may have."""
        return frozenset() if self.processor is None else frozenset({IMAGE})

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
        self.fast.apply(self.peft.base_model, None if name is None else self.slots[name])
        self.applied = name

    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        """The answers with the applied adapter; a ``ModelError`` stands in place of one whose prompt does not fit."""
        answers: dict[int, Answer] = {}
        prompts: dict[int, Prompt] = {}
        for number, request in enumerate(requests):
            try:
                prompts[number] = self._prompt_of(request)
            except ModelError as error:
                answers[number] = error
        # By length, because prompts that are read in one pass take as long as the longest of them.
        for sees in (False, True):
            chosen = [number for number, prompt in prompts.items() if (prompt.seen is not None) == sees]
            order = sorted(chosen, key=lambda number: len(prompts[number].tokens))
            for number, written in zip(order, self._write([prompts[number] for number in order]), strict=True):
                answers[number] = self._completion(requests[number], prompts[number], written)
        return [answers[number] for number in range(len(requests))]

    def stream(self, request: Request, on_text: Callable[[str], None]) -> Completion:
        """The answer with the applied adapter; ``on_text`` gets its parts, whole characters, as they are written.

        Where functions are offered, it gets the text at the end, when the calls are known.
        """
        shown = ""

        def show(written: Sequence[int]) -> None:
            nonlocal shown
            text = self._text(written)
            # the tokens of one character may come one by one
            is_whole = not text.endswith("\ufffd") and not request.tools
            if is_whole and len(text) > len(shown) and text.startswith(shown):
                on_text(text[len(shown) :])
                shown = text

        prompt = self._prompt_of(request)
        [written] = self._write([prompt], show)
        completion = self._completion(request, prompt, written)
        if completion.text.startswith(shown) and completion.text != shown:
            on_text(completion.text[len(shown) :])
        return completion

    def _write(
        self, prompts: Sequence[Prompt], on_written: Callable[[Sequence[int]], None] = lambda written: None
    ) -> list[Written]:
        if not prompts:
            return []
        if prompts[0].seen is not None:
            return [self._write_seen(prompt, on_written) for prompt in prompts]
        if self.has_slots:
            of = self.slots[self.applied] if self.applied else None
            return SlotDecoder(self.model, self.stop, self.prefixes, of).write(prompts, on_written)
        parts = [prompts[start : start + SLOTS] for start in range(0, len(prompts), SLOTS)]
        return [written for part in parts for written in write_padded(self.model, part, self.stop, on_written)]

    def _write_seen(self, prompt: Prompt, on_written: Callable[[Sequence[int]], None]) -> Written:
        assert prompt.seen is not None
        with library_attention(self.model):
            tokens, took_s = write_seen(self.model, prompt.seen, prompt.limit, prompt.choose, self.stop, on_written)
        return Written(tokens, took_s)

    def _completion(self, request: Request, prompt: Prompt, written: Written) -> Completion:
        took_ms = round(written.took_s * 1000)
        return _complete(self._text(written.tokens), request, len(prompt.tokens), len(written.tokens), took_ms)

    def next_logits(self, messages: Sequence[Message]) -> list[float]:
        """The logits of the answer's first token (vocab,)."""
        with library_attention(self.model):
            return next_logits(self.model, self.tokenizer, messages)

    def score(
        self,
        messages: Sequence[Message],
        answer: str,
        tools: Sequence[Tool],
        calls: Sequence[ToolCall],
        media: Mapping[str, str] = NO_MEDIA,
    ) -> tuple[float, int]:
        """The log-probability of the answer, its calls and its end token, in nats, and its number of tokens. Raises
        ``ModelError`` if it does not fit."""
        import torch

        written = answer_tokens(self.tokenizer, answer, calls, messages=messages, tools=tools)
        tokens, seen = self._prompt(messages, len(written), tools, media)
        ids = torch.tensor([tokens + written], device=self.model.device)
        inputs = {"input_ids": ids} if seen is None else seen.inputs(written, self.model)
        with library_attention(self.model), torch.inference_mode():
            # The logits at each place predict the next token.
            logits = self.model(**inputs, use_cache=False, logits_to_keep=len(written) + 1).logits[0, :-1]
            chosen = logits.float().log_softmax(-1).gather(-1, ids[0, -len(written) :, None])  # (tokens, 1)
        return float(chosen.sum()), len(written)

    def _prompt_of(self, request: Request) -> Prompt:
        """Raises ``ModelError`` for a prompt that does not fit."""
        choose = sampler(request.temperature, request.seed) if request.temperature > 0 else greedy
        tokens, seen = self._prompt(request.messages, request.max_tokens, request.tools, request.media)
        return Prompt(tokens, request.max_tokens, choose, seen)

    def _prompt(
        self, messages: Sequence[Message], max_tokens: int, tools: Sequence[Tool], media: Mapping[str, str]
    ) -> tuple[list[int], SeenPrompt | None]:
        """The prompt's tokens, and the prompt with its pictures where it shows some."""
        prompt = prompt_tokens(self.tokenizer, messages, tools, media)
        urls = shown_urls(messages, media)
        seen = self.processor.look(prompt, urls) if urls and self.processor is not None else None
        prompt = prompt if seen is None else seen.tokens
        room = positions(self.model)
        if max_tokens < 1:
            raise ModelError(f"max_tokens is {max_tokens}; it takes 1 or more")
        if room is not None and len(prompt) + max_tokens > room:
            raise ModelError(
                f"prompt of {len(prompt)} tokens and {max_tokens} for the answer do not fit the model's {room}; shorten it, "
                "or lower run.memory or run.max_tokens"
            )
        return prompt, seen

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
        if config.peft_type != "LORA" or config.use_dora or isinstance(config.init_lora_weights, str):
            unpack_weights(self.model)  # such adapters are computed from the weights of the base
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
        self.fast.add(self.peft.base_model, slot)

    def _delete(self, slot: str) -> None:
        self.applied = ""
        self.fast.forget(slot)
        self.prefixes.forget(slot)
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
