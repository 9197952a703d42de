"""The ports of a model: it answers; some models also score answers, serve adapters, or teach."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Protocol

from ..errors import GrokputerError, ModelError
from ..page.media import complain_of_untaken, kinds_of
from ..page.messages import Completion, Message, Request
from ..page.tools import Tool, ToolCall

if TYPE_CHECKING:
    from pathlib import Path

NO_MEDIA: Final[Mapping[str, str]] = MappingProxyType({})

Answer = Completion | GrokputerError
"""The answer to a request, or the error in its place."""


class Model(Protocol):
    """A model that answers messages: the embedded policy, any Hugging Face causal model, or an HTTP endpoint.

    A subclass need only implement ``complete``; by default it scores nothing and serves no adapters.
    """

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
        """Answer with the base (``adapter=None``) or with the named LoRA adapter applied.

        Temperature 0 is greedy. ``tools`` are the functions that are offered, and ``media`` what the marks in the messages
        stand for (``Request.media``); a request without them is made without these arguments. Raises ``ModelError`` when
        there is no answer, and ``UnknownAdapter`` when the adapter is not loaded.
        """
        ...

    def complete_many(self, requests: Sequence[Request]) -> list[Answer]:
        """The answers to the requests, in their order; an error stands in place of a missing answer.

        The default sends one request after the other. A model that batches them is faster.
        """
        return [_answer_one(self, request) for request in requests]

    def stream(self, request: Request, on_text: Callable[[str], None]) -> Completion:
        """As ``complete``; ``on_text`` gets the parts of the answer as they are written, and together they are its text.

        It is called in the caller's thread. An error that it raises ends the answer. The default gives it the whole answer
        at once. Raises what ``complete`` raises.
        """
        completion = complete(self, request)
        on_text(completion.text)
        return completion

    @property
    def takes(self) -> frozenset[str]:
        """The kinds of media that its prompts may have: ``IMAGE`` and ``AUDIO`` of ``page/media.py``; by default none."""
        return frozenset()

    @property
    def scoring(self) -> ScoringModel | None:
        """This model as a ``ScoringModel``; None where it does not expose probabilities."""
        return None

    @property
    def adapters(self) -> AdapterServer | None:
        """This model as an ``AdapterServer``; None where it serves the base alone."""
        return None

    @property
    def endpoints(self) -> EndpointChooser | None:
        """This model as an ``EndpointChooser``; None where it has no endpoints that a gateway may ask itself."""
        return None

    @property
    def is_on_gpu(self) -> bool:
        """Whether it occupies GPU memory of this machine, which a training needs."""
        return False

    def close(self) -> None:
        """Release all resources; it answers no more."""
        return


def _answer_one(model: Model, request: Request) -> Answer:
    try:
        return complete(model, request)
    except GrokputerError as error:
        return error


def complete(model: Model | Teacher, request: Request) -> Completion:
    """The model's answer to the request. Raises ``ModelError``, also where the model does not take the request's media."""
    require_taken(model, request.media)
    further: dict[str, Any] = {
        name: value for name, value in (("tools", request.tools), ("media", request.media)) if value
    }
    return model.complete(
        request.messages,
        adapter=request.adapter,
        max_tokens=request.max_tokens,
        temperature=request.temperature,
        seed=request.seed,
        **further,
    )


def require_taken(model: object, media: Mapping[str, str], name: str = "") -> None:
    """Raise ``ModelError`` where the model does not take such pictures or sounds. ``name`` names the model."""
    if media and (problem := complain_of_untaken(kinds_of(media), takes_of(model), name or type(model).__name__)):
        raise ModelError(problem)


def takes_of(model: object) -> frozenset[str]:
    """What the model takes; nothing where it was made before models could say it."""
    untyped: Any = model
    try:
        return frozenset(untyped.takes)
    except AttributeError:
        return frozenset()


@dataclass(frozen=True)
class RoleModel:
    """A model that makes the steps of one role, beside the model of all others."""

    model: Model
    label: str
    """Its name and where it is served, as a step records it."""

    def serves(self, adapter: str) -> bool:
        """Whether it serves the adapter. Raises ``ModelError``."""
        server = self.model.adapters
        return server is not None and server.serves(adapter)


class ScoringModel(Protocol):
    """A model that exposes the probabilities of answers."""

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
        """The log-probability of the answer, its calls and its end token, in nats, and its number of tokens. Raises
        ``ModelError`` if it does not fit, or the model does not take the media."""
        ...

    def next_logits(self, messages: Sequence[Message], *, adapter: str | None = None) -> list[float]:
        """The logits of the answer's first token: one per token of the vocabulary."""
        ...


