"""Who may read a log: its owner alone, unless the log was there before or its owner lets others."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest

from grokputer.runners.agent.abandoned import playing
from grokputer.runners.archive.backup import back_up, restore
from grokputer.runners.store.lease import lease
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.use_cases.settings import change_setting


@pytest.fixture(autouse=True)
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, str]:
    return {path.name: f"{path.stat().st_mode & 0o777:o}" for path in folder.iterdir() if path.is_file()}


def use(path: Path) -> None:
    """Open the log, or make it, write to it, and look at the files beside it."""
    with closing(Ledger.create(path)) as ledger:
        change_setting(ledger, "run.memory", 3, actor="ada")
        with lease(ledger), playing(ledger, run := uuid4()):
            used = modes(path.parent)
    names = {f"{path.name}{end}" for end in ("", "-wal", "-shm", ".lock", ".lease", f".run-{run.hex}")}
    assert names <= set(used)
    allowed = used[path.name]
    assert {name: mode for name, mode in used.items() if mode != allowed} == {}


def test_a_new_log_and_the_files_beside_it_are_for_its_owner_alone(tmp_path: Path) -> None:
    use(tmp_path / "events.db")
    assert modes(tmp_path)["events.db"] == "600"


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o640])
def test_a_log_that_is_there_keeps_its_permissions_and_new_files_beside_it_have_the_same(
    tmp_path: Path, mode: int
) -> None:
    path = tmp_path / "events.db"
    Ledger.create(path).close()
    path.chmod(mode)
    for name in ("events.db.lock", "events.db-wal", "events.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    use(path)
    assert modes(tmp_path)["events.db"] == f"{mode:o}"


def test_an_empty_file_decides_who_may_read_the_log_that_comes_in_its_place(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    path.touch(0o640)
    Ledger.create(path).close()
    assert modes(tmp_path)["events.db"] == "640"


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_a_backup_and_a_restored_log_are_for_the_same_people_as_the_log(tmp_path: Path, mode: int) -> None:
    path, copies = tmp_path / "events.db", tmp_path / "copies"
    ledger = Ledger.create(path)
    path.chmod(mode)
    back_up(ledger, copies)
    ledger.close()
    (tmp_path / "other").mkdir()
    restore(copies, tmp_path / "other" / "events.db")
    assert modes(copies)["events.db"] == modes(tmp_path / "other")["events.db"] == f"{mode:o}"
