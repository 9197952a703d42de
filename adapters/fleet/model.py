"""A model at one or several vLLM endpoints, which load and apply the adapters of this log.

Requests go to the endpoint with the fewest in progress. One that fails is drained: it gets no more until it is healthy again.
An adapter's traffic goes to endpoints alone that were proven to apply it since their last start.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from itertools import chain, count
from pathlib import Path
from typing import TypeVar

from ...domain.errors import (
    DamagedWeights,
    EnvironmentUnavailable,
    GrokputerError,
    ModelError,
    NotServed,
    UnknownAdapter,
)
from ...domain.page.media import KINDS
from ...domain.page.messages import Completion, Message, Request
from ...domain.page.tools import Tool, ToolCall
from ...domain.ports import NO_MEDIA, Answer, ChosenEndpoint, Model, Proof, Served, complete
from ..registry.local import hash_directory
from .endpoint import Down, VllmEndpoint, is_busy, is_lost, is_of_server
from .member import Member, Weights

T = TypeVar("T")

Ask = Callable[[VllmEndpoint, str | None], T]
"""Asks an endpoint; the second argument is the adapter's name there, or None for the base."""

AT_ONCE = 16
"""Requests of one call that an endpoint gets at once; chosen: as many as the embedded model answers together."""
ROOM = 16
"""Adapters that the endpoints have of this process; chosen: live, canary and parents of some roles."""
CLOSE_S = 30.0
"""Seconds that closing waits for answers in progress; chosen, as for the gateway."""


