"""The pages of docs/: what they tell the reader to type exists, and is run where that takes seconds and needs nothing."""

from __future__ import annotations

import html
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer
from command_line import call
from documents import Reader, blocks, pages, statements, with_demo, words_of
from places import ROOT
from receivers import Receiver

from grokputer.cli import COMMANDS

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(it for it in pages() if ROOT / "docs" in it.parents)]
GENERATED = ROOT / "docs" / "reference"

NOT_RUN = {
    "make ": "sets up the whole checkout",
    "python -m venv ": "sets up the whole checkout",
    ". .venv/bin/activate": "changes the reader's shell alone",
    "pytest ": "would run these tests again",
    "pip install ": "needs the network",
    "podman ": "deploy/check.sh builds the image and runs the fleet",
    "docker compose ": "deploy/check.sh builds the image and runs the fleet",
    "STABLE_VERSION=": "deploy/check.sh builds the image and runs the fleet",
    "kubectl ": "needs a cluster",
    'echo "POSTGRES_PASSWORD=': "would write to the checkout",
    "sudo apt-get install ": "changes the machine; scripts/setup.sh does it",
    "grokputer run desktop/": "needs the programs of a desktop; test_desktop.py uses them",
    'grokputer run "Close the window': "needs a person's display, and asks; test_personal_desktop.py has one",
    "python -m build ": "builds the wheel; scripts/check_wheel.sh does it",
    "python scripts/picture.py": "plays a training and a canary, which takes minutes",
    "python scripts/reference.py": "would write to the checkout; test_reference.py runs it with --check",
    "grokputer demo": "plays a training and a canary, which takes minutes",
    "grokputer bench learn": "takes hours; test_learning.py plays a short one",
    "grokputer bench bfcl": "needs the package of its tasks; test_function_calls.py plays a short one",
    "grokputer settings set model.base smollm2": "needs its weights; test_smollm2.py has them",
    "grokputer settings set model.base my-model": "needs a GGUF file; test_gguf.py has one",
    "grokputer settings set model.base ./my-model": "needs a folder; test_choices.py has one",
    "grokputer ab ": "plays dozens of runs; test_ab.py plays fewer",
    "grokputer why lora-v1$": "asks for an adapter that the page's runs have trained",
    "grokputer run click-": "starts a browser and loads a model; the pages in REAL_RUNS do it",
    "grokputer run login-user": "starts a browser and loads a model; the pages in REAL_RUNS do it",
    "grokputer run count-shape": "starts a browser and loads a model; the pages in REAL_RUNS do it",
    'grokputer run "Find the price': "needs the network; test_guard.py opens pages of this machine",
    'grokputer run "Buy green tea"': "needs the network; test_guard.py opens pages of this machine",
    "grokputer run web/": "starts a browser and loads a model; test_site.py plays the tasks",
    "grokputer run page-tasks/": "needs a site; test_own_page_tasks.py has one",
    "grokputer tasks check page-tasks": "needs a site; test_own_page_tasks.py has one",
    "grokputer run shell/": "loads a model; test_tasks.py does it with another one",
    "grokputer run long/": "loads a model; test_plans.py plays planned tasks with another one",
    "grokputer run my-tasks/": "loads a model; test_tasks.py does it with another one",
    "grokputer correct 3f2a --demonstrate": "starts a browser; the pages in REAL_RUNS do it",
    "grokputer correct 3f2a --retry": "starts a browser and loads a model; test_retries.py does it",
    "grokputer correct 3f2a --step": "its actions are those of one page; test_cli_deciding.py does it",
    "grokputer correct 3f2a --action": "its actions are those of one page; test_cli_deciding.py does it",
    "grokputer train --dry-run": "tries steps of a training; test_cost.py does it",
    "grokputer work": "runs until it is stopped",
    "grokputer serve": "runs until it is stopped; test_stopping.py starts one",
    "export OPENAI_BASE_URL": "changes the reader's shell alone",
    "export GROKPUTER_URL": "changes the reader's shell alone",
    "curl ": "needs a gateway that runs; test_client_page.py asks one",
    "RUN=": "needs a gateway that runs; test_client_page.py asks one",
    "grokputer tasks generate": "asks a teacher; test_task_generation.py does it",
    'grokputer settings set environment.tasks "my-tasks, new-tasks"': "needs tasks that a teacher wrote",
    "grokputer judge grade": "asks a judge; test_cli_judge.py does it",
    'grokputer run "What does the chart say?"': "needs a picture; test_inputs.py has one",
    'grokputer run "Do what the person says."': "needs a recording; test_inputs.py has one",
    "grokputer run --audio": "needs a recording; test_inputs.py has one",
    "python -m http.server": "runs until it is stopped",
    'grokputer run "Press the button': "needs that server; test_guard.py opens pages of this machine",
    "grokputer dataset import my-pictures/": "needs a folder; test_pictures_of_sets.py has one",
    "grokputer dataset synthesize": "asks a teacher; test_teacher.py does it",
    "grokputer dataset import databricks/": "needs the network",
    "sqlite-utils ": "is another program",
    "sqlite3 ": "is another program",
    "grokputer forget ": "deletes for good, so it asks a person; test_erasure.py does it",
}
"""Beginnings of statements, or with a $ whole ones, that are not run here, each with the reason. Their commands and options are
checked all the same."""

ENDPOINTS = ("http://localhost:11434/v1", "http://localhost:8000/v1", "https://api.x.ai/v1")
"""The models behind endpoints, in place of which a server of the tests answers."""

