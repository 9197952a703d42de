"""The Python API: its page runs as it stands, its names are public, and each log belongs to one thread."""

from __future__ import annotations

import dataclasses
import inspect
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from asking import begin, endpoint
from chat_server import ChatServer
from places import ROOT

import grokputer
from grokputer import UNKNOWN, ProgramRun, ProgramStep
from grokputer.runners.store.ledger import Ledger

PAGE = ROOT / "docs" / "python-api.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
PROSE = re.sub(r"```.*?```", "", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
CODE = [*BLOCKS, *re.findall(r"`([^`\n]+)`", PROSE)]
"""What the page has as code: its blocks, and the names in its sentences."""


def run_of(number: int = 0, **fields: object) -> ProgramRun:
    given: dict[str, object] = {"adapter": None, **fields}
    return ProgramRun("support", f"order {number}", [ProgramStep("Where is it?", "On its way.")], **given)  # type: ignore[arg-type]


def test_the_page_runs_in_an_empty_folder_in_its_order(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join(BLOCKS)], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "0"
    assert lines[2] == "1000 runs, the last event at 4000"
    assert "True False True" in lines
    assert "False True" in lines
    assert len(BLOCKS) >= 8


def test_every_public_name_is_there_and_stands_on_the_page() -> None:
    words = set(re.findall(r"\w+", " ".join(CODE)))
    assert sorted(set(grokputer.__all__) - words) == []
    for name in grokputer.__all__:
        found = getattr(grokputer, name)
        assert not inspect.isclass(found) or (found.__doc__ and not found.__doc__.startswith(f"{name}(")), name
    assert set(grokputer.__all__) <= set(dir(grokputer))
    with pytest.raises(AttributeError, match="no attribute 'elsewhere'"):
        grokputer.elsewhere  # noqa: B018


@pytest.mark.parametrize("kind", [grokputer.OpenLog, grokputer.Rollouts, grokputer.Batch, grokputer.Status])
def test_every_public_method_stands_on_the_page_and_has_a_docstring(kind: type) -> None:
    called = set(re.findall(r"\.(\w+)", " ".join(CODE))) | set(re.findall(r"`(\w+)(?:\(.*?\))?`", PROSE))
    for name, member in vars(kind).items():
        if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, property)):
            assert member.__doc__, name
            assert name in called, f"{kind.__name__}.{name} is not on the page"


def types_in(kind: Any) -> set[type]:
    """The classes that an annotation names."""
    parts = get_args(kind)
    return set().union(*map(types_in, parts)) if parts else {kind} if inspect.isclass(kind) else set()


def handed_out() -> set[type]:
    """Every class of this program whose objects the API returns, and those that their fields have."""
    kinds = (grokputer.OpenLog, grokputer.Rollouts, grokputer.Batch)
    members = [member for kind in kinds for name, member in vars(kind).items() if not name.startswith("_")]
    functions = [it.fget if isinstance(it, property) else it for it in members]
    named = [
        get_type_hints(it)["return"] for it in functions if inspect.isfunction(it) and "return" in it.__annotations__
    ]
    todo, seen = set().union(*map(types_in, [*named, get_type_hints(grokputer.open)["return"]])), set[type]()
    while todo:
        kind = todo.pop()
        if not kind.__module__.startswith("grokputer.") or kind in seen or issubclass(kind, grokputer.Event):
            continue
        seen.add(kind)
        if dataclasses.is_dataclass(kind) or hasattr(kind, "_fields"):
            hints = get_type_hints(kind)
            todo |= set().union(*(types_in(hint) for name, hint in hints.items() if not name.startswith("_")))
    return seen


def test_every_type_that_the_api_hands_out_is_public() -> None:
    missing = {kind.__name__ for kind in handed_out()} - set(grokputer.__all__)
    assert missing == set()
    assert {"Status", "RoleSummary", "Wait", "Rating", "RolloutPhase"} <= {kind.__name__ for kind in handed_out()}


