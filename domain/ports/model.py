"""The ports of a model: one that answers, and what some models do beside: score answers, serve adapters, teach."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ..errors import GrokputerError
from ..page.messages import Completion, Message, Request

if TYPE_CHECKING:
    from pathlib import Path

Answer = Completion | GrokputerError
"""What came of a request: the answer, or the error in its place."""


class Model(Protocol):
    """Something that answers messages: the embedded policy, any Hugging Face causal model, or an HTTP endpoint.

    A model that inherits this class need only answer one request; it then scores nothing and serves no adapters.
    """

    def complete(
        self,
        messages: Sequence[Message],
        *,
        adapter: str | None = None,
        max_tokens: int = 64,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> Completion:
        """Answer with the base (``adapter=None``) or with the named LoRA adapter applied.

        Temperature 0 is greedy. Raises ``ModelError`` when no answer can be had and ``UnknownAdapter`` when the
        adapter is not loaded.
        """
        ...

    def complete_many(self, requests: Sequence[Request]) -> list[Answer]:
        """The answer to each request, in their order; where one has none, its error stands in its place.

        The default asks one after the other. A model that answers several at a time is faster.
        """
        return [_answer_one(self, request) for request in requests]

    @property
    def scoring(self) -> ScoringModel | None:
        """The model as one that scores answers, None where it does not show what it holds for likely."""
        return None

    @property
    def adapters(self) -> AdapterServer | None:
        """The model as one that serves adapters, None where it serves the base alone."""
        return None

    @property
    def is_on_gpu(self) -> bool:
        """Whether it holds memory of a GPU of this machine, which a training needs."""
        return False

    def close(self) -> None:
        """Let go of what it holds; it answers no more."""
        return


def _answer_one(model: Model, request: Request) -> Answer:
    try:
        return model.complete(
            request.messages,
            adapter=request.adapter,
            max_tokens=request.max_tokens,
            temperature=request.temperature,
            seed=request.seed,
        )
    except GrokputerError as error:
        return error


class ScoringModel(Protocol):
    """A model that shows how likely answers are to it."""

    def score(self, messages: Sequence[Message], answer: str, *, adapter: str | None = None) -> tuple[float, int]:
        """The log-probability of the answer with its end, in nats, and its tokens. Raises ``ModelError`` if it does not fit."""
        ...

    def next_logits(self, messages: Sequence[Message], *, adapter: str | None = None) -> list[float]:
        """The logits of the answer's first token, one for each token of the vocabulary."""
        ...


@dataclass(frozen=True)
class Proof:
    """Whether the served adapter is the trained one. Differences are root mean squares over the recorded logits."""

    adapter: str
    differs: bool
    """The adapter's answers are not the base's."""
    matches: bool
    """The adapter's answers are those its trainer recorded."""
    effect: float
    """Served adapter against served base."""
    error: float
    """Served adapter against trained adapter."""
    base_error: float
    """Served base against the trainer's base: rounding, unless the base is another one."""
    max_abs_difference: float
    """The largest difference of one logit between served and trained adapter."""
    prompts: int
    """The prompts that were asked."""

    @property
    def is_applied(self) -> bool:
        """Whether traffic may be routed to the adapter."""
        return self.differs and self.matches


class AdapterServer(Protocol):
    """A model that applies adapters by name."""

    @property
    def base_hash(self) -> str | None:
        """The base that adapters must be trained on, as ``AdapterRegistered`` names it; None where the server decides."""
        ...

    @property
    def can_load(self) -> bool:
        """Whether it can load weights of this machine; else adapters are loaded where it runs."""
        ...

    def serves(self, name: str) -> bool:
        """Whether the adapter can be asked for now. It is quick, as it is asked before each step. Raises ``ModelError``."""
        ...

    def names(self) -> Collection[str]:
        """The adapters that can be asked for. Raises ``ModelError``."""
        ...

    def load(self, name: str, directory: Path) -> None:
        """Make the adapter in the folder answer to the name, from now on, also where the name had another one.

        Raises ``DamagedWeights`` for a folder that holds anything but weights, ``ModelError`` when they cannot be applied.
        """
        ...

    def unload(self, name: str) -> None:
        """Forget the adapter. Raises ``UnknownAdapter``."""
        ...

    def prove(self, name: str, directory: Path) -> Proof:
        """The proof that the loaded adapter is applied as its trainer left it in the folder.

        Raises ``DamagedWeights`` where the folder has no reference to compare with, ``NotServed`` where the server
        does not show enough for a proof.
        """
        ...


class Teacher(Protocol):
    """A better model that is asked for what should have been done."""

    @property
    def model(self) -> str:
        """Its name, recorded with what it makes."""
        ...

    def complete(
        self,
        messages: Sequence[Message],
        *,
        adapter: str | None = None,
        max_tokens: int = 64,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> Completion:
        """Its answer; see ``Model.complete``."""
        ...

    def close(self) -> None:
        """Let go of what it holds."""
        ...