class VllmModel(Model):
    """The fleet as one model. Thread-safe. It scores answers and serves adapters.

    ``base_hash`` is the base that adapters must be trained on. ``folder`` is where the endpoints see the folder of the weights;
    None where they see it as this program does.
    """

    def __init__(
        self, members: Sequence[Member], base_hash: str, folder: str | None = None, *, room: int = ROOM
    ) -> None:
        self._members = list(members)
        self._base_hash = base_hash
        self._folder = folder
        self._room = room
        self._weights: dict[str, Weights] = {}
        self._used: dict[str, int] = {}
        """The number of each adapter's latest use."""
        self._uses = count()
        self._turn = count()
        self._threads = ThreadPoolExecutor(AT_ONCE * len(self._members), "vllm")
        self._closing = threading.Event()

    takes = frozenset(KINDS)
    """The server decides what it takes."""

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
        """An endpoint's answer; see ``Model.complete``.

        Raises ``EnvironmentUnavailable`` where no endpoint is healthy, ``NotServed`` where none applies the adapter, and
        ``DamagedWeights`` where its folder has changed: an endpoint would read the folder again.
        """
        return self._complete(Request(messages, adapter, max_tokens, temperature, seed, tools, media))

    def _complete(self, request: Request) -> Completion:
        return self._ask(request.adapter, lambda endpoint, name: complete(endpoint, replace(request, adapter=name)))

    def complete_many(self, requests: Sequence[Request]) -> list[Answer]:
        """The answers, in their order, asked for in parallel."""
        return list(self._threads.map(self._answer, requests))

    def _answer(self, request: Request) -> Answer:
        try:
            return self._complete(request)
        except GrokputerError as error:
            return error

    def stream(self, request: Request, on_text: Callable[[str], None]) -> Completion:
        """An endpoint's answer, in parts as they come. After its first part no other endpoint takes its place."""
        has_begun = False

        def tell(text: str) -> None:
            nonlocal has_begun
            has_begun = True
            on_text(text)

        return self._ask(
            request.adapter,
            lambda endpoint, name: endpoint.stream(replace(request, adapter=name), tell),
            may_repeat=lambda: not has_begun,
        )

    @property
    def scoring(self) -> VllmModel:
        """This model: its endpoints tell the probabilities of answers."""
        return self

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
        """The log-probability of the answer; see ``ScoringModel.score``. None scores pictures or sounds."""
        if media:
            raise ModelError("vLLM scores no answers about pictures or sounds; set model.backend to local")
        turn: Message = {"role": "assistant", "content": answer}
        if tool_calls:
            turn["tool_calls"] = list(tool_calls)
        return self._ask(adapter, lambda endpoint, name: endpoint.score_tokens(messages, turn, name, tools))

    def next_logits(self, messages: Sequence[Message], *, adapter: str | None = None) -> list[float]:
        """Raises ``NotServed``: endpoints tell the probabilities of chosen tokens alone."""
        raise NotServed("vLLM does not expose its logits; adapters are proven there by log-probabilities")

    @property
    def adapters(self) -> VllmModel:
        """This model: its endpoints serve adapters."""
        return self

    @property
    def base_hash(self) -> str:
        """The base's weights and quantization, which an adapter must have been trained on."""
        return self._base_hash

    can_load = True
    """Its endpoints load weights of this machine, or of a folder that both see."""

    def serves(self, name: str) -> bool:
        """Whether a healthy endpoint applies the adapter. Quick."""
        weights = self._weights.get(name)
        return weights is not None and any(member.applies(weights) for member in self._members)

    def names(self) -> list[str]:
        """The adapters that a healthy endpoint applies, sorted."""
        return sorted(name for name in self._weights if self.serves(name))

    def load(self, name: str, directory: Path) -> None:
        """Load and prove the adapter at each healthy endpoint.

        Raises ``DamagedWeights``, ``EnvironmentUnavailable`` where no endpoint is healthy, and ``NotServed`` where none
        loads it. One that loads it and does not apply it is for ``prove`` to tell.
        """
        directory = Path(directory).resolve()
        hash = hash_directory(directory)
        digest = hash.removeprefix("sha256:")
        folder = str(directory) if self._folder is None else f"{self._folder.rstrip('/')}/{digest}"
        before = self._weights.get(name)
        self._weights[name] = weights = Weights(name, hash, directory, folder, _look_at(directory))
        if before is not None and before.hash != hash:
            self._unload(before)
        found = self._prepare_all(weights)
        if all(served.proof is None for served in found):
            raise NotServed(found[0].problem)
        self._used[name] = next(self._uses)
        self._evict()

    def _evict(self) -> None:
        """Unload the least recently used adapters that are too many. One that is asked for later is loaded again."""
        for name in sorted(self._weights, key=lambda each: self._used.get(each, -1))[: -self._room]:
            with suppress(EnvironmentUnavailable, UnknownAdapter):
                self.unload(name)

    def unload(self, name: str) -> None:
        """Let every endpoint forget the adapter: after that its folder may be deleted.

        Raises ``UnknownAdapter``, and ``EnvironmentUnavailable`` where an endpoint cannot be asked, and may still have it.
        """
        if name not in self._weights:
            raise UnknownAdapter(f"adapter {name} is not loaded; loaded are: {', '.join(self.names()) or 'none'}")
        self._unload(self._weights[name])
        del self._weights[name]

    def prove(self, name: str, directory: Path) -> Proof:
        """The proof that the adapter is applied: the least exact one of the endpoints that apply it, else one that shows why it
        is not. Raises as ``load``."""
        if name not in self._weights:
            self.load(name, directory)
        found = self._prepare_all(self._weights[name])
        proofs = [served.proof for served in found if served.proof is not None]
        if not proofs:
            raise NotServed(found[0].problem)
        return max(proofs, key=lambda proof: (proof.is_applied, proof.error))

    @property
    def endpoints(self) -> VllmModel:
        """This model: a gateway may ask its endpoints itself."""
        return self

    def choose(self, adapter: str | None) -> AbstractContextManager[ChosenEndpoint]:
        """A healthy endpoint that applies the adapter; see ``EndpointChooser.choose``."""

        @contextmanager
        def ask(member: Member, name: str | None) -> Iterator[ChosenEndpoint]:
            with member.asked() as endpoint:
                yield ChosenEndpoint(endpoint.base_url, name)

        return self._with_ready(adapter, ask)

    def tend(self, adapter: str) -> None:
        """Load and prove the adapter at each endpoint that has started since that was done there; see ``EndpointChooser``."""
        weights = self._require_unchanged(adapter)
        for member in self._members:
            with suppress(Down, NotServed):
                member.prepare(weights)

    def doubt(self, url: str) -> None:
        """Let the endpoint be looked at before it is chosen again."""
        for member in self._members:
            if member.endpoint.base_url == url:
                member.look_again()

    def close(self) -> None:
        """Wait for the answers in progress, and close the connections."""
        self._closing.set()
        until = time.monotonic() + CLOSE_S
        while any(member.open for member in self._members) and time.monotonic() < until:
            time.sleep(0.01)
        self._threads.shutdown(cancel_futures=True)
        for member in self._members:
            member.endpoint.close()

    def _ask(self, adapter: str | None, ask: Ask[T], may_repeat: Callable[[], bool] = lambda: True) -> T:
        """The answer of the first endpoint that has one."""

        def ask_one(member: Member, name: str | None) -> T:
            weights = None if adapter is None else self._weights.get(adapter)
            try:
                return self._ask_one(member, weights, ask, may_repeat)
            except ModelError as error:
                if may_repeat() and (is_lost(error) or is_busy(error)):
                    raise Down(str(error)) from error
                raise

        return self._with_ready(adapter, ask_one)

    def _with_ready(self, adapter: str | None, use: Callable[[Member, str | None], T]) -> T:
        """What ``use`` returns for the first endpoint that is ready and not down; it gets the adapter's name there."""
        if self._closing.is_set():
            raise ModelError("the model is closed")
        weights = None if adapter is None else self._require_unchanged(adapter)
        down, refused = dict[str, str](), dict[str, str]()
        for member, is_last in chain(self._in_turn(), ((it, True) for it in self._members if it.problem)):
            url = member.endpoint.base_url
            try:
                self._require_ready(member, weights, is_last=is_last)
                return use(member, None if weights is None else weights.name)
            except NotServed as error:
                refused[url] = str(error)
            except (Down, UnknownAdapter) as error:
                down[url] = str(error)
        if adapter is not None and refused and not down.keys() - refused.keys():
            raise NotServed(f"{adapter} is not available: {'; '.join(refused.values())}")
        raise _no_endpoint({**refused, **down})

    def _in_turn(self) -> Iterator[tuple[Member, bool]]:
        """The endpoints, healthy ones and those with fewer requests first; else each in its turn."""
        first, size = next(self._turn), len(self._members)
        rotated = [self._members[(first + offset) % size] for offset in range(size)]
        return (
            (member, False) for member in sorted(rotated, key=lambda each: (each.is_out, each.is_settling, each.open))
        )

    def _ask_one(self, member: Member, weights: Weights | None, ask: Ask[T], may_repeat: Callable[[], bool]) -> T:
        """The endpoint's answer. Where the fault may be that it has started again, it is looked at, has what it lost loaded and
        proven again, and is asked once more. An error of a healthy endpoint is the request's own."""
        name = None if weights is None else weights.name
        try:
            with member.asked() as endpoint:
                return ask(endpoint, name)
        except (UnknownAdapter, ModelError) as error:
            if not may_repeat() or not (isinstance(error, UnknownAdapter) or is_of_server(error)):
                raise
            member.look_again()
            self._require_ready(member, weights)
            if not isinstance(error, UnknownAdapter) and not is_lost(error):
                raise
        with member.asked() as endpoint:
            return ask(endpoint, name)

    def _require_ready(self, member: Member, weights: Weights | None, *, is_last: bool = False) -> None:
        """Raise ``Down`` where the endpoint is not healthy, and ``NotServed`` where it does not apply the adapter."""
        if member.is_ready(weights):
            return
        served = member.prepare(weights, is_last=is_last)
        if served is not None and not served.is_applied:
            raise NotServed(f"{served.endpoint}: {served.problem}")

    def _prepare_all(self, weights: Weights) -> list[Served]:
        """What each healthy endpoint does with the adapter. Raises ``EnvironmentUnavailable`` where none is healthy."""
        found, problems = list[Served](), dict[str, str]()
        for member in self._members:
            try:
                served = member.prepare(weights, is_last=True)
            except (Down, NotServed) as error:
                problems[member.endpoint.base_url] = str(error)
                continue
            assert served is not None
            found.append(served)
        if not found:
            raise _no_endpoint(problems)
        return found

    def _require_unchanged(self, adapter: str) -> Weights:
        """The adapter's weights. An endpoint reads the folder again after it needed the room: it dies where the folder is gone,
        and answers by other weights where it was changed. So nothing is asked of such an adapter any more.

        Raises ``UnknownAdapter``, ``DamagedWeights``.
        """
        weights = self._weights.get(adapter)
        if weights is None:
            raise UnknownAdapter(f"adapter {adapter} is not loaded; loaded are: {', '.join(self.names()) or 'none'}")
        self._used[adapter] = next(self._uses)
        if _look_at(weights.directory) != weights.files:
            self._weights.pop(adapter, None)
            for member in self._members:
                try:
                    member.unload(weights.name)
                except (Down, NotServed):
                    member.look_again()
            raise DamagedWeights(
                f"weights {weights.hash} of adapter {adapter} have changed in {weights.directory}; restore them"
            )
        return weights

    def _unload(self, weights: Weights) -> None:
        """Let every endpoint forget the weights, unless another adapter has the same. Raises ``EnvironmentUnavailable``."""
        if any(other.hash == weights.hash and other is not weights for other in self._weights.values()):
            return
        left = []
        for member in self._members:
            try:
                member.unload(weights.name)
            except (Down, NotServed) as error:
                left.append(str(error))
        if left:
            raise EnvironmentUnavailable(f"{weights.adapter} may still be loaded, so keep its folder: {left[0]}")


def _no_endpoint(problems: Mapping[str, str]) -> EnvironmentUnavailable:
    """The error where no endpoint is healthy, which says nothing about an adapter."""
    return EnvironmentUnavailable(f"no endpoint answers: {'; '.join(problems.values())}")


def _look_at(directory: Path) -> tuple[tuple[str, int, int], ...]:
    """Name, size and time of change of each file in the folder; empty where it is gone."""
    try:
        return tuple(
            sorted(
                (file.name, found.st_size, found.st_mtime_ns) for file in directory.iterdir() for found in [file.stat()]
            )
        )
    except OSError:
        return ()
