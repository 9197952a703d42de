"""The sandboxes that work on this machine, for tests that carry out commands for real."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from grokputer.runners.environments.sandbox.bubblewrap import Bubblewrap
from grokputer.runners.environments.sandbox.choice import probe
from grokputer.runners.environments.sandbox.command import Limits, Outcome, Sandbox
from grokputer.runners.environments.sandbox.landlock import Landlock
from grokputer.runners.environments.sandbox.room import Room

SECRET = "sk-of-the-parent"
"""What no command may ever print."""


class Box:
    """A sandbox and a fresh folder to attack it from."""

    def __init__(self, sandbox: Sandbox, room: Room) -> None:
        self.sandbox, self.room = sandbox, room

    @property
    def folder(self) -> Path:
        return self.room.folder

    def run(self, command: str, *, is_read_only: bool = False, **limits: Any) -> Outcome:
        """Carry the command out, with other limits than the usual ones where some are given."""
        outcome = self.sandbox.run(
            self.room.folder,
            command,
            replace(Limits(), **limits),
            is_read_only=is_read_only,
        )
        assert SECRET not in outcome.output
        return outcome

    def says(self, command: str) -> str:
        """What the command prints."""
        return self.run(command).output.strip()


@pytest.fixture(scope="session", params=[Bubblewrap, Landlock], ids=["bubblewrap", "sandlock"])
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    """Each sandbox of the program. A test is skipped where this machine has not what one needs."""
    made: Sandbox = request.param()
    if fault := probe(made):
        pytest.skip(f"no {made.name} works here: {fault}")
    return made


@pytest.fixture
def box(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Box]:
    """A fresh folder in the sandbox; the program's environment has a secret."""
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    with Room() as room:
        yield Box(sandbox, room)
