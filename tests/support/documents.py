"""The Markdown pages for the tests: their blocks of commands, run one statement after another as a reader would."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from places import ROOT
from typer.testing import CliRunner

from grokputer.cli import app

SOME_RUN = re.compile(r"\b3f2a\b")
"""How the pages write the id of a run that the reader has; here the newest of the log stands for it."""


def pages() -> list[Path]:
    """Every Markdown page that belongs to the repository."""
    hidden = (path for path in ROOT.rglob("*.md") if not any(it.startswith(".") for it in path.relative_to(ROOT).parts))
    return sorted(path for path in hidden if "node_modules" not in path.parts and "build" not in path.parts)


def blocks(text: str, language: str) -> list[str]:
    """The text's fenced blocks in the language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def statements(text: str) -> Iterator[str]:
    """The statements of the text's shell blocks: lines, with what continues them or is their here-document."""
    for block in blocks(text, "sh"):
        lines = iter(block.splitlines())
        for line in lines:
            statement = line
            while statement.endswith("\\"):
                statement = f"{statement[:-1].rstrip()} {next(lines).strip()}"
            for end in re.findall(r"<<\s*'?(\w+)'?", line):
                for more in lines:
                    statement += f"\n{more}"
                    if more == end:
                        break
            if statement.strip() and not statement.lstrip().startswith("#"):
                yield statement


def words_of(statement: str) -> list[str]:
    """The statement's words, without a comment at its end."""
    return shlex.split(statement.splitlines()[0], comments=True)


@dataclass
class Reader:
    """Somebody who types what a page says, in a folder of their own."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    replaced: Mapping[str, str] = field(default_factory=dict)
    """Words of the pages, and what stands there instead in the tests: addresses of servers."""

    def type(self, statement: str) -> tuple[int, str]:
        """The exit code and what is printed."""
        for word, instead in self.replaced.items():
            statement = statement.replace(word, instead)
        statement = SOME_RUN.sub(lambda _: self._newest_run(statement), statement)
        exported = re.fullmatch(r"export (\w+)=(.+?)(\s+#.*)?", statement)
        if exported:
            shown = self._shell(f"printf %s {exported[2]}")
            self.environment[exported[1]] = shown.stdout
            return shown.returncode, shown.stderr
        if not statement.startswith("grokputer ") or re.search(r"[|<>$;&]", statement.split(" #")[0]):
            shown = self._shell(statement)
            return shown.returncode, shown.stdout + shown.stderr
        result = CliRunner().invoke(app, words_of(statement)[1:], env=self.environment, catch_exceptions=False)
        return result.exit_code, result.output

    def _shell(self, statement: str) -> subprocess.CompletedProcess[str]:
        programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = {**os.environ, **self.environment, "PATH": programs}
        return subprocess.run(
            ["/bin/sh", "-c", statement], cwd=self.folder, env=environment, capture_output=True, text=True
        )

    def _newest_run(self, statement: str) -> str:
        named = re.search(r"--db (\S+)", statement)
        with closing(sqlite3.connect(self.folder / (named[1] if named else "events.db"))) as connection:
            found: str = connection.execute("SELECT id FROM runs ORDER BY position DESC LIMIT 1").fetchone()[0]
        return found[:8]


def with_demo(folder: Path, written: Path) -> Path:
    """The folder, with a log where the demo's would be."""
    shutil.copytree(written.parent, folder / "demo")
    return folder
