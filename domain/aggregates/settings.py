"""The settings in force: one aggregate, changed one key at a time."""

from __future__ import annotations

from typing import Any

from ..events import Event, PolicyChanged
from ..settings.keys import ROLES, current_key, role_of, without_role
from ..settings.setting import BadSetting
from ..settings.settings import Policy, _recipe_fault, check_key, check_setting, check_together
from .base import Aggregate, Context, derive_id

SETTINGS_ID = derive_id("settings")


class Settings(Aggregate):
    """All settings in one aggregate, so that changes have one order."""

    def __init__(self, id: Any) -> None:
        super().__init__(id)
        self.changed: dict[str, Any] = {}

    @property
    def policy(self) -> Policy:
        """The settings in force."""
        return Policy(dict(self.changed))

    def change(self, key: str, value: Any, reason: str, context: Context, document: str | None = None) -> None:
        """Set the key, by its current or an earlier name. A value that is already in force records nothing; of a role, a value
        of its own: it can be set to what it inherits, which then holds when the value for all roles changes.

        ``document`` is the content key of the file whose text is the value, which is that key too.
        Raises ``BadSetting`` for a value out of range, and for one that leaves a role without a valid recipe.
        """
        typed, key = check_setting(key, value), current_key(key)
        changed = Policy({**self.changed, key: typed})
        self._require_recipes(changed, f"{key} cannot be {typed!r}")
        old = self.policy.get(without_role(key), role_of(key))
        if old != typed or (role_of(key) is not None and key not in self.changed):
            check_together(changed, without_role(key))
            self._record(
                PolicyChanged, context, key=key, old=old, new=typed, reason=reason, is_unset=False, document=document
            )

    def unset(self, key: str, reason: str, context: Context) -> None:
        """Remove the value: a role's own falls back to that for all roles, that one to the default. Raises
        ``BadSetting``."""
        check_key(key)
        key = current_key(key)
        if key not in self.changed:
            return
        bare, role = without_role(key), role_of(key)
        left = Policy({name: value for name, value in self.changed.items() if name != key})
        self._require_recipes(left, f"{key} cannot be unset")
        check_together(left, bare)
        old, new = self.changed[key], left.get(bare, role)
        self._record(PolicyChanged, context, key=key, old=old, new=new, reason=reason, is_unset=True, document=None)

    def _require_recipes(self, changed: Policy, refusal: str) -> None:
        """Refuse a change that makes a recipe invalid. A fault from before may stay, so that two faults can be mended
        one by one."""
        for role in ROLES:
            fault = _recipe_fault(changed, role)
            if fault and not _recipe_fault(self.policy, role):
                raise BadSetting(f"{refusal}: {fault}")

    def _apply(self, event: Event) -> None:
        if isinstance(event, PolicyChanged):
            event.bring_up(self.changed)
