"""A model on this machine: one base, many adapters, and the right one for each request.

The applied adapter is state of the whole model. Two threads that switch it would get each other's answers without an
error. So one thread owns the model and does all work in order, and each piece of work names its adapter. Requests that
wait for that thread are answered together.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import TypeVar

from ...domain.errors import DamagedWeights, GrokputerError, ModelError, UnknownAdapter
from ...domain.page.messages import Completion, Message, Request
from ...domain.page.tools import Tool, ToolCall
from ...domain.ports import NO_MEDIA, Answer, Model, Proof, require_taken
from ..registry.local import hash_directory
from .adapted_model import AdaptedModel
from .base_model import Base, first_line, free_gpu, keep_freed_memory, use_threads
from .proof import prove_applied, read_reference

T = TypeVar("T")

RESIDENT = 6
"""Adapters in memory: each further one slows down loading and switching. Source: measured, 4 to 8."""
TOGETHER = 64
"""Most waiting requests answered together, so that other work waits no longer; chosen: four for each slot."""


class LocalModel(Model):
    """The base with unmerged LoRA adapters. Thread-safe. It scores answers and serves adapters.

    Each request is answered independently, so an answer does not depend on requests beside it. Raises ``ModelError``
    when the base cannot be loaded.
    """

    def __init__(self, base: Base | None = None, *, resident: int = RESIDENT) -> None:
        self.base = base or Base()
        keep_freed_memory()
        self._owner = ThreadPoolExecutor(1, "model", use_threads)
        self._lock = threading.Lock()
        self._waiting: list[_Waiting] = []  # the oldest first
        self._directories: dict[str, tuple[Path, str]] = {}  # adapter name -> folder and its hash
        self._model: AdaptedModel = self._do(lambda: AdaptedModel(self.base, resident))

    def complete(
        self,
        messages: Sequence[Message],
        *,
        adapter: str | None = None,
        max_tokens: int = 64,
        temperature: float = 0.0,
        seed: int = 0,
        tools: Sequence[Tool] = (),
        media: Mapping[str, str] = NO_MEDIA,
    ) -> Completion:
        """Answer with the base or with the named adapter applied; see ``Model.complete``."""
        [answer] = self.complete_many([Request(messages, adapter, max_tokens, temperature, seed, tools, media)])
        if isinstance(answer, GrokputerError):
            raise answer
        return answer

    def complete_many(self, requests: Sequence[Request]) -> list[Answer]:
        """Answer all requests, together with those of other threads that wait; see ``Model.complete_many``.

        Requests for one adapter share each pass through the model, and when one answer ends, the next request takes its
        place. On a CPU with bf16 products, an answer is the same bit for bit, whatever is answered beside it; elsewhere
        rounding may change the choice between two nearly equal tokens.
        """
        waiting = [_Waiting(request) for request in requests]
        taken = [one for one in waiting if self._is_taken(one)]
        with self._lock:
            self._waiting += taken
        for _ in taken:  # each call answers many; those that find none left cost nothing
            self._owner.submit(self._answer_waiting)
        return [self._result_or_error(one) for one in waiting]

    def _is_taken(self, waiting: _Waiting) -> bool:
        """Whether the model takes what the request shows; else it has the error."""
        try:
            require_taken(self, waiting.request.media, self._name)
        except ModelError as error:
            waiting.answer.set_result(error)
            return False
        return True

    def stream(self, request: Request, on_text: Callable[[str], None]) -> Completion:
        """Answer, and give the parts of the answer as they are written; see ``Model.stream``.

        The owner thread writes, and the caller's thread reads. Where the caller stops, for instance by Ctrl-C, the owner
        stops at the next token.
        """
        parts: SimpleQueue[str | None] = SimpleQueue()
        is_stopped = threading.Event()

        def write(text: str) -> None:
            if is_stopped.is_set():
                raise ModelError("the answer was stopped")
            parts.put(text)

        require_taken(self, request.media, self._name)

        def answer() -> Completion:
            try:
                return self._with_adapter(request.adapter, lambda: self._model.stream(request, write))
            finally:
                parts.put(None)

        answering = self._owner.submit(answer)
        try:
            while (part := parts.get()) is not None:
                on_text(part)
        except BaseException:
            is_stopped.set()
            raise
        return self._result(answering)

    def _answer_waiting(self) -> None:
        """Answer the oldest waiting request and those for the same adapter. Owner thread only."""
        with self._lock:
            if not self._waiting:
                return
            adapter = self._waiting[0].request.adapter
            batch = [one for one in self._waiting if one.request.adapter == adapter][:TOGETHER]
            self._waiting = [one for one in self._waiting if one not in batch]
        self._answer_batch(batch)

    def _answer_batch(self, batch: Sequence[_Waiting]) -> None:
        """Answer requests for one adapter. When a batch fails, they are repeated singly, so that only the faulty one fails."""
        try:
            requests = [one.request for one in batch]
            answers = self._with_adapter(requests[0].adapter, lambda: self._model.answer(requests))
        except Exception as error:
            if len(batch) == 1:
                batch[0].answer.set_exception(error)
                return
            for one in batch:
                self._answer_batch([one])
            return
        for one, answer in zip(batch, answers, strict=True):
            one.answer.set_result(answer)

    def _result_or_error(self, waiting: _Waiting) -> Answer:
        try:
            return self._result(waiting.answer)
        except GrokputerError as error:
            return error

    @property
    def takes(self) -> frozenset[str]:
        """Pictures, where the base is a vision model."""
        return self._model.takes

    @property
    def _name(self) -> str:
        return self.base.name or "embedded"

    @property
    def scoring(self) -> LocalModel:
        """This model: it exposes its logits."""
        return self

    @property
    def adapters(self) -> LocalModel:
        """This model: it serves adapters."""
        return self

    @property
    def base_hash(self) -> str:
        """The base's weights and quantization, which an adapter must have been trained on."""
        return self.base.identity()

    def prove(self, name: str, directory: Path) -> Proof:
        """The proof that the adapter is applied; see ``AdapterServer.prove``."""
        return prove_applied(self, name, read_reference(directory))

    def next_logits(self, messages: Sequence[Message], *, adapter: str | None = None) -> list[float]:
        """The logits of the answer's first token: one per token of the vocabulary."""
        return self._do(lambda: self._with_adapter(adapter, lambda: self._model.next_logits(messages)))

    def score(
        self,
        messages: Sequence[Message],
        answer: str,
        *,
        adapter: str | None = None,
        tools: Sequence[Tool] = (),
        tool_calls: Sequence[ToolCall] = (),
        media: Mapping[str, str] = NO_MEDIA,
    ) -> tuple[float, int]:
        """The log-probability of the answer; see ``ScoringModel.score``."""
        require_taken(self, media, self._name)

        def score() -> tuple[float, int]:
            return self._model.score(messages, answer, tools, tool_calls, media)

        return self._do(lambda: self._with_adapter(adapter, score))

    def load(self, name: str, directory: Path) -> None:
        """Load the adapter in the folder under the name; it replaces another adapter of that name.

        Raises ``DamagedWeights`` for a folder that holds anything but weights, ``ModelError`` when they do not fit.
        """
        directory = Path(directory)
        hash = hash_directory(directory)

        def swap() -> None:
            if self._directories.get(name, (None, ""))[1] == hash:
                return
            self._model.drop(name)
            self._model.bring(name, directory)
            self._directories[name] = (directory, hash)

        self._do(swap)

    def unload(self, name: str) -> None:
        """Remove the adapter. Raises ``UnknownAdapter``."""

        def forget() -> None:
            self._find(name)
            del self._directories[name]
            self._model.drop(name)

        self._do(forget)

    can_load = True
    """It loads weights of this machine."""

    def serves(self, name: str) -> bool:
        """Whether the adapter is loaded."""
        return name in self._directories

    def names(self) -> list[str]:
        """The loaded adapters, sorted."""
        return sorted(self._directories)

    def close(self) -> None:
        """Finish queued work and free the model; it answers no more."""
        self._owner.shutdown()
        is_on_gpu = self.is_on_gpu
        del self._model
        if is_on_gpu:
            free_gpu()

    @property
    def is_on_gpu(self) -> bool:
        """Whether it occupies GPU memory."""
        return self._model.model.device.type == "cuda"

    def _do(self, work: Callable[[], T]) -> T:
        """Run the work in the owner thread, after earlier work."""
        return self._result(self._owner.submit(work))

    def _result(self, working: Future[T]) -> T:
        """The result of the work, when it is done. Raises ``ModelError`` for an error that is not the program's own."""
        try:
            return working.result()
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
        """Do the work with the adapter applied; an adapter that was removed from memory is loaded again. Owner thread only."""
        if adapter is not None:
            directory, hash = self._find(adapter)
            if not self._model.has(adapter):
                if hash_directory(directory) != hash:
                    raise DamagedWeights(
                        f"weights {hash} of adapter {adapter} have changed in {directory}; restore them"
                    )
                self._model.bring(adapter, directory)
        self._model.apply(adapter)
        return work()


@dataclass(eq=False)
class _Waiting:
    """A request that waits for its answer."""

    request: Request
    answer: Future[Answer] = field(default_factory=Future)
