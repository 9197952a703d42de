"""Settings: the list of them, and changing one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from ....domain.events.base import KEY
from ....domain.evidence.terms import SHARES
from ....domain.settings.listing import choose, setting_row, setting_rows
from ....domain.settings.settings import check_key, current_key, without_role
from ....projections.wording.sentences import say_value
from ..hints import suggest
from ..options import DEFAULT_DB, Actor, AsJson, Db, is_for_subcommand, name_actor, open_ledger, open_log
from ..rendering import print_json, print_line, print_text, say
from .settings_listing import complete_key, print_rows, print_setting

if TYPE_CHECKING:
    from ...use_cases.settings import SettingChange


class SettingsGroup(TyperGroup):
    """A first word that is not a command selects what is listed: ``settings canary`` is ``settings --only canary``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The rest of the arguments, after the options."""
        for number, word in enumerate(args):
            is_value = number > 0 and args[number - 1] in ("--db", "--only")
            if is_value or word.startswith("-"):
                continue
            if word not in self.commands:
                args = ["--only", word, *args[:number], *args[number + 1 :]]
            break
        return super().parse_args(ctx, args)


settings = typer.Typer(cls=SettingsGroup, invoke_without_command=True, add_completion=False, rich_markup_mode=None)

Key = Annotated[
    str,
    typer.Argument(metavar="KEY", help="The setting, as 'grokputer settings' lists it.", autocompletion=complete_key),
]


@settings.callback()
def list_settings(
    context: typer.Context,
    only: Annotated[
        str | None,
        typer.Option(metavar="WORD", help="Only those with this in their key, as 'grokputer settings WORD'."),
    ] = None,
    changed: Annotated[bool, typer.Option("--changed", help="Only those that were changed.")] = False,
    db: Db = DEFAULT_DB,
    as_json: AsJson = False,
) -> None:
    """List the settings, or show, set or unset one.

    A key may be set for one role alone by writing the role before it, as in action.training.r.

    \b
    Examples:
      grokputer settings canary
      grokputer settings --changed
      grokputer settings set rating.threshold 4.0 --reason "stricter since the release"
    """
    if is_for_subcommand(context):
        return
    from ...store.states import load_state

    rows = choose(setting_rows(load_state(open_log(db)).policy), only)
    rows = [row for row in rows if row["is_changed"] or not changed]
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, "nothing is set" if only else "all settings are at their defaults")


@settings.command("show")
def show_setting(key: Key, db: Db = DEFAULT_DB, as_json: AsJson = False) -> None:
    """Show all about one setting: what it does, its value, range and default, and where the default comes from.

    \b
    Examples:
      grokputer settings show canary.weight_percent
      grokputer settings show action.training.r --json
    """
    from ...store.states import load_state

    check_key(key)
    key = _current(key)
    log = open_log(db)
    policy = load_state(log).policy
    row = setting_row(key, policy)
    is_text = isinstance(row["value"], str) and KEY.fullmatch(row["value"])
    text = log.get_content(row["value"]) if is_text else None
    if as_json:
        print_json({**row, "text": text} if is_text else row)
        return
    print_setting(row, policy)
    if is_text:
        print_line("    text:")
        print_text("(erased)" if text is None else text, "    | ")


def _current(key: str) -> str:
    """The present name of the key; prints the new name if it was renamed."""
    now = current_key(key)
    if now != key:
        say(f"{key} was renamed; it is {now} now")
    return now


@settings.command("set")
def set_setting(
    key: Key,
    value: Annotated[
        str, typer.Argument(metavar="VALUE", help="Its new value; '' for no value, if that is the default.")
    ],
    reason: Annotated[str, typer.Option(help="Why; it is recorded with the change.")] = "",
    by: Actor = None,
    db: Db = DEFAULT_DB,
) -> None:
    """Change one setting, from now on. What was recorded under the old value stays as it is.

    \b
    Examples:
      grokputer settings set rating.threshold 4.0
      grokputer settings set action.training.r 8 --reason "chosen for this role"
    """
    from ...use_cases.settings import change_setting

    key = _current(key)
    change = change_setting(open_ledger(db), key, value, reason=reason, actor=name_actor(by))
    is_new = change.position is not None
    value = say_value(change.new) if change.new is None or isinstance(change.new, str) else change.new
    print_line(f"{key} is {value}" if is_new else f"{key} is {value} already; nothing was recorded")
    if change.warning:
        say(f"warning: {change.warning}")
    _print_unaffected(change)
    suggest(f"why {key}", db)


@settings.command("unset")
def unset_setting(
    key: Key,
    reason: Annotated[str, typer.Option(help="Why; it is recorded with the change.")] = "",
    by: Actor = None,
    db: Db = DEFAULT_DB,
) -> None:
    """Undo the change of one setting: from now on its default holds, or for one role the value for all roles.

    \b
    Examples:
      grokputer settings unset rating.threshold
      grokputer settings unset action.training.r --reason "no different from the others"
    """
    from ...use_cases.settings import unset_setting

    check_key(key)
    key = _current(key)
    change = unset_setting(open_ledger(db), key, reason=reason, actor=name_actor(by))
    value = say_value(change.new)
    is_new = change.position is not None
    print_line(f"{key} is {value} again" if is_new else f"{key} is not set, it is {value}; nothing was recorded")
    _print_unaffected(change)
    suggest(f"why {key}", db)


def _print_unaffected(change: SettingChange) -> None:
    """Print the rollouts in progress that keep the values they began with."""
    for name in change.not_for:
        is_share = without_role(change.key) in SHARES
        share = f"; 'grokputer rollouts share {name}' changes its share" if is_share else ""
        print_line(f"the rollout of {name} keeps the value it began with; this counts from the next rollout on{share}")
