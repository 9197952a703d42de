"""The settings: all of them as they are declared, who changed what and why, and changing one."""

from __future__ import annotations

from typing import Any

from ....domain.errors import NotPossible
from ....domain.events import PolicyChanged
from ....domain.events.base import KEY
from ....domain.settings.listing import setting_row, setting_rows, subject_of
from ....domain.settings.running import TEXT_SETTINGS
from ....domain.settings.settings import ROLES, BadSetting, check_key, current_key, role_of, without_role
from ....projections.wording.sentences import say_value, short_text
from ...explain.answers import answer
from ...explain.explanation import explain
from ...store.log import Log
from ...store.states import load_state
from ...use_cases.settings import SettingChange, change_setting, unset_setting
from ..chat_request import BadRequest, naming
from ..site.visit import Done, View, Visit
from .history import say_iso

LOCAL = frozenset({"alert.webhook", "alert.smtp", "alert.smtp_security", "model.trust_remote_code"})
"""With the endpoints, the settings that say where keys and words are sent, or that run code of others."""
FILTER = ("q", "changed")
FIELDS = ("key", "value", "unset", "reason")
SAID = 200
"""Characters of a value in the message after a change; chosen: the message travels in a cookie."""


def list_settings(visit: Visit) -> View:
    """Every setting under its subject, with its value, default and last change; filtered by words."""
    log, query = visit.ledger, visit.query
    words, is_changed = query.one("q").lower().split(), query.flag("changed")
    last = _last_changes(log)
    rows = [
        {**_show(log, row), "subject": subject_of(row["key"]), "changed": last.get(row["key"])}
        for row in setting_rows(load_state(log).policy)
    ]
    chosen = [
        row
        for row in rows
        if (row["is_changed"] or not is_changed)
        and all(word in f"{row['key']} {row['subject']} {row['help']}".lower() for word in words)
    ]
    data = {"q": query.one("q"), "only_changed": is_changed, "settings": chosen, "in_all": len(rows)}
    return View("settings", "Settings", data)


def show_setting(visit: Visit) -> View:
    """One setting: its declaration, its value, its history, and a form to change it. Raises ``BadSetting``."""
    log = visit.ledger
    key = visit.name("key")
    check_key(key)
    key = current_key(key)
    state = load_state(log)
    explained = explain(log, state, key)
    row = setting_row(key, state.policy)
    bare = without_role(key)
    others = [bare, *(f"{role}.{bare}" for role in ROLES)] if row["is_per_role"] else []
    data = {
        "setting": _show(log, row),
        "subject": subject_of(bare),
        "answer": answer(explained.about, explained.roots, say_iso),
        "changes": [node.to_json() for node in reversed(explained.roots)],
        "is_text": bare in TEXT_SETTINGS,
        "role": role_of(key),
        "others": [
            {"key": other, "role": role_of(other), "value": _show(log, setting_row(other, state.policy))["shown"]}
            for other in others
            if other != key
        ],
    }
    return View("setting", key, data)


def change(visit: Visit) -> Done:
    """Change the setting in the form, or remove its value, in the visitor's name. Raises ``BadSetting``, ``NotPossible``."""
    form, ledger = visit.form, visit.ledger
    key, reason, actor = form.one("key"), form.reason("a change of a setting"), visit.visitor.name
    with naming("key", BadSetting):
        check_key(key)
    key = current_key(key)
    if (name := without_role(key)).endswith("endpoint") or name in LOCAL:
        raise NotPossible(
            f"{key} decides where keys and words go, or whose code runs, so it is changed on the gateway's own machine: "
            f"'grokputer settings set {key} ...'"
        )
    if form.flag("unset"):
        changed, again = unset_setting(ledger, key, reason=reason, actor=actor), " again"
    elif "value" in form.values:
        value = form.one("value").replace("\r\n", "\n")
        with naming("value", BadSetting):
            changed, again = change_setting(ledger, key, value, reason=reason, actor=actor, with_files=False), ""
    else:
        raise BadRequest(f"the value of {key} is missing", "value")
    data = {"key": key, "value": changed.new, "position": changed.position, "not_for": list(changed.not_for)}
    return Done(f"/settings/{key}", _say_change(ledger, key, changed, again), data=data)


def _say_change(log: Log, key: str, changed: SettingChange, again: str) -> str:
    value = short_text(say_value(_text_of(log, changed.new)), SAID)
    said = f"{key} is {value}{again}"
    if changed.position is None:
        said = f"{key} is {value} already; nothing was recorded"
    if changed.warning:
        said += f"; warning: {short_text(changed.warning, SAID)}"
    if changed.not_for:
        said += f"; it counts from the next rollout on: {', '.join(changed.not_for)} began with another value"
    return said


def _show(log: Log, row: dict[str, Any]) -> dict[str, Any]:
    """The row with the text of a value that lies beside the log, and value and default in words."""
    text = _text_of(log, row["value"])
    return {
        **row,
        "text": text if text != row["value"] else None,
        "shown": say_value(text),
        "default_shown": say_value(row["default"]),
        "role": role_of(row["key"]),
    }


def _text_of(log: Log, value: Any) -> Any:
    """The text that the value is the key of; other values as they are."""
    if isinstance(value, str) and KEY.fullmatch(value):
        return log.get_content(value) or "(erased)"
    return value


def _last_changes(log: Log) -> dict[str, dict[str, Any]]:
    """The last change of each key: its position, time, actor and reason."""
    last: dict[str, dict[str, Any]] = {}
    for recorded in map(log.reveal, log.read(1, None, (PolicyChanged.TOPIC,))):
        event = recorded.event
        assert isinstance(event, PolicyChanged)
        last[event.key] = {
            "position": recorded.position,
            "time": event.time.isoformat(),
            "actor": event.actor,
            "reason": event.reason,
            "is_unset": event.is_unset,
        }
    return last
