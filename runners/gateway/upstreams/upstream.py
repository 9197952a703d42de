"""Where requests are answered, behind one port: at an endpoint, whose bytes pass through, or by a model of this process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ....domain.errors import GrokputerError
from ....domain.vocabulary import FailureReason

if TYPE_CHECKING:
    from ....adapters.serving.reply import Reply
    from ..exchange import Exchange


class NoAnswer(GrokputerError):
    """There is no answer, or no more of it; the message says why to the operator.

    ``told`` is what a client is told that must not learn where the endpoint is; None is the message itself. ``status`` is
    the HTTP status for the client, ``body`` an endpoint's own words about a request that it refuses, ``reason`` is what the
    run fails with.
    """

    def __init__(
        self,
        message: str,
        status: int = 502,
        *,
        told: str | None = None,
        reason: FailureReason = FailureReason.ENVIRONMENT,
        body: bytes | None = None,
        retry_after: str | None = None,
    ) -> None:
        super().__init__(message)
        self.told = message if told is None else told
        self.status = status
        self.reason = reason
        self.body = body
        self.retry_after = retry_after


@dataclass(frozen=True)
class Whole:
    """An answer that came in one piece: the body for the client, and what of it is recorded."""

    body: bytes
    reply: Reply


class Stream(Protocol):
    """An answer in parts, an asynchronous context: its frames for the client, without the last, and what they come to."""

    async def __aenter__(self) -> Stream:
        """Ask. Raises ``NoAnswer`` where no answer begins."""
        ...

    async def __aexit__(self, *raised: object) -> None:
        """Stop asking."""
        ...

    def frames(self) -> AsyncIterator[bytes]:
        """Each frame, whole. Raises ``NoAnswer`` where the answer breaks off."""
        ...

    def so_far(self) -> Reply:
        """The answer, also in part."""
        ...


class Upstream(Protocol):
    """Answers exchanges."""

    async def answer(self, exchange: Exchange, headers: Mapping[str, str]) -> Whole:
        """The answer in one piece. ``headers`` are those of the client that may pass on. Raises ``NoAnswer``."""
        ...

    def stream(self, exchange: Exchange, headers: Mapping[str, str]) -> Stream:
        """The answer in parts."""
        ...

    async def close(self) -> None:
        """Release all resources."""
        ...