REAL_RUNS = {"README.md", "getting-started.md"}
"""Pages whose runs are real: the agent in a browser, with the embedded model."""

REALLY_RUN = ("grokputer run login-user --seed 7", "grokputer correct 3f2a --demo")

RUN_ALL_THE_SAME = ("grokputer work --once",)


def is_run(page: Path, statement: str) -> bool:
    """Whether the statement is run here."""
    if statement.startswith(RUN_ALL_THE_SAME):
        return True
    is_real = page.name in REAL_RUNS and statement.startswith(REALLY_RUN)
    return is_real or not any(begins(statement, beginning) for beginning in NOT_RUN)


def begins(statement: str, beginning: str) -> bool:
    """Whether the statement begins so, or is that where a $ follows."""
    return statement.startswith(beginning) or f"{statement}$" == beginning


def called(statement: str) -> list[str]:
    """The words after ``grokputer`` where that is what the statement calls."""
    return words_of(statement)[1:] if statement.startswith("grokputer ") else []


@pytest.mark.parametrize("page", PAGES, ids=lambda it: str(it.relative_to(ROOT)))
def test_every_command_of_a_page_exists_with_its_options(page: Path) -> None:
    for statement in statements(page.read_text(encoding="utf-8")):
        words = called(statement)
        if not words or words[0].startswith("--"):
            continue
        assert words[0] in COMMANDS, statement
        has_subcommand = len(words) > 1 and words[1].isidentifier()
        helps = [call(*words[:count], "--help") for count in ((1, 2) if has_subcommand else (1,))]
        known = "".join(it.output for it in helps if it.exit_code == 0)
        for option in (word.split("=")[0] for word in words if word.startswith("--")):
            assert option in known, f"{statement}: {option}"


@pytest.mark.parametrize("page", [it for it in PAGES if GENERATED not in it.parents], ids=lambda it: it.name)
def test_what_a_page_tells_the_reader_to_type_succeeds(
    page: Path, written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = [it for it in statements(page.read_text(encoding="utf-8")) if is_run(page, it)]
    monkeypatch.chdir(with_demo(tmp_path, written))
    monkeypatch.delenv("GROKPUTER_DB", raising=False)
    with ChatServer("Paris") as model, Receiver() as receiver:
        replaced = dict.fromkeys(ENDPOINTS, model.url) | {"https://example.org/alerts": receiver.url}
        reader = Reader(tmp_path, {"OPENAI_API_KEY": "none"}, replaced)
        for statement in typed:
            code, printed = reader.type(statement)
            assert code == 0, f"{statement}\n{printed}"


def test_each_beginning_that_is_not_run_stands_on_some_page() -> None:
    typed = [it for page in PAGES for it in statements(page.read_text(encoding="utf-8"))]
    assert [it for it in NOT_RUN if not any(begins(statement, it) for statement in typed)] == []


def test_a_page_has_a_title_and_the_index_leads_to_it() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    for page in PAGES:
        assert page.read_text(encoding="utf-8").startswith("# ")
        if page.parent != ROOT and page.name != "README.md":
            assert f"({page.relative_to(ROOT / 'docs')})" in index


def test_the_reference_pages_are_those_that_the_program_makes() -> None:
    made = subprocess.run(
        [sys.executable, ROOT / "scripts" / "reference.py", "--check"], capture_output=True, text=True
    )
    assert made.stderr == ""
    assert made.returncode == 0


def test_the_lines_of_the_alerts_page_tell_a_genuine_alert_from_a_forged_and_an_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [program] = blocks((ROOT / "docs" / "alerts.md").read_text(encoding="utf-8"), "python")
    known: dict[str, Any] = {}
    exec(program, known)
    db, secret = tmp_path / "events.db", "whsec_" + "c2VjcmV0" * 6
    monkeypatch.setenv("GROKPUTER_WEBHOOK_SECRET", secret)
    with Receiver() as receiver:
        for words in (["init"], ["settings", "set", "alert.webhook", receiver.url], ["alerts", "test"]):
            result = call(*words, db=db)
            assert result.exit_code == 0, result.output
    [request] = receiver.requests
    old = {**request.headers, "webhook-timestamp": str(int(request.headers["webhook-timestamp"]) - 3600)}
    assert known["is_genuine"](request.headers, request.body, secret)
    assert not known["is_genuine"](request.headers, request.body + b" ", secret)
    assert not known["is_genuine"](old, request.body, secret)


def test_the_picture_shows_the_commands_of_its_section_and_loads_nothing() -> None:
    page = (ROOT / "docs" / "getting-started.md").read_text(encoding="utf-8")
    section = page.split("\n## The loop by hand\n")[1].split("\n## ")[0]
    picture = html.unescape((ROOT / "docs" / "session.svg").read_text(encoding="utf-8")).replace("\xa0", " ")
    shown = [it for it in statements(section) if called(it)[0] in ("run", "work", "why")]
    assert len(shown) == 5
    assert all(f">{statement}<" in picture for statement in shown)
    assert re.findall(r"\w+://\S+", picture) == ['http://www.w3.org/2000/svg"']


def test_the_readme_is_short_enough_to_be_read() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 120
    assert max(map(len, lines)) <= 130


def test_the_two_commands_are_targets_of_the_makefile() -> None:
    typed = list(statements((ROOT / "README.md").read_text(encoding="utf-8")))
    targets = [words_of(it)[1] for it in typed if it.startswith("make ")]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert targets == ["demo", "test"]
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)
