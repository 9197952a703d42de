"""Changing a setting, and removing its value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ...domain.aggregates.settings import SETTINGS_ID, Settings
from ...domain.events.base import KEY
from ...domain.evidence.terms import is_kept
from ...domain.settings.keys import role_of, without_role
from ...domain.settings.running import TEXT_SETTINGS
from ...domain.settings.settings import RECIPE_SETTINGS, Policy, check_setting, current_key
from ..improvement.process_manager import process_new_events
from ..store.states import load_state
from ..wiring.choices import check_choice, check_part, is_choice, read_template, read_words

if TYPE_CHECKING:
    from ...projections.state.state import State
    from ..store.ledger import Ledger


@dataclass(frozen=True)
class SettingChange:
    """The value of a setting before and after."""

    key: str
    old: Any
    new: Any
    """The value in force; None where the setting has no value."""
    position: int | None
    """Log position of the change; None where the value was already in force, and nothing was recorded."""
    not_for: tuple[str, ...]
    """Adapters whose rollout is in progress and keeps the value that it began with."""
    warning: str = ""
    """What could not be checked, or is still to be set; empty where all is well."""


def change_setting(
    ledger: Ledger, key: str, value: Any, *, reason: str = "", actor: str, with_files: bool = True
) -> SettingChange:
    """Set the key. The value may be text, as a person types it.

    ``with_files`` says whether the value may name a file whose text is read: not for people on other machines.

    What the value names is looked for: a model, an endpoint, a template. That takes two seconds at most. Raises
    ``BadSetting``, also for what is not there; where that cannot be known now, the change carries a warning.
    """
    key = current_key(key)
    document = _read_document(ledger, key, value, with_files=with_files)
    value = value if document is None else document
    typed = check_setting(key, value)
    check_part(key, typed, ledger.path)
    warning = ""
    if is_choice(key):
        policy = Policy({**load_state(ledger).policy.changed, key: typed})
        warning = check_choice(key, policy, _reader(ledger, document))
    change = _decide(
        ledger,
        key,
        actor,
        lambda settings, context: settings.change(key, value, _keep(ledger, reason), context, document),
    )
    return replace(change, warning=warning)


def _read_document(ledger: Ledger, key: str, value: Any, *, with_files: bool) -> str | None:
    """The content key of the text, where the setting takes one: the text of a file, or instructions.

    A text that is in force keeps its key, so that setting it once more records nothing.
    """
    text, what = None, ""
    if key == "model.chat_template" and value is not None:
        text, what = read_template(str(value), with_files=with_files), "the chat template"
    elif without_role(key) in TEXT_SETTINGS and value is not None:
        kind = TEXT_SETTINGS[without_role(key)]
        text, what = read_words(key, str(value), kind, with_files=with_files), f"the {kind}"
    if text is None:
        return None
    current = load_state(ledger).policy.changed.get(key)
    if current is not None and KEY.fullmatch(current) and ledger.get_content(current) == text:
        return str(current)
    return ledger.put(text, what)


def _reader(ledger: Ledger, document: str | None) -> Callable[[str], str | None]:
    """The texts of the log, and the one that is about to be stored."""
    return lambda key: ledger.get_content(document if key == document and document is not None else key)


def unset_setting(ledger: Ledger, key: str, *, reason: str = "", actor: str) -> SettingChange:
    """Remove the key's value, so that the default applies, or for one role the value for all. Raises ``BadSetting``."""
    return _decide(ledger, key, actor, lambda policy, context: policy.unset(key, _keep(ledger, reason), context))


def _decide(ledger: Ledger, key: str, actor: str, decide: Callable[[Settings, Any], None]) -> SettingChange:
    key = current_key(key)
    before, context, version = process_new_events(ledger), ledger.context(actor), 0

    def decide_on(settings: Settings) -> None:
        nonlocal version
        version = settings.version
        decide(settings, context)

    decided = ledger.write(Settings, SETTINGS_ID, decide_on)
    position = ledger.position_of_newest(decided) if decided.version > version else None
    after = process_new_events(ledger)
    kept = _rollouts_that_keep(after, key) if position is not None else ()
    return SettingChange(key, _value(before, key), _value(after, key), position, kept)


def _keep(ledger: Ledger, reason: str) -> str:
    return ledger.put(reason, "the reason") if reason else ""


def _value(state: State, key: str) -> Any:
    bare, role = without_role(key), role_of(key)
    value = state.policy.get(bare, role)
    return state.policy.preset_figure(bare, role) if value is None and bare in RECIPE_SETTINGS else value


def _rollouts_that_keep(state: State, key: str) -> tuple[str, ...]:
    bare, role = without_role(key), role_of(key)
    return tuple(
        rollout.adapter
        for rollout in state.undecided.values()
        if role in (None, rollout.role) and is_kept(bare, rollout.rule)
    )
