"""A model that answers on this machine: one base, many adapters, and the right one for each request.

PEFT keeps the active adapter as state of the whole model, and two threads that switch it get each other's answers without
an error. So one thread owns the model, everything is done by it in order, and each piece of work says its adapter.
"""

from __future__ import annotations

import time
import warnings
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..domain.errors import DamagedWeights, GrokputerError, ModelError, UnknownAdapter
from ..domain.ports import Completion, Message
from .base_model import Base, first_line, prompt_tokens, stop_tokens, use_threads
from .decoding import decode, greedy, sampler
from .store import hash_directory

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

T = TypeVar("T")

RESIDENT = 6
"""Adapters kept in memory: loading and switching slow down with each one more. Source: measured, 4 to 8."""
BATCH = 16
"""Requests answered in one batch; chosen."""


@dataclass(frozen=True)
class Request:
    """One question of a batch, with the arguments of ``Model.complete``."""

    messages: Sequence[Message]
    adapter: str | None = None
    max_tokens: int = 64
    temperature: float = 0.0
    seed: int = 0


class LocalModel:
    """The base with LoRA adapters, unmerged; safe to call from any number of threads.

    Each request is answered on its own, so that an answer depends on nothing that happens beside it. Raises
    ``ModelError`` when the base cannot be loaded.
    """

    def __init__(self, base: Base | None = None, *, resident: int = RESIDENT, threads: int = 1) -> None:
        self.base = base or Base()
        self._owner = ThreadPoolExecutor(1, "model", use_threads, (threads,))
        self._directories: dict[str, tuple[Path, str]] = {}  # adapter name -> folder and its hash
        self._core: _Core = self._do(lambda: _Core(self.base, resident))

    def complete(
        self,
        messages: Sequence[Message],
        *,
        adapter: str | None = None,
        max_tokens: int = 64,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> Completion:
        """Answer with the base or with the named adapter applied; see ``Model.complete``."""
        request = Request(messages, adapter, max_tokens, temperature, seed)
        return self._do(lambda: self._answer([request]))[0]

    def complete_many(self, requests: Sequence[Request]) -> list[Completion]:
        """Answer all requests, those of one adapter together, in their order.

        Faster than one by one; in bf16 the rounding of a batch may turn a choice between two nearly equal tokens.
        """
        answers: dict[int, Completion] = {}
        by_adapter = sorted(range(len(requests)), key=lambda i: requests[i].adapter or "")
        for _, group in groupby(by_adapter, key=lambda i: requests[i].adapter or ""):
            members = list(group)
            for start in range(0, len(members), BATCH):
                part = members[start : start + BATCH]
                batch = [requests[i] for i in part]
                answers.update(zip(part, self._do(partial(self._answer, batch)), strict=True))
        return [answers[i] for i in range(len(requests))]

    def next_logits(self, messages: Sequence[Message], *, adapter: str | None = None) -> list[float]:
        """The logits of the answer's first token, one for each token of the vocabulary."""
        return self._do(lambda: self._with_adapter(adapter, lambda: self._core.next_logits(messages)))

    def load(self, name: str, directory: Path) -> None:
        """Make the adapter in the folder answer to the name, from now on, also where the name had another one.

        Raises ``DamagedWeights`` for a folder that holds anything but weights, ``ModelError`` when they do not fit.
        """
        directory = Path(directory)
        hash = hash_directory(directory)

        def swap() -> None:
            if self._directories.get(name, (None, ""))[1] == hash:
                return
            self._core.drop(name)
            self._core.bring(name, directory)
            self._directories[name] = (directory, hash)

        self._do(swap)

    def unload(self, name: str) -> None:
        """Forget the adapter. Raises ``UnknownAdapter``."""

        def forget() -> None:
            self._find(name)
            del self._directories[name]
            self._core.drop(name)

        self._do(forget)

    def names(self) -> list[str]:
        """The adapters that can be asked for."""
        return sorted(self._directories)

    def close(self) -> None:
        """Finish what is asked and let the model go; it answers no more."""
        self._owner.shutdown()
        del self._core

    def _do(self, work: Callable[[], T]) -> T:
        """Let the owner thread do it, after what was asked before."""
        try:
            return self._owner.submit(work).result()
        except GrokputerError:
            raise
        except Exception as error:
            raise ModelError(f"the model did not answer: {type(error).__name__}: {first_line(error)}") from error

    def _find(self, name: str) -> tuple[Path, str]:
        if name not in self._directories:
            loaded = ", ".join(sorted(self._directories)) or "none"
            raise UnknownAdapter(f"adapter {name} is not loaded; loaded are: {loaded}")
        return self._directories[name]

    def _with_adapter(self, adapter: str | None, work: Callable[[], T]) -> T:
        """Do the work with the adapter applied, read again from its folder if it had to make room. Owner thread only."""
        if adapter is not None:
            directory, hash = self._find(adapter)
            if not self._core.has(adapter):
                if hash_directory(directory) != hash:
                    raise DamagedWeights(
                        f"weights {hash} of adapter {adapter} have changed in {directory}; restore them"
                    )
                self._core.bring(adapter, directory)
        self._core.apply(adapter)
        return work()

    def _answer(self, requests: list[Request]) -> list[Completion]:
        """Answer requests for one adapter in one batch. Owner thread only."""
        return self._with_adapter(requests[0].adapter, lambda: self._core.answer(requests))


class _Core:
    """The model itself. Only the owner thread touches it."""

    def __init__(self, base: Base, resident: int) -> None:
        self.model, self.tokenizer = base.load_for_serving()
        self.peft: Any = None
        self.resident = resident
        self.slots: OrderedDict[str, str] = OrderedDict()  # adapter name -> PEFT's name, the least recently used first
        self.applied: str | None = ""
        self.count = 0
        self.stop = stop_tokens(self.model, self.tokenizer)

    def has(self, name: str) -> bool:
        return name in self.slots

    def bring(self, name: str, directory: Path) -> None:
        """Read the adapter into memory, the least recently used one making room."""
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
        """Free the adapter's memory, if it has any."""
        slot = self.slots.pop(name, None)
        if slot is not None:
            self._delete(slot)

    def apply(self, name: str | None) -> None:
        """From now on, the model is the base with exactly this adapter, or the bare base."""
        if name is not None:
            self.slots.move_to_end(name)
        if self.peft is None or name == self.applied:
            return
        self.applied = ""  # none of both, should this fail
        tuner = self.peft.base_model
        if name is None:
            tuner.disable_adapter_layers()
        else:
            tuner.enable_adapter_layers()
            tuner.set_adapter(self.slots[name], inference_mode=True)
        self.applied = name

    def answer(self, requests: list[Request]) -> list[Completion]:
        started = time.perf_counter()
        prompts = [self._prompt(request.messages, request.max_tokens) for request in requests]
        choose = [sampler(r.temperature, r.seed) if r.temperature > 0 else greedy for r in requests]
        written = decode(self.model, prompts, [request.max_tokens for request in requests], choose, self.stop)
        took_ms = round((time.perf_counter() - started) * 1000)
        return [
            Completion(str(self.tokenizer.decode(tokens, skip_special_tokens=True)), len(prompt), len(tokens), took_ms)
            for prompt, tokens in zip(prompts, written, strict=True)
        ]

    def next_logits(self, messages: Sequence[Message]) -> list[float]:
        return next_logits(self.model, self.tokenizer, messages)

    def _prompt(self, messages: Sequence[Message], max_tokens: int) -> list[int]:
        prompt = prompt_tokens(self.tokenizer, messages)
        room = getattr(self.model.config, "max_position_embeddings", None)
        if max_tokens < 1:
            raise ModelError(f"max_tokens is {max_tokens}; allowed is 1 and more")
        if room is not None and len(prompt) + max_tokens > room:
            raise ModelError(
                f"prompt of {len(prompt)} tokens and {max_tokens} for the answer do not fit the model's {room}; shorten it"
            )
        return prompt

    def _read(self, slot: str, directory: Path) -> None:
        from peft import PeftConfig, PeftModel

        if not (directory / "adapter_model.safetensors").is_file():
            raise FileNotFoundError("adapter_model.safetensors is missing")  # PEFT would look for a pickle
        config = PeftConfig.from_pretrained(str(directory))
        config.inference_mode = True
        self.applied = ""
        if self.peft is None:
            with warnings.catch_warnings():
                # PEFT asks transformers for something by a name that is going away.
                warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
                self.peft = PeftModel(self.model, config, slot, autocast_adapter_dtype=False)
        else:
            self.peft.add_adapter(slot, config, autocast_adapter_dtype=False)
        try:
            result = self.peft.load_adapter(str(directory), slot, torch_device=str(self.model.device))
            if result.missing_keys or result.unexpected_keys:
                raise ValueError(f"weights for {[*result.missing_keys, *result.unexpected_keys][0]} do not match")
        except Exception:
            self._delete(slot)
            raise
        self.peft.eval()

    def _delete(self, slot: str) -> None:
        self.applied = ""
        others = [other for other in self.peft.peft_config if other != slot]
        if others:  # PEFT cannot do without an active adapter
            self.peft.base_model.set_adapter(others[0], inference_mode=True)
            self.peft.delete_adapter(slot)
        else:
            self.peft.unload()  # what remains is the bare base
            self.peft = None


def next_logits(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message]) -> list[float]:
    """The logits of the answer's first token (vocab,), in fp32."""
    import torch

    ids = torch.tensor([prompt_tokens(tokenizer, messages)], device=model.device)
    with torch.no_grad():
        logits: list[float] = model(input_ids=ids, use_cache=False, logits_to_keep=1).logits[0, -1].float().tolist()
    return logits
