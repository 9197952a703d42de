"""The settings in force: one aggregate, changed one key at a time."""

from __future__ import annotations

from typing import Any

from ..events import Event, PolicyChanged
from ..settings.setting import BadSetting
from ..settings.settings import ROLES, Policy, _recipe_fault, check_setting, without_role
from .base import Aggregate, Context, derive_id

SETTINGS_ID = derive_id("settings")


class Settings(Aggregate):
    """All settings, one aggregate: changes have one order."""

    def __init__(self, id: Any) -> None:
        super().__init__(id)
        self.changed: dict[str, Any] = {}

    @property
    def policy(self) -> Policy:
        """The settings in force."""
        return Policy(dict(self.changed))

    def change(self, key: str, value: Any, reason: str, context: Context) -> None:
        """Set the key. Setting what is in force already records nothing.

        Raises ``BadSetting`` for a value out of range, and for one that leaves a role without a recipe that can be trained.
        """
        typed = check_setting(key, value)
        self._require_recipes(key, typed)
        old = self.policy.get(without_role(key), key.partition(".")[0] if without_role(key) != key else None)
        if old != typed:
            self._record(PolicyChanged, context, key=key, old=old, new=typed, reason=reason)

    def _require_recipes(self, key: str, value: Any) -> None:
        """What was at fault before may stay so: else nothing could mend two faults one after the other."""
        changed = Policy({**self.changed, key: value})
        for role in ROLES:
            fault = _recipe_fault(changed, role)
            if fault and not _recipe_fault(self.policy, role):
                raise BadSetting(f"{key} cannot be {value!r}: {fault}")

    def _apply(self, event: Event) -> None:
        if isinstance(event, PolicyChanged):
            self.changed[event.key] = event.new
