"""The access keys: the holder, scopes and limits of each, and whether it is valid."""

from __future__ import annotations

from collections.abc import Mapping

from ...domain.events import (
    AccessKeyIssued,
    AccessKeyRevoked,
    Event,
    StepTaken,
    TaskAnswered,
    TaskFailed,
    TaskStarted,
    TaskSucceeded,
)
from ...domain.settings.settings import Policy
from .shards import SavedParts, StateValue, encode

ACCESS_KEY = "access_key"
"""The entry of a run's recorded settings that has the id of the access key which began it."""

MONEY_DIGITS = 12
"""Decimal places of money: a token at 0.01 a million tokens still is a whole number of the last place."""


class AccessKey(StateValue):
    """One access key."""

    id: str
    holder: str
    """Content key of the holder's name."""
    digest: str
    """SHA-256 of the key, hex."""
    scopes: list[str]
    limits: dict[str, float]
    """The most of each per day."""
    position: int
    """The position of its issue."""
    issued: str
    revoked: str | None = None
    """When it was revoked; None while it is valid."""
    day: str = ""
    """The day, UTC, of what follows: the last on which it was used; empty before."""
    requests: int = 0
    tokens: int = 0
    money: int = 0
    """The price of the tokens in units of ``10 ** -MONEY_DIGITS``, at the prices in force at each answer."""

    def used(self, day: str) -> dict[str, float]:
        """What was used on the day, by the names of limits; nothing on a day after the last."""
        if day != self.day:
            return {}
        return {"requests": self.requests, "tokens": self.tokens, "money": self.money / 10**MONEY_DIGITS}

    def begin_day(self, day: str) -> None:
        """Begin to count a new day."""
        if day != self.day:
            self.requests, self.tokens, self.money, self.day = (
                0,
                0,
                0,
                day,
            )  # a reader in another thread sees no old count


class OpenUse(StateValue):
    """A run that a key began and that has not ended."""

    key: str
    adapter: str | None


class AccessKeys:
    """Fold of access keys, the oldest first, and of what each has used on its last day."""

    HANDLES = (AccessKeyIssued, AccessKeyRevoked, TaskStarted, StepTaken, TaskSucceeded, TaskFailed, TaskAnswered)

    def __init__(self) -> None:
        self._keys: dict[str, AccessKey] = {}
        self._open: dict[str, OpenUse] = {}
        """By the hex id of the run."""

    @property
    def all(self) -> Mapping[str, AccessKey]:
        """All keys by id."""
        return self._keys

    def valid(self) -> dict[str, AccessKey]:
        """The keys that were not revoked, by their hash."""
        return {key.digest: key for key in self._keys.values() if key.revoked is None}

    def apply(self, position: int, event: Event, policy: Policy) -> None:
        """Apply one event; ``policy`` has the prices in force."""
        id = event.originator_id.hex
        match event:
            case AccessKeyIssued():
                self._keys[id] = AccessKey(
                    id,
                    event.holder,
                    event.digest,
                    list(event.scopes),
                    dict(event.limits),
                    position,
                    event.time.isoformat(),
                )
            case AccessKeyRevoked():
                self._keys[id].revoked = event.time.isoformat()
            case TaskStarted():
                if key := self._keys.get(event.policy.get(ACCESS_KEY, "")):
                    key.begin_day(event.time.date().isoformat())
                    key.requests += 1
                    self._open[id] = OpenUse(key.id, event.adapter)
            case StepTaken():
                if use := self._open.get(id):
                    self._take(self._keys[use.key], use, event, policy)
            case TaskSucceeded() | TaskFailed() | TaskAnswered():
                self._open.pop(id, None)

    def _take(self, key: AccessKey, use: OpenUse, step: StepTaken, policy: Policy) -> None:
        key.begin_day(step.time.date().isoformat())
        prices, prompt, answer = policy.cost, step.prompt_tokens or 0, step.completion_tokens or 0
        key.tokens += prompt + answer
        if prices.prompt_price or prices.answer_price or prices.model_prices != "none":
            paid = prices.of_model(use.adapter, policy.model.base)
            key.money += round((prompt * paid.prompt_price + answer * paid.answer_price) * 10 ** (MONEY_DIGITS - 6))

    def dump(self) -> dict[str, bytes]:
        """The fold as saved parts, by name."""
        return {"access": encode(list(self._keys.values())), "access_open": encode(self._open)}

    @classmethod
    def load(cls, saved: SavedParts) -> AccessKeys:
        """The fold that ``dump`` saved. Raises ``LogError`` where the saved part is damaged."""
        fold = cls()
        fold._keys = {key.id: key for key in saved.one("access", list[AccessKey])}
        fold._open = saved.one("access_open", dict[str, OpenUse])
        return fold
