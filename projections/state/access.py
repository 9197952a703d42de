"""The access keys: the holder, scopes and limits of each, and whether it is valid."""

from __future__ import annotations

from collections.abc import Mapping

from ...domain.events import AccessKeyIssued, AccessKeyRevoked, Event, TaskStarted
from ...domain.settings.training import MONEY_DIGITS, CostSettings
from .open_runs import ACCESS_KEY, OpenRun, Step
from .shards import SavedParts, StateValue, encode


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
            # The day last: a reader in another thread sees no old count under a new day.
            self.requests, self.tokens, self.money, self.day = 0, 0, 0, day


class AccessKeys:
    """Fold of access keys, the oldest first, and of what each has used on its last day."""

    HANDLES = (AccessKeyIssued, AccessKeyRevoked, TaskStarted)

    def __init__(self) -> None:
        self._keys: dict[str, AccessKey] = {}

    @property
    def all(self) -> Mapping[str, AccessKey]:
        """All keys by id."""
        return self._keys

    def valid(self) -> dict[str, AccessKey]:
        """The keys that were not revoked, by their hash."""
        return {key.digest: key for key in self._keys.values() if key.revoked is None}

    def apply(self, position: int, event: Event) -> None:
        """Apply one event. The steps of runs are counted by ``take``."""
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

    def take(self, step: Step, run: OpenRun, cost: CostSettings) -> None:
        """Count a step for the key that began the run, if one did; ``cost`` has the prices in force."""
        key = self._keys.get(run.key)
        if key is not None:
            key.begin_day(step.time.date().isoformat())
            key.tokens += (step.prompt_tokens or 0) + (step.completion_tokens or 0)
            key.money += cost.price_of(step.prompt_tokens, step.completion_tokens)

    def dump(self) -> dict[str, bytes]:
        """The fold as saved parts, by name."""
        return {"access": encode(list(self._keys.values()))}

    @classmethod
    def load(cls, saved: SavedParts) -> AccessKeys:
        """The fold that ``dump`` saved. Raises ``LogError`` where the saved part is damaged."""
        fold = cls()
        fold._keys = {key.id: key for key in saved.one("access", list[AccessKey])}
        return fold
