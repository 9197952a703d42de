"""Text of strangers: it reaches a terminal, a page and a mail as plain characters, and JSON as it is."""

from __future__ import annotations

import ast
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from unicodedata import category
from uuid import UUID

import pytest
from command_line import call, document, on_a_terminal, output
from places import ROOT

from grokputer.domain.aggregates.alert import Delivery
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.events import AlertRaised
from grokputer.domain.vocabulary import HandDecision
from grokputer.projections.wording.escaping import escape_text
from grokputer.runners.alerts.mail import Mail
from grokputer.runners.explain.explanation import explain, read_history
from grokputer.runners.explain.page import render
from grokputer.runners.improvement.rollouts import decide_by_hand
from grokputer.runners.store.log import Log
from grokputer.runners.store.states import load_state
from story import Story

HOSTILE = "ha\x1b]0;owned\x07 \x9b31m \u202eltr \u2066 \u200b\u2028\r\n\t [red]:smile: <b>&"
"""A title of the terminal, C1, bidi and invisible characters, line breaks, markup of Rich, the name of an emoji, and HTML."""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log in which every text that a person, a model or a page may give is hostile."""
    story = Story(tmp_path_factory.mktemp("hostile") / "events.db")
    adapter = story.train(story.fall())
    rollout = story.prove(adapter)
    story.assess(rollout, "hold", HOSTILE)
    decide_by_hand(story.ledger, load_state(story.ledger), "lora-v1", HandDecision.PROMOTE, HOSTILE, HOSTILE)
    story.set("canary.min_runs", 7, HOSTILE)
    run = story.run(task=HOSTILE, succeeds=False)
    story.rate(run, 1, HOSTILE, HOSTILE)
    story.rate(story.run(), 2, HOSTILE)
    second = story.prove(story.train(story.ask(HOSTILE)))
    story.assess(second, "inconclusive", HOSTILE)
    key = story.ledger.put(json.dumps([{"messages": [], "completion": HOSTILE}]))
    context = story.ledger.context(HOSTILE)
    story.ledger.write(TaskRun, run, lambda it: it.correct("human", key, 1, False, context))
    session = {
        "task": HOSTILE, "user_rating": 2, "feedback_comment": HOSTILE, "what_went_wrong": [HOSTILE], "lora_version": HOSTILE,
        "iterations": [{"response": HOSTILE}],
    }  # fmt: skip
    file = story.path.parent / "session.json"
    file.write_text(json.dumps(session))
    story.ledger.close()
    output("runs", "import", file, "--as", HOSTILE, db=story.path)
    return story.path


def reading(log: Path) -> list[list[str]]:
    ids = [run["id"] for run in document("runs", db=log)]
    return [
        ["status"], ["runs"], ["log"], ["at", "90"], ["adapters"], ["rollouts"], ["settings"], ["alerts"], ["diff", "1", "90"],
        ["why", "lora-v1", "--ratings"], ["why", "lora-v2", "--ratings"], ["why", "canary.min_runs"], ["what-if"], ["failures"],
        ["lineage", "lora-v1"], ["dataset", "preview", "--limit", "99"], ["verify"],
        *(["show", id, "--full"] for id in ids[:4]), ["why", ids[1]],
    ]  # fmt: skip


def test_no_reading_command_prints_a_control_or_format_character(hostile: Path) -> None:
    seen = ""
    for words in reading(hostile):
        shown = call(*words, db=hostile)
        assert shown.exit_code == 0, shown.output
        seen += shown.output
        found = {it for it in shown.output if category(it) in ("Cc", "Cf", "Zl", "Zp") and it != "\n"}
        assert not found, (words, found)
    assert seen.count(r"ha\x1b]0;owned\x07") > 20


def test_text_of_a_stranger_makes_no_line_of_its_own_in_a_table_or_tree(hostile: Path) -> None:
    assert not [
        line for words in reading(hostile) for line in output(*words, db=hostile).splitlines() if line[:4] == "\t [r"
    ]


@pytest.mark.parametrize(
    "words", [["runs"], ["why", "lora-v1"], ["why", "canary.min_runs"], ["rollouts"]], ids=" ".join
)
def test_on_a_terminal_markup_and_escape_sequences_are_shown_as_they_are_written(
    hostile: Path, words: list[str]
) -> None:
    shown = on_a_terminal(*words, db=hostile, columns=400)
    assert b"\x1b]" not in shown and b"\x07" not in shown
    for character in ("\x9b", "\u202e", "\u2066", "\u200b", "\u2028"):
        assert character.encode() not in shown
    assert rb"ha\x1b]0;owned\x07" in shown
    if words != ["runs"]:  # its tasks are cut before
        assert b"[red]:smile:" in shown


def test_json_output_holds_the_text_as_it_is(hostile: Path) -> None:
    assert HOSTILE in {run["task"] for run in document("runs", db=hostile)}


def test_the_page_shows_the_text_escaped(hostile: Path) -> None:
    log = Log.open(hostile)
    found = explain(log, load_state(log), "lora-v1")
    page = render(found, read_history(log, found), with_ratings=True)
    assert r"ha\x1b]0;owned\x07" in page and "&lt;b&gt;&amp;" in page
    assert not {it for it in page if category(it) in ("Cc", "Cf", "Zl", "Zp") and it != "\n"}


def test_a_mail_shows_the_text_escaped() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    alert = AlertRaised(
        originator_id=UUID(int=7), originator_version=1, time=now, actor="grokputer", kind="test", severity="warning",
        role="action", adapter=HOSTILE, message=HOSTILE, by=HOSTILE,
    )  # fmt: skip
    mail = Mail("mail.example.org:25", recipients="a@example.org", sender="b@example.org", timeout_s=1.0)
    text = mail.write(Delivery("id", alert, 3), now).get_content()
    assert r"\x1b]0;owned\x07" in text
    assert not {it for it in text if category(it) in ("Cc", "Cf", "Zl", "Zp") and it != "\n"}


def test_an_error_line_shows_the_text_escaped(hostile: Path) -> None:
    shown = call("why", "a\x1b]0;owned\x07\u202e", db=hostile)
    assert shown.exit_code == 1
    assert re.fullmatch(r"[ -~]+\n", shown.stderr)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 你好 שלום", "plain é 你好 שלום"),
        ("\x1b[31m", r"\x1b[31m"),
        ("a\nb\tc\r", r"a\nb\tc\r"),
        ("\x7f\x9b", r"\x7f\x9b"),
        ("\u202e\u2069\ufeff", r"\u202e\u2069\ufeff"),
        ("\U000e0041", r"\U000e0041"),
        ("\ud800", r"\ud800"),
        ("10\xa0000 C:\\new", "10\xa0000 C:\\new"),
    ],
)
def test_what_would_control_reorder_or_hide_is_escaped_and_nothing_else(text: str, shown: str) -> None:
    assert escape_text(text) == shown


PRINTERS = {ROOT / "runners/console/rendering.py"}
SAFE = {"escape_text", "as_text"}


def test_only_the_rendering_prints_text_that_is_not_escaped() -> None:
    """A ``print`` elsewhere is a text that somebody forgot to escape."""
    paths = [ROOT / "cli.py", *(it for it in (ROOT / "runners").rglob("*.py") if "pretraining" not in it.parts)]
    for path in paths:
        if path in PRINTERS:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = ast.unparse(node.func)
            assert not name.endswith((".stdout.write", ".stderr.write")) and name != "typer.echo", (path, node.lineno)
            if name == "print" or name.endswith("console.print"):
                given = [ast.unparse(it.func) if isinstance(it, ast.Call) else "" for it in node.args]
                assert set(given) <= SAFE or is_fixed(node), (
                    f"{path.relative_to(ROOT)}:{node.lineno} prints unescaped text"
                )


def is_fixed(call: ast.Call) -> bool:
    """Whether what is printed begins with the program's name and escapes all else."""
    return all(
        isinstance(part, ast.Constant)
        or ast.unparse(getattr(part, "value", part)).startswith(("escape_text(", "version("))
        for argument in call.args
        for part in (argument.values if isinstance(argument, ast.JoinedStr) else [argument])
    )
