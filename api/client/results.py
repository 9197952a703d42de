"""What the clients return and raise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ...domain.errors import GrokputerError


class GatewayError(GrokputerError):
    """The gateway refused a request, or gave no answer.

    ``status`` is the HTTP status, None where no response came. ``code`` is the gateway's name for the kind of error, ``run``
    the hex id of the run that the request began, if any, ``retry_after_s`` how many seconds to wait before the next attempt.
    """

    def __init__(
        self,
        message: str,
        status: int | None = None,
        *,
        code: str | None = None,
        run: str | None = None,
        retry_after_s: float | None = None,
        is_final: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.run = run
        self.retry_after_s = retry_after_s
        self.is_final = is_final
        """Whether the gateway said that the same request will never be answered."""


class GatewayUnreachable(GatewayError):
    """No response came: the connection failed or broke off. ``status`` is None."""


class KeyRefused(GatewayError):
    """The key is unknown, or lacks the scope: status 401 or 403."""


class RateLimited(GatewayError):
    """The key, or the endpoint behind the gateway, has no more requests for now: status 429."""


class AnswerBroken(GatewayError):
    """A streamed answer broke off after its beginning. The run is recorded with the part that came."""


@dataclass(frozen=True)
class ChatAnswer:
    """An answer, and the run that the gateway recorded of it."""

    text: str
    run: str
    """Hex id."""
    role: str
    arm: str
    """``stable``, ``canary`` or ``pinned``."""
    adapter: str
    """The adapter's name, or ``base``."""
    finish: str | None
    """Why the answer ended: ``stop``, ``length``, ``tool_calls``."""
    prompt_tokens: int | None
    answer_tokens: int | None
    tool_calls: Sequence[Mapping[str, Any]] = ()
    """Calls of functions in OpenAI's form."""
    is_repeated: bool = False
    """Whether an earlier request with the same idempotency key had this answer."""
    message: Mapping[str, Any] = field(default_factory=dict)
    """The message as it came, to be sent back as part of a conversation."""


@dataclass(frozen=True)
class GivenFeedback:
    """What the gateway recorded of feedback."""

    id: str
    """The id of the feedback. The same feedback under the same id counts once."""
    is_new: bool
    run: str | None = None
    session: str | None = None
    runs: Sequence[str] = ()
    """The runs of the session that it rated, hex ids."""
    stars: int | None = None
    position: int | None = None
    """The log position of the rating of a run."""
    correction: int | None = None
    """The log position of the correction."""
    is_verified: bool | None = None
    """Whether the correction was tried and did the task."""


@dataclass(frozen=True)
class GatewayRun:
    """What the log knows of a run."""

    run: str
    role: str
    arm: str
    adapter: str
    session: str | None
    started: datetime
    has_ended: bool
    succeeded: bool | None
    failure: str | None
    messages: Sequence[Mapping[str, Any]] | None
    """The conversation that was sent; None where it was erased."""
    answer: str | None
    tokens: tuple[int, int] | None
    """Tokens of all prompts and of all answers."""
    stars: Sequence[int]
    is_corrected: bool
    pictures: Mapping[str, str | None]
    """The pictures of its prompt, as ``data:`` URLs, by their content keys; None for an erased one."""
    keeps_texts: bool
    """Whether its texts are kept (setting gateway.texts_percent)."""


@dataclass(frozen=True)
class GatewayModel:
    """A name that a request may give as its model."""

    id: str
    kind: str
    """``role``, ``base`` or ``adapter``."""
    parent: str | None
    """For a role what is live there, for an adapter what it was trained from."""
    root: str | None
    """The base model of an adapter or of ``base``."""