def test_every_error_that_a_docstring_of_the_api_names_is_public() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "api").glob("*.py"))
    raised = set(re.findall(r"Raises ``(\w+)``", source)) | set(re.findall(r"raise (\w+)\(", source))
    assert raised <= set(grokputer.__all__)
    assert len(raised) > 3


def test_every_method_that_records_takes_an_actor() -> None:
    reading = {
        *(
            "close",
            "state_at",
            "status",
            "runs",
            "failures",
            "why",
            "events",
            "text",
            "position",
            "rollouts",
            "agreement",
        )
    }
    for kind in (grokputer.OpenLog, grokputer.Rollouts):
        for name, member in vars(kind).items():
            if inspect.isfunction(member) and not name.startswith("_") and name not in reading:
                assert "actor" in inspect.signature(member).parameters, name


def test_what_is_recorded_for_another_actor_names_that_actor(tmp_path: Path) -> None:
    with grokputer.open(tmp_path / "events.db", create=True, actor="shop") as log:
        log.record(run_of(), actor="ada")
        with log.batch(actor="bob") as batch:
            batch.record(run_of(1))
        log.record(run_of(2))
        started = [it.event.actor for it in log.events(topics=["TaskStarted"])]
    assert started == ["ada", "bob", "shop"]


def test_an_unknown_adapter_is_a_value_of_its_own_type(tmp_path: Path) -> None:
    assert isinstance(UNKNOWN, grokputer.Unknown)
    assert ProgramRun("support", "order 7").adapter is UNKNOWN
    with grokputer.open(tmp_path / "events.db", create=True) as log:
        for adapter in (UNKNOWN, "unknown"):  # the text was the value before
            log.record(run_of(adapter=adapter))
        assert [run.arm for run in log.runs()] == ["pinned", "pinned"]


def test_a_model_and_environments_stay_open_until_the_log_is_closed(tmp_path: Path) -> None:
    with ChatServer("Paris") as server:
        endpoint(tmp_path / "events.db", server.url)
        with grokputer.open(tmp_path / "events.db") as log:
            first = log.run("What is the capital of France?", actor="ada")
            opened = log._services()
            model, place = opened.model, opened.environment("chat")
            log.correct(first.run, "Paris, on the Seine")
            log.run("Where is Paris?")
            assert log._services() is opened
            assert (opened.model, opened.environment("chat")) == (model, place)
            assert {it.event.actor for it in log.events(topics=["TaskStarted"])} >= {"ada"}


def test_an_abandoned_run_is_ended_before_a_task_is_run(tmp_path: Path) -> None:
    with ChatServer("Paris") as server:
        endpoint(tmp_path / "events.db", server.url)
        ledger = Ledger.open(tmp_path / "events.db")
        lost = begin(ledger).id
        ledger.close()
        with grokputer.open(tmp_path / "events.db") as log:
            assert [run.status for run in log.runs()] == ["running"]
            log.run("What is the capital of France?")
            [ended] = [run for run in log.runs() if run.run == lost]
    assert (ended.status, ended.reason) == ("failed", "environment")


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


@pytest.mark.parametrize("name", ["grokputer", "reviewer", "bench", "demo", " demo "])
def test_no_person_may_have_one_of_the_programs_own_names(tmp_path: Path, name: str) -> None:
    with pytest.raises(grokputer.NotPossible, match="one of the program's own names") as refused:
        grokputer.open(tmp_path / "events.db", create=True, actor=name)
    assert "bench, demo, grokputer, reviewer" in str(refused.value)
    assert refused.value.hint is grokputer.Hint.GIVE_ACTOR


def test_a_rater_of_a_recorded_run_may_not_have_one_of_the_programs_own_names(tmp_path: Path) -> None:
    with grokputer.open(tmp_path / "events.db", create=True, actor="shop") as log:
        for name in ("reviewer", "sha256:" + "a" * 64):
            with pytest.raises(grokputer.NotPossible):
                log.record(run_of(stars=2, rated_by=name))
        assert log.position == 0
