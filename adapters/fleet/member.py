"""An endpoint of a fleet, with what is known of it since its last start: its health, and the adapters that it was proven to
apply."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ...domain.errors import NotServed
from ...domain.ports import Proof, Served, ServedRecord
from ..serving.proof import prove_by_logprobs, read_reference
from .endpoint import Down, Listing, VllmEndpoint

AGAIN_S = 60.0
"""Seconds after which an adapter that an endpoint did not load is offered again; chosen: a folder may have been mounted."""
LOOK_S = 2.0
"""Seconds for which a look at an endpoint is believed; chosen: vLLM takes ten times as long to start, so none is missed."""


OUT = 5
"""How many times as long one that is not healthy is left alone; chosen: a look at a lost machine may take its whole time
limit."""


@dataclass(frozen=True)
class Weights:
    """The weights of an adapter: its name in the log, its name at the endpoints, and its folder here and there."""

    adapter: str
    hash: str
    directory: Path
    folder: str
    """Where the endpoints see it."""
    files: tuple[tuple[str, int, int], ...]
    """Name, size and time of change of each file when the hash was computed."""

    @property
    def name(self) -> str:
        """The name at the endpoints: the hash's digits."""
        return self.hash.removeprefix("sha256:")


class Member:
    """One endpoint. Thread-safe: one thread at a time looks, loads and proves; answers need no lock."""

    def __init__(self, endpoint: VllmEndpoint, record: ServedRecord, look_s: float = LOOK_S) -> None:
        self.endpoint = endpoint
        self.open = 0
        """Requests in progress there."""
        self.problem = ""
        """Why it gets no requests; empty while it is healthy."""
        self.is_settling = False
        """Whether an adapter is being loaded and proven there."""
        self._record = record
        self._look_s = look_s
        self._lock = threading.RLock()
        self._counting = threading.Lock()
        self._looked = float("-inf")
        self._listing: Listing | None = None
        self._known: dict[str, tuple[Served, float]] = {}
        """By name, what it does with each adapter since its start, and when that was found."""

    def is_ready(self, weights: Weights | None) -> bool:
        """Whether it is healthy and applies the adapter, by a look that is not old. Quick."""
        return not self._is_due() and not self.problem and (weights is None or self.applies(weights))

    def applies(self, weights: Weights) -> bool:
        """Whether it was healthy and applied the adapter when it was last looked at."""
        known = self._known.get(weights.name)
        return not self.problem and known is not None and known[0].is_applied

    def prepare(self, weights: Weights | None, *, is_last: bool = False) -> Served | None:
        """Look at it, and load and prove the adapter where that was not done since its start.

        What it does with the adapter is recorded before this returns. With ``is_last`` it is looked at whatever was seen
        before. Raises ``Down``, and ``NotServed`` where its base is another. An adapter that it refuses is no error.
        """
        with self._lock:
            if self._is_due() or (is_last and self.problem):
                self._look()
            if self.problem:
                raise Down(self.problem)
            return None if weights is None else self._settle(weights)

    def look_again(self) -> None:
        """Let the next request look first: what was known of its adapters may be over."""
        self._looked = float("-inf")

    def unload(self, name: str) -> None:
        """Let it forget the adapter of this name. Raises ``Down``, ``NotServed``."""
        with self._lock:
            self.endpoint.unload_weights(name)
            self._known.pop(name, None)
            self.look_again()

    @contextmanager
    def asked(self) -> Iterator[VllmEndpoint]:
        """The endpoint, for one request."""
        self._count(1)
        try:
            yield self.endpoint
        finally:
            self._count(-1)

    def _count(self, more: int) -> None:
        with self._counting:
            self.open += more

    @property
    def is_out(self) -> bool:
        """Whether it is not healthy, and not due to be looked at again."""
        return bool(self.problem) and not self._is_due()

    def _is_due(self) -> bool:
        if self.is_settling:  # it was looked at before, and traffic of other adapters goes on
            return False
        return time.monotonic() - self._looked >= self._look_s * (OUT if self.problem else 1)

    def _look(self) -> None:
        """See what it serves. After a start of it, nothing of before is known."""
        self._looked = time.monotonic()
        before = self._listing
        try:
            self._listing = self.endpoint.look()
        except (Down, NotServed) as error:
            self.problem = str(error)
            raise
        self.problem = ""
        if before is None or before.boot != self._listing.boot:
            self._known.clear()

    def _settle(self, weights: Weights) -> Served:
        """What it does with the adapter since its start. Raises ``Down``."""
        assert self._listing is not None
        is_listed = weights.name in self._listing.names
        known, found_at = self._known.get(weights.name, (None, 0.0))
        if known is not None and known.proof is None and time.monotonic() - found_at < AGAIN_S:
            return known
        if known is not None and known.proof is not None and is_listed:
            return known
        with self._settling():
            found = self._find(weights, "" if is_listed else self._load(weights))
        self._known[weights.name] = found, time.monotonic()
        return found

    @contextmanager
    def _settling(self) -> Iterator[None]:
        self.is_settling = True
        try:
            yield
        finally:
            self.is_settling = False

    def _load(self, weights: Weights) -> str:
        """Load the adapter; why that was refused, empty where it was not. Raises ``Down``."""
        assert self._listing is not None
        try:
            self.endpoint.load_weights(weights.name, weights.folder, weights.directory)
        except NotServed as error:
            return str(error)
        self._listing = Listing(self._listing.names | {weights.name}, self._listing.boot)
        return ""

    def _find(self, weights: Weights, refused: str) -> Served:
        """What the endpoint does with the adapter: as recorded for this start, else by a proof, which is recorded."""
        assert self._listing is not None
        url, boot = self.endpoint.base_url, self._listing.boot
        recorded = self._record.find(weights.adapter, url, boot) if boot and not refused else None
        if recorded is not None and recorded.proof is not None and recorded.weights == weights.hash:
            return recorded
        proof, problem = (None, refused) if refused else self._compare(weights)
        found = Served(weights.adapter, weights.hash, url, boot, proof, problem)
        self._record.add(found)
        return found

    def _compare(self, weights: Weights) -> tuple[Proof | None, str]:
        """The proof, and why the adapter gets no traffic there."""

        def ask(messages: object, tokens: object, adapter: str | None) -> list[float]:
            return self.endpoint.logprobs(messages, tokens, weights.name if adapter else None)  # type: ignore[arg-type]

        try:
            proof = prove_by_logprobs(ask, weights.adapter, read_reference(weights.directory))
        except NotServed as error:
            return None, str(error)
        return proof, _complain(proof)


def _complain(proof: Proof) -> str:
    """Why an endpoint with this proof gets no traffic of the adapter; empty where it does."""
    if proof.is_applied:
        return ""
    if proof.differs:
        return "its outputs there are not those its trainer recorded"
    if proof.effect <= proof.base_error:
        return "it changes nothing there: its outputs are the base's"
    return (
        f"the base there differs from the trainer's by {proof.base_error:.3g}, too much beside the adapter's "
        f"{proof.effect:.3g}: serve the same base in the same precision"
    )
