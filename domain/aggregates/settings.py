"""The settings in force: one aggregate, changed one key at a time."""

from __future__ import annotations

from typing import Any

from ..events import Event, PolicyChanged
from ..settings.keys import role_of, without_role
from ..settings.settings import Policy, check_key, check_setting, check_together
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
        """Set the key. Setting what is in force already records nothing. Raises ``BadSetting``."""
        typed = check_setting(key, value)
        old = self.policy.get(without_role(key), role_of(key))
        if old != typed:
            check_together(Policy({**self.changed, key: typed}), without_role(key))
            self._record(PolicyChanged, context, key=key, old=old, new=typed, reason=reason, is_unset=False)

    def unset(self, key: str, reason: str, context: Context) -> None:
        """Let a role's own value fall back to that for all, and that to the default. Raises ``BadSetting``."""
        check_key(key)
        if key not in self.changed:
            return
        bare, role = without_role(key), role_of(key)
        left = {name: value for name, value in self.changed.items() if name != key}
        check_together(Policy(left), bare)
        old, new = self.changed[key], Policy(left).get(bare, role)
        self._record(PolicyChanged, context, key=key, old=old, new=new, reason=reason, is_unset=True)

    def _apply(self, event: Event) -> None:
        if isinstance(event, PolicyChanged):
            event.bring_up(self.changed)
