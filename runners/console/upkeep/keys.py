"""Access keys to the gateway: create, list and revoke."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ....domain.vocabulary import Scope
from ....projections.wording.sentences import short_id
from ..hints import suggest
from ..options import DEFAULT_DB, Actor, AsJson, Db, is_for_subcommand, name_actor, open_ledger, open_log
from ..rendering import Column, as_time, print_json, print_line, print_table, say

if TYPE_CHECKING:
    from ...use_cases.access_keys import KeyRow

_COLUMNS = (
    Column("key"),
    Column("holder", wraps=12),
    Column("scopes", wraps=10),
    Column("a day", rank=1, wraps=10),
    Column("issued", rank=2),
    Column("status"),
)

keys = typer.Typer(invoke_without_command=True, add_completion=False, rich_markup_mode=None)


@keys.callback()
def list_keys(context: typer.Context, db: Db = DEFAULT_DB, as_json: AsJson = False) -> None:
    """List the access keys to the gateway, or create or revoke one.

    \b
    Examples:
      grokputer keys
      grokputer keys create ada --scope infer --scope feedback --requests 1000
      grokputer keys revoke ada --reason "left the team"
    """
    if is_for_subcommand(context):
        return
    from ...use_cases import access_keys as use_case

    rows = use_case.list_keys(open_log(db))
    if as_json:
        print_json([vars(row) for row in rows])
    else:
        print_table(
            _COLUMNS, [_cells(row) for row in rows], "no access keys yet; 'grokputer keys create NAME' makes one"
        )


def _cells(row: KeyRow) -> tuple[object, ...]:
    limits = " ".join(f"{most:g} {name}" for name, most in row.limits.items())
    status = "valid" if row.revoked is None else f"revoked {row.revoked[:10]}"
    return (short_id(row.id), row.holder, " ".join(row.scopes), limits or None, as_time(row.issued), status)


@keys.command("create")
def create_key(
    holder: Annotated[str, typer.Argument(metavar="NAME", help="Who will use it: a person or a program.")],
    scope: Annotated[
        list[Scope] | None,
        typer.Option(help="What it allows; give it again for more. Default: infer and feedback."),
    ] = None,
    requests: Annotated[float | None, typer.Option(metavar="N", help="Most requests a day.")] = None,
    tokens: Annotated[
        float | None, typer.Option(metavar="N", help="Most tokens a day, of prompts and answers.")
    ] = None,
    money: Annotated[float | None, typer.Option(metavar="N", help="Most money a day, at the prices set.")] = None,
    by: Actor = None,
    db: Db = DEFAULT_DB,
    as_json: AsJson = False,
) -> None:
    """Create a key and print it, once. The log keeps its hash alone, so a lost key cannot be shown again.

    \b
    Examples:
      grokputer keys create ada
      grokputer keys create "night job" --scope infer --requests 5000 --tokens 2000000
    """
    from ...use_cases import access_keys as use_case

    given = {"requests": requests, "tokens": tokens, "money": money}
    limits = {name: most for name, most in given.items() if most is not None}
    scopes = [one.value for one in scope or (Scope.INFER, Scope.FEEDBACK)]
    made = use_case.create_key(open_ledger(db), holder, scopes=scopes, limits=limits, actor=name_actor(by))
    if as_json:
        print_json({"id": made.id.hex, "key": made.key, "position": made.position})
        return
    say(f"key {short_id(made.id.hex)} of {holder} for {', '.join(scopes)}; it is shown this once:")
    print_line(made.key)


@keys.command("revoke")
def revoke_key(
    key: Annotated[str, typer.Argument(metavar="KEY", help="The beginning of its id, or its holder's name.")],
    reason: Annotated[str, typer.Option(help="Why; kept beside the log.")] = "",
    by: Actor = None,
    db: Db = DEFAULT_DB,
) -> None:
    """Revoke a key. A gateway that runs refuses it within a second.

    \b
    Examples:
      grokputer keys revoke ada --reason "left the team"
      grokputer keys revoke ada --as bob
    """
    from ...use_cases import access_keys as use_case

    row = use_case.revoke_key(open_ledger(db), key, reason=reason, actor=name_actor(by))
    print_line(f"key {short_id(row.id)} of {row.holder} is revoked")
    suggest("keys", db)
