"""Writes the reference pages, docs/reference/settings.md and cli.md, from the program's own declarations.

python scripts/reference.py            # write both pages python scripts/reference.py --check    # write nothing; exit 1
and name each outdated page
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import typer

from grokputer.cli import COMMANDS, app
from grokputer.domain.settings import settings

FOLDER = Path(__file__).parent.parent / "docs" / "reference"
MADE = "<!-- Made by scripts/reference.py. Change the declarations in the code, then run it again. -->\n"

GROUPS = {
    "rating": "When the ratings of a role count as fallen: see [feedback](../feedback.md) and [training](../training.md).",
    "schedule": "How often ratings and canaries are checked: see [training](../training.md).",
    "implicit": "The rating that a run gets without a person: see [feedback](../feedback.md).",
    "sessions": "What imported sessions count for: see [sessions](../sessions.md).",
    "run": "How the agent does a task: see [environments](../environments.md).",
    "environment": "Where the agent works: see [own tasks](../own-tasks.md).",
    "model": "Which model runs, and where: see [models](../models.md).",
    "registry": "Where adapters are pushed to: see [registry](../registry.md).",
    "teacher": "A better model that helps to make examples: see [datasets](../datasets.md).",
    "judge": "A model that grades answers: see [feedback](../feedback.md#a-judge-model).",
    "read": "Words that are read on pictures: see [senses](../senses.md#read-pictures).",
    "audio": "Speech that is heard: see [senses](../senses.md#hear-speech).",
    "training": "What an adapter learns from, and how: see [training](../training.md).",
    "cost": "Prices for estimates and accounts: see [training](../training.md#what-it-costs).",
    "gate": "The comparison before any traffic: see [rollouts](../rollouts.md#before-any-traffic).",
    "ab": "The bars of a comparison: see [rollouts](../rollouts.md#compare-two-adapters).",
    "canary": "How a new adapter is tested and judged: see [rollouts](../rollouts.md).",
    "log": "What is kept of runs beside their facts: see [operations](../operations.md).",
    "telemetry": "Where runs are exported to: see [metrics](../metrics.md#traces).",
    "alert": "When people are alerted, and by which channels: see [alerts](../alerts.md).",
}
"""The subject of each group of keys. A group without a line here still gets its table."""


class Declaration(NamedTuple):
    """One setting as it is declared."""

    key: str
    kind: str
    allowed: str
    default: Any
    source: str
    help: str


def declarations() -> list[Declaration]:
    """Every setting, in the order of its declaration. Only this function depends on how settings are declared."""
    return [
        Declaration(setting.key, kind_of(setting), setting.allowed(), setting.default, setting.source, setting.help)
        for setting in settings.ALL_SETTINGS.values()
    ]


def kind_of(setting: settings.Setting) -> str:
    """The kind of value in words, with its unit."""
    kind = {bool: "true or false", int: "whole number", float: "number"}.get(setting.type, "text")
    return f"{kind}, {setting.unit}" if setting.unit else kind


def settings_page() -> str:
    """The reference of the settings, grouped by the first word of the key."""
    rows = declarations()
    order = {group: number for number, group in enumerate(dict.fromkeys(_group(row) for row in rows))}
    lines = [
        "# Settings\n",
        MADE,
        "`grokputer settings` lists all settings with the values in force. `grokputer settings set KEY VALUE` changes one.",
        "Write a role before the key to change it for that role alone, as in `recovery.training.r`. The log records every",
        "change with its time, its author and its reason. *Chosen* means that no source names the value, and *measured*",
        "that a [benchmark](../../benchmarks/README.md) does. `grokputer settings show KEY` names the former keys of a setting",
        "that was renamed; they are taken as well.\n",
    ]
    for group, members in groupby(sorted(rows, key=lambda row: order[_group(row)]), _group):
        lines += [f"## {group}\n", *([GROUPS[group] + "\n"] if group in GROUPS else [])]
        lines += _table(
            ("key", "type", "takes", "default", "source of the default", "meaning"),
            (
                (
                    f"`{member.key}`",
                    member.kind,
                    _takes(member),
                    _default(member.default),
                    _prose(member.source),
                    _prose(member.help),
                )
                for member in members
            ),
        )
    return "\n".join(lines).rstrip() + "\n"


def _group(row: Declaration) -> str:
    return row.key.split(".")[0]


def _takes(row: Declaration) -> str:
    return re.sub(r"^(a whole number|a number|one of) (from |of )?", "", row.allowed)


def _default(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"`{value:.10g}`" if isinstance(value, float) else f"`{value}`"


def cli_page() -> str:
    """The reference of the commands: each with its usage, examples, arguments and options."""
    group: Any = typer.main.get_command(app)
    context = group.context_class(group, info_name="grokputer")
    lines = [
        "# Commands\n",
        MADE,
        "`grokputer COMMAND --help` prints the same. Data goes to stdout, progress and errors go to stderr. An error is one",
        "line and exit code 1; a wrong option is exit code 2. An id may be shortened to as much of it as is unique.\n",
        "On a terminal, a table is as wide as the terminal, or as `COLUMNS` says. In a pipe or a file it has every column and",
        "no colour, whatever `COLUMNS` says.\n",
    ]
    for name in COMMANDS:
        command = group.get_command(context, name)
        lines += _describe_command(f"grokputer {name}", command, "##")
        for below, subcommand in getattr(command, "commands", {}).items():
            lines += _describe_command(f"grokputer {name} {below}", subcommand, "###")
    return "\n".join(lines).rstrip() + "\n"


def _describe_command(words: str, command: Any, heading: str) -> list[str]:
    context = command.context_class(command, info_name=words)
    text, _, examples = inspect.cleandoc(command.help or "").partition("\b")
    examples = examples if examples else "\n".join(re.findall(r"^ +grokputer .*$", text, re.MULTILINE))
    text = re.sub(r"^( *Examples:| +grokputer .*)$", "", text, flags=re.MULTILINE)
    called = [line.strip() for line in examples.splitlines() if line.strip().startswith("grokputer ")]
    pieces = " ".join(command.collect_usage_pieces(context))
    lines = [f"{heading} `{words}`\n", _prose(text.strip()) + "\n", f"    {words} {pieces}\n"]
    lines += ["```sh", *called, "```\n"] if called else []
    parameters = (
        parameter
        for parameter in command.get_params(context)
        if not {"--help", "--install-completion"} & {*parameter.opts}
    )
    records = [parameter.get_help_record(context) for parameter in parameters]
    rows = [(f"`{name}`", _prose(help)) for name, help in filter(None, records) if "completion" not in name]
    return lines + (_table(("argument or option", "meaning"), rows) if rows else [])


def _table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    lines = [columns, ("---" for _ in columns), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in lines] + [""]


def _prose(text: str) -> str:
    """Docstring markup as Markdown, with tags escaped."""
    return re.sub(r"``(.+?)``", r"`\1`", text).replace("<", "&lt;")


PAGES = {"settings.md": settings_page, "cli.md": cli_page}


def main() -> int:
    """Write the pages, or with ``--check`` name the outdated ones; the exit code."""
    made = {FOLDER / name: make() for name, make in PAGES.items()}
    stale = [path for path, text in made.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(f"docs/reference/{path.name} is not current; run python scripts/reference.py", file=sys.stderr)
        return int(bool(stale))
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path in stale:
        path.write_text(made[path], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
