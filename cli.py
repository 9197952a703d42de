"""The command line: it finds the command and turns errors that concern the user into one line.

A command's module is imported when the command is called or when help lists it, so start-up stays fast.
"""

from __future__ import annotations

import errno
import gc
import os
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from .domain.errors import BadText, GrokputerError
from .domain.text import check_text, show_fault

COMMANDS = {
    "demo": "training.work",
    "bench": "training.bench",
    "init": "training.work",
    "tasks": "runs.tasks",
    "run": "runs.run",
    "chat": "runs.chat",
    "rate": "runs.feedback",
    "correct": "runs.feedback",
    "judge": "runs.judge",
    "runs": "runs.runs",
    "show": "runs.runs",
    "failures": "history.failures",
    "status": "history.status",
    "at": "history.status",
    "diff": "history.diff",
    "adapters": "rollouts.adapters",
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
    "keys": "upkeep.keys",
    "dataset": "training.dataset",
    "train": "training.train",
    "work": "training.work",
    "serve": "upkeep.serve",
    "backup": "upkeep.backup",
    "restore": "upkeep.backup",
    "doctor": "upkeep.doctor",
}
"""Each command and its module in ``runners/console``, in the order of the help."""


class LogGroup(TyperGroup):
    """A group of subcommands; ``--db`` before a subcommand also applies to it."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The subcommand, with the group's ``--db`` put before its arguments; a later ``--db`` wins."""
        name, command, rest = super().resolve_command(ctx, args)
        source = ctx.get_parameter_source("db")
        if source is None or source.name != "COMMANDLINE":
            return name, command, rest
        if command is None or not any("--db" in param.opts for param in command.params):
            ctx.fail(f"'{name}' does not take --db")
        return name, command, ["--db", str(ctx.params["db"]), *rest]


class Commands(LogGroup):
    """All commands. Errors that concern the user become one line on stderr and exit code 1; bugs keep their traceback."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of the commands."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of this name; None when there is none."""
        return _load_command(cmd_name) if cmd_name in COMMANDS else None

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The arguments. One that is not valid Unicode is refused by its name, before anything is recorded."""
        for number, word in enumerate(args):
            try:
                check_text(word, _name_argument(args, number))
            except BadText as error:
                _complain(str(error))
                raise typer.Exit(1) from None
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        from .runners.console.options import closing_logs

        try:
            with closing_logs():
                return super().invoke(ctx)
        except BrokenPipeError:
            raise  # a reader that stops early is no error, and typer ends quietly
        except ModuleNotFoundError as error:
            from .runners.wiring.extras import explain_missing_module

            missing = explain_missing_module(error)
            if missing is None:
                raise
            _complain(str(missing))
            raise typer.Exit(1) from None
        except (GrokputerError, OSError, UnicodeEncodeError) as error:
            line = _line_for(error)
            if line is None:
                raise
            _complain(line)
            raise typer.Exit(1) from None


@cache  # a process that calls many commands makes each once
def _load_command(name: str) -> Any:
    """The command of this name, from its module."""
    command = getattr(import_module(f".runners.console.{COMMANDS[name]}", __package__), name.replace("-", "_"))
    if not isinstance(command, typer.Typer):
        single = typer.Typer(add_completion=False, rich_markup_mode=None)
        single.command(name)(command)
        command = single
    else:
        kind = command.info.cls if isinstance(command.info.cls, type) else TyperGroup
        if not issubclass(kind, LogGroup):
            command.info.cls = LogGroup if kind is TyperGroup else type(kind.__name__, (LogGroup, kind), {})
    return typer.main.get_command(command)


def _name_argument(args: list[str], number: int) -> str:
    """The name of the argument: its option, else its place."""
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
    db: Annotated[Path | None, typer.Option("--db", metavar="PATH", help="The log, as after the command.")] = None,
) -> None:
    """An agent that uses a computer, is rated by people, and trains itself on its failures.

    Everything is recorded in one log (--db, $GROKPUTER_DB, or events.db in this folder).

    \b
    Examples:
      grokputer demo
      grokputer run click-button
    """


OF_THE_MACHINE = {
    errno.ENOSPC: "make room and run the command again",
    errno.EDQUOT: "make room and run the command again",
    errno.EFBIG: "the file would be larger than it may be (ulimit -f); raise the limit",
    errno.EROFS: "the file system is read-only; name a place that can be written",
    errno.EIO: "the disk failed; check it before you write to it",
    errno.EMFILE: "close other programs or raise the limit (ulimit -n)",
    errno.ENFILE: "close other programs or raise the limit (ulimit -n)",
}
"""Errors of the machine, independent of the program, and what to do next."""
OF_A_FILE = {
    errno.ENOENT: "check the name",
    errno.EACCES: "check its permissions, or name another",
    errno.EPERM: "check its permissions, or name another",
    errno.EEXIST: "name another",
    errno.EISDIR: "name a file",
    errno.ENOTDIR: "name a folder",
    errno.ENOTEMPTY: "name an empty folder",
    errno.ENAMETOOLONG: "give a shorter name",
    errno.ELOOP: "check its links",
    errno.ESPIPE: "give a file, or - where the help says that stdin is read",
    errno.ETXTBSY: "try again when nothing uses it",
}
"""Errors that concern the user if they name a file, and what to do next."""


def _line_for(error: Exception) -> str | None:
    """The line for the user; None for a bug, which keeps its traceback."""
    if isinstance(error, GrokputerError):
        from .runners.console.error_lines import describe_error

        return describe_error(error)
    if isinstance(error, UnicodeEncodeError):  # an argument with bytes that are not text
        is_argument = error.encoding == "utf-8" and error.reason == "surrogates not allowed"
        return f"a text is not valid Unicode: {show_fault(error)}" if is_argument else None
    if not isinstance(error, OSError) or error.errno is None:
        return None
    step = OF_THE_MACHINE.get(error.errno)
    if step is None and error.filename is not None:
        step = OF_A_FILE.get(error.errno)
    named = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
    return f"{named}{error.strerror}; {step}" if step is not None else None


def _require_folder() -> None:
    """Exit with one line where the current folder was removed: later it would be an error without a name."""
    try:
        os.getcwd()
    except FileNotFoundError:
        _complain("the current folder was removed; change to another one")
        raise SystemExit(1) from None


def _complain(line: str) -> None:
    from .runners.console.rendering import say

    say(f"grokputer: {' '.join(line.split())}")


def main() -> None:
    """The entry point of ``grokputer``."""
    from .runners.console.streams import ClosedOutput, finish_output, prepare_streams

    has_failed = False
    try:
        prepare_streams()
        _require_folder()
        app()
    except (ClosedOutput, OSError) as error:  # the latter when help cannot be written
        line = _line_for(error)
        if line is None:
            raise
        _complain(line)
        has_failed = True
        raise SystemExit(1) from None
    except SystemExit as end:
        has_failed = bool(end.code)
        raise
    finally:
        unwritten = finish_output()
        if unwritten is not None:
            if unwritten and not has_failed:
                _complain(unwritten)
            raise SystemExit(1)
        gc.freeze()  # The process ends and frees everything; a last garbage collection would take 20 ms.
