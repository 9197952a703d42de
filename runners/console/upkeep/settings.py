"""Settings: every figure that can be turned, and turning one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ....domain.aggregates.settings import SETTINGS_ID, Settings
from ....domain.evidence.terms import SHARES, is_kept
from ....domain.settings.settings import RECIPE_SETTINGS, SETTINGS, Policy, check_setting, role_of, without_role
from ....projections.explain.sentences import say_value
from ..options import DEFAULT_DB, Actor, AsJson, Db, is_for_subcommand, name_actor, open_ledger, open_log
from ..rendering import print_json, print_line, print_table

if TYPE_CHECKING:
    from ....projections.state.state import State

settings = typer.Typer(invoke_without_command=True, add_completion=False, rich_markup_mode=None)


@settings.callback()
def list_settings(
    context: typer.Context,
    changed: Annotated[bool, typer.Option("--changed", help="Only those that were changed.")] = False,
    db: Db = DEFAULT_DB,
    as_json: AsJson = False,
) -> None:
    """List the settings, or set one.

    A key may be set for one role alone by writing the role before it, as in action.training.r.

    \b
    Examples:
      grokputer settings --changed
      grokputer settings set rating.threshold 4.0 --reason "stricter since the release"
    """
    if is_for_subcommand(context):
        return
    from ...store.states import load_state

    state = load_state(open_log(db))
    rows = [row for row in _rows(state) if row["is_changed"] or not changed]
    if as_json:
        print_json(rows)
        return
    columns = ("setting", "value", "default", "takes", "help")
    print_table(columns, (list(row.values())[:5] for row in rows), "all settings are at their defaults")


def _rows(state: State) -> list[dict[str, Any]]:
    """One row per setting, then per recipe figure, then per setting of one role alone."""
    policy = state.policy
    keys = [*SETTINGS, *RECIPE_SETTINGS, *(key for key in sorted(policy.changed) if without_role(key) != key)]
    return [_row(key, policy) for key in keys]


def _row(key: str, policy: Policy) -> dict[str, Any]:
    """The setting as it is; the default of a figure of the recipe is that of the preset in force."""
    bare = without_role(key)
    role = role_of(key)
    setting = SETTINGS.get(bare) or RECIPE_SETTINGS[bare]
    default = setting.default if bare in SETTINGS else policy.preset_figure(bare, role)
    value = policy.get(bare, role)
    help = setting.help if role is None else f"for role {role} alone: {setting.help}"
    return {
        "key": key,
        "value": default if value is None else value,
        "default": default,
        "takes": setting.allowed(),
        "help": help,
        "is_changed": key in policy.changed,
    }


@settings.command("set")
def set_setting(
    key: Annotated[str, typer.Argument(metavar="KEY", help="The setting, as 'grokputer settings' lists it.")],
    value: Annotated[
        str, typer.Argument(metavar="VALUE", help="Its new value; '' for none where that is the default.")
    ],
    reason: Annotated[str, typer.Option(help="Why; it is recorded with the change.")] = "",
    by: Actor = None,
    db: Db = DEFAULT_DB,
) -> None:
    """Change one setting, from now on. What was recorded under the old value stays as it is.

    \b
    Examples:
      grokputer settings set rating.threshold 4.0
      grokputer settings set action.training.r 8 --reason "the user's figure for this role"
    """
    from ...improvement.process_manager import process_new_events

    ledger = open_ledger(db)
    typed = check_setting(key, value)
    context, recorded = ledger.context(name_actor(by)), False

    def decide(it: Settings) -> None:
        nonlocal recorded
        it.change(key, value, reason, context)
        recorded = bool(it.pending)

    process_new_events(ledger)
    ledger.write(Settings, SETTINGS_ID, decide)
    state = process_new_events(ledger)
    print_line(f"{key} is {typed}" if recorded else f"{key} is {typed} already; nothing was recorded")
    if recorded:
        _say_who_keeps_theirs(state, key)


@settings.command("unset")
def unset_setting(
    key: Annotated[str, typer.Argument(metavar="KEY", help="The setting, as 'grokputer settings' lists it.")],
    reason: Annotated[str, typer.Option(help="Why; it is recorded with the change.")] = "",
    by: Actor = None,
    db: Db = DEFAULT_DB,
) -> None:
    """Take back what one setting was set to: from now on its default holds, or for one role what holds for all.

    \b
    Examples:
      grokputer settings unset rating.threshold
      grokputer settings unset action.training.r --reason "no different from the others"
    """
    from ...improvement.process_manager import process_new_events

    ledger = open_ledger(db)
    process_new_events(ledger)
    context, recorded = ledger.context(name_actor(by)), False

    def decide(it: Settings) -> None:
        nonlocal recorded
        it.unset(key, reason, context)
        recorded = bool(it.pending)

    ledger.write(Settings, SETTINGS_ID, decide)
    state = process_new_events(ledger)
    value = say_value(_row(key, state.policy)["value"])
    print_line(f"{key} is {value} again" if recorded else f"{key} is not set, it is {value}; nothing was recorded")
    if recorded:
        _say_who_keeps_theirs(state, key)


def _say_who_keeps_theirs(state: State, key: str) -> None:
    """Name the rollouts under way that go on as they began, whatever the setting is now."""
    bare, role = without_role(key), role_of(key)
    for lane in state.rollouts.values():
        if role in (None, lane["role"]) and is_kept(bare, lane["rule"]):
            name = lane["adapter"]
            share = f"; 'grokputer rollouts share {name}' changes its share" if bare in SHARES else ""
            print_line(f"the rollout of {name} keeps what it began with; this counts from the next rollout on{share}")
