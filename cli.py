"""The command line: it assembles the commands and turns what is the user's business into one line."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from .domain.errors import GrokputerError
from .runners.console import doctor, feedback, log, replaying, rollouts, running, runs, settings, status, why, working


class Commands(TyperGroup):
    """The commands, with errors that are the user's business as one line on stderr and exit 1; bugs keep their trace."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except GrokputerError as error:
            print(f"grokputer: {' '.join(str(error).split())}", file=sys.stderr)
            raise typer.Exit(1) from None


app = typer.Typer(
    cls=Commands,
    add_completion=False,
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


for command in (
    working.demo,
    working.init,
    running.run,
    feedback.rate,
    feedback.correct,
    runs.runs,
    runs.show,
    status.status,
    status.at,
    log.log,
    why.why,
    status.adapters,
    working.train,
    working.work,
    replaying.replay,
    doctor.doctor,
):
    app.command()(command)
app.add_typer(rollouts.app, name="rollouts")
app.add_typer(settings.app, name="settings")


def main() -> None:
    """The program ``grokputer``."""
    app()
