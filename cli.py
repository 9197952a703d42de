"""The command line: it finds the command that was asked for and turns what is the user's business into one line.

A command's module is imported when it is called or when help lists it, so each pays for what it needs and no more.
"""

from __future__ import annotations

import gc
import sys
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from .domain.errors import BadText, GrokputerError
from .domain.text import check_text, show_fault

COMMANDS = {
    "demo": "training.work",
    "bench": "training.bench",
    "init": "training.work",
    "run": "runs.run",
    "rate": "runs.feedback",
    "correct": "runs.feedback",
    "runs": "runs.runs",
    "show": "runs.runs",
    "status": "history.status",
    "at": "history.status",
    "diff": "history.diff",
    "adapters": "history.status",
    "rollouts": "rollouts.rollouts",
    "ab": "rollouts.ab",
    "alerts": "rollouts.alerts",
    "why": "history.why",
    "lineage": "history.lineage",
    "log": "history.log",
    "what-if": "history.what_if",
    "replay": "history.replay",
    "forget": "upkeep.forget",
    "verify": "history.proofs",
    "prove": "history.proofs",
    "settings": "upkeep.settings",
    "dataset": "training.dataset",
    "train": "training.work",
    "work": "training.work",
    "backup": "upkeep.backup",
    "restore": "upkeep.backup",
    "doctor": "upkeep.doctor",
}
"""Each command and the module of ``runners/console`` that it is in, in the order of the help."""


class Commands(TyperGroup):
    """The commands, with errors that are the user's business as one line on stderr and exit 1; bugs keep their trace."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Their names."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of this name, None when there is none."""
        if cmd_name not in COMMANDS:
            return None
        found = getattr(
            import_module(f".runners.console.{COMMANDS[cmd_name]}", __package__), cmd_name.replace("-", "_")
        )
        if not isinstance(found, typer.Typer):
            alone = typer.Typer(add_completion=False, rich_markup_mode=None)
            alone.command(cmd_name)(found)
            found = alone
        return typer.main.get_command(found)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The arguments. One that is not valid Unicode is refused by its name, before any of it can be recorded."""
        for number, word in enumerate(args):
            try:
                check_text(word, _name_argument(args, number))
            except BadText as error:
                print(f"grokputer: {error}", file=sys.stderr)
                raise typer.Exit(1) from None
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise  # A reader that stops early is nobody's fault, and typer ends quietly.
        except ModuleNotFoundError as error:
            from .runners.extras import explain_missing_module

            missing = explain_missing_module(error)
            if missing is None:
                raise
            print(f"grokputer: {missing}", file=sys.stderr)
            raise typer.Exit(1) from None
        except UnicodeEncodeError as error:
            print(f"grokputer: there is text that is not valid Unicode: {show_fault(error)}", file=sys.stderr)
            raise typer.Exit(1) from None
        except (GrokputerError, OSError) as error:
            # The latter is the machine's business, such as a folder that cannot be written.
            print(f"grokputer: {' '.join(str(error).split())}", file=sys.stderr)
            raise typer.Exit(1) from None


def _name_argument(args: list[str], number: int) -> str:
    """What the argument belongs to: the option before it, or with it; else its place."""
    option, equals, _ = args[number].partition("=")
    if option.startswith("--") and equals:
        return option
    before = args[number - 1] if number else ""
    return before if before.startswith("-") and "=" not in before else f"argument {number + 1}"


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"grokputer {version('grokputer')}")
        raise typer.Exit


@app.callback()
def grokputer(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """An agent that uses a computer, is rated for it, and trains itself on what went wrong.

    Everything is recorded in one log (--db, $GROKPUTER_DB, or events.db in this folder).

    \b
    Examples:
      grokputer demo
      grokputer run click-button
    """


def main() -> None:
    """The program ``grokputer``."""
    try:
        app()
    finally:
        gc.freeze()  # The process ends and frees everything anyway; a last search for garbage would be 20 ms of its life.
