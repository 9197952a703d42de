"""The Python API: its page runs as it stands, its names are public, and each log belongs to one thread."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from places import ROOT

import grokputer
from grokputer import ProgramRun, ProgramStep

PAGE = ROOT / "docs" / "python-api.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def run_of(number: int = 0, **fields: object) -> ProgramRun:
    given: dict[str, object] = {"adapter": None, **fields}
    return ProgramRun("support", f"order {number}", [ProgramStep("Where is it?", "On its way.")], **given)  # type: ignore[arg-type]


def test_the_page_runs_in_an_empty_folder_in_its_order(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join(BLOCKS)], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[:2] == ["0", "1000 runs, the last event at 4000"]
    assert "True False True" in lines
    assert "False True" in lines
    assert len(BLOCKS) >= 8


def test_every_public_name_is_there_and_described_on_the_page_or_by_itself() -> None:
    for name in grokputer.__all__:
        found = getattr(grokputer, name)
        assert isinstance(found, str) or found.__doc__, name
    assert set(grokputer.__all__) <= set(dir(grokputer))
    with pytest.raises(AttributeError, match="no attribute 'elsewhere'"):
        grokputer.elsewhere  # noqa: B018


def test_a_log_that_another_thread_uses_says_whose_it_is(tmp_path: Path) -> None:
    errors: list[Exception] = []

    def use(log: grokputer.OpenLog) -> None:
        for call in (log.status, log.runs, lambda: log.record(run_of()), lambda: log.rollouts, log.batch):
            try:
                call()
            except grokputer.GrokputerError as error:
                errors.append(error)

    with grokputer.open(tmp_path / "events.db", create=True) as log:
        thread = threading.Thread(target=use, args=(log,), name="helper")
        thread.start()
        thread.join()
        assert log.position == 0
    assert [type(error) for error in errors] == [grokputer.WrongThread] * 5
    assert "'helper'" in str(errors[0])


def test_another_thread_that_opens_the_log_itself_writes_to_it(tmp_path: Path) -> None:
    def write() -> None:
        with grokputer.open(tmp_path / "events.db") as own:
            own.record(run_of(1))

    with grokputer.open(tmp_path / "events.db", create=True) as log:
        log.record(run_of())
        thread = threading.Thread(target=write)
        thread.start()
        thread.join()
        assert len(log.runs()) == 2


def test_a_closed_log_says_that_it_is_closed(tmp_path: Path) -> None:
    log = grokputer.open(tmp_path / "events.db", create=True)
    log.close()
    log.close()
    with pytest.raises(grokputer.NotPossible, match="closed"):
        log.status()


def test_a_log_that_is_not_there_is_refused_unless_it_is_to_be_made(tmp_path: Path) -> None:
    with pytest.raises(grokputer.LogError, match="no log at") as refused:
        grokputer.open(tmp_path / "events.db")
    assert refused.value.hint is grokputer.Hint.MAKE_LOG
    assert "grokputer init" not in str(refused.value)


def test_no_actor_may_have_the_programs_own_name(tmp_path: Path) -> None:
    with pytest.raises(grokputer.NotPossible, match="the program's own name"):
        grokputer.open(tmp_path / "events.db", create=True, actor="grokputer")