@dataclass(frozen=True)
class Proof:
    """Whether the served adapter is the trained one. Differences are root mean squares over the recorded logits."""

    adapter: str
    differs: bool
    """The adapter's answers differ from the base's."""
    matches: bool
    """The adapter's answers equal those that its trainer recorded."""
    effect: float
    """Served adapter against served base."""
    error: float
    """Served adapter against trained adapter."""
    base_error: float
    """Served base against the trainer's base: rounding, unless it is a different base."""
    max_abs_difference: float
    """The largest difference of one logit between served and trained adapter."""
    prompts: int
    """Number of prompts compared."""

    @property
    def is_applied(self) -> bool:
        """Whether traffic may be routed to the adapter."""
        return self.differs and self.matches

    @property
    def numbers(self) -> dict[str, float | int]:
        """Its figures, as ``AdapterEvaluated`` and ``AdapterServed`` name them."""
        return {
            "prompts": self.prompts,
            "effect": self.effect,
            "error": self.error,
            "rounding": self.base_error,
            "max_difference": self.max_abs_difference,
        }


class AdapterServer(Protocol):
    """A model that applies adapters by name."""

    @property
    def base_hash(self) -> str | None:
        """The base that adapters must be trained on, as in ``AdapterRegistered``; None where the server decides."""
        ...

    @property
    def can_load(self) -> bool:
        """Whether it can load weights of this machine; else adapters are loaded where it runs."""
        ...

    def serves(self, name: str) -> bool:
        """Whether the adapter is available now. Quick, because it is called before each step. Raises ``ModelError``."""
        ...

    def names(self) -> Collection[str]:
        """The available adapters. Raises ``ModelError``."""
        ...

    def load(self, name: str, directory: Path) -> None:
        """Load the adapter in the folder under the name; it replaces another adapter of that name.

        Raises ``DamagedWeights`` for a folder that holds anything but weights, ``ModelError`` when they cannot be applied.
        """
        ...

    def unload(self, name: str) -> None:
        """Remove the adapter. Raises ``UnknownAdapter``."""
        ...

    def prove(self, name: str, directory: Path) -> Proof:
        """The proof that the loaded adapter is applied as its trainer left it in the folder.

        Raises ``DamagedWeights`` where the folder has no reference to compare with, ``NotServed`` where the server does
        not expose enough for a proof.
        """
        ...


@dataclass(frozen=True)
class ChosenEndpoint:
    """An endpoint that is ready for a request."""

    url: str
    """Its base URL."""
    adapter: str | None
    """The adapter's name there; None for the base."""


class EndpointChooser(Protocol):
    """A model at several endpoints, of which a gateway asks one itself, so that bytes pass unchanged."""

    def choose(self, adapter: str | None) -> AbstractContextManager[ChosenEndpoint]:
        """A healthy endpoint that applies the adapter; while the context is open, a request is in progress there.

        Raises ``EnvironmentUnavailable``, ``NotServed``, ``UnknownAdapter``, ``DamagedWeights``.
        """
        ...

    def tend(self, adapter: str) -> None:
        """Make the loaded adapter available at each endpoint that has started since, before a request needs it.

        One that is down is left alone. Raises ``UnknownAdapter``, ``DamagedWeights``.
        """
        ...

    def doubt(self, url: str) -> None:
        """Let the endpoint of this URL be looked at before it is chosen again: it was lost, or has forgotten an adapter."""
        ...


class Teacher(Protocol):
    """A better model that is asked for the right answers. One that takes media has ``takes`` and ``media`` as a ``Model``."""

    @property
    def model(self) -> str:
        """Its name, recorded with its answers."""
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
        """Release all resources."""
        ...
