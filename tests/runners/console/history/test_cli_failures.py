"""'grokputer failures': its tables, one group, JSON, and text of strangers."""

from __future__ import annotations

import re
from pathlib import Path
from unicodedata import category

import pytest
from command_line import call, document, on_a_terminal, output, refused
from failing import LOGIN, play

from grokputer.runners.console.history.failures import LAST
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.use_cases.reading import failures
from story import Standing, Story

HOSTILE = "ha\x1b]0;owned\x07 \x9b31m \u202eltr \u2066 \u200b\u2028\t [red]:smile: <b>&"


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.create(tmp_path / "events.db", Standing())


def fill(ledger: Ledger) -> str:
    """Four similar failures and one success; the id of the oldest."""
    runs = [play(ledger, stars=stars, issues=["too slow"] if stars else ()) for stars in (2, None, None, None)]
    play(ledger, ends="succeeded", adapter="lora-v1")
    process_new_events(ledger)
    return runs[0].hex


def test_the_tables_say_what_fails_and_among_which_runs(ledger: Ledger) -> None:
    first = fill(ledger)
    shown = [" ".join(line.split()) for line in output("failures", db=ledger.path).splitlines()]
    for line in (
        "examined 5 runs: 4 failures, 80 % of 5 with a known outcome",
        "miniwob/login-user 4 5 80.0 % 38 to 96 %",
        "too slow 1 1 100.0 % 21 to 100 %",
        "no issue named 3 5 60.0 % 23 to 88 %",
        f"{first[:8]} 4 5 login-user: CLICK button 'login' base 100 %, lora-v1 0 %",
    ):
        assert line in shown
    assert "nothing to learn yet: 4 failures in 5 runs" in shown[-1]


def test_a_run_shows_its_group_with_what_leads_on_from_it(ledger: Ledger) -> None:
    first = fill(ledger)
    shown = output("failures", first[:8], db=ledger.path)
    assert "login-user: CLICK button 'login': 4 similar failures" in shown
    assert "0 corrected, 3 unrated; role at fault in most of them: action" in shown
    assert f'grokputer train action --reason "4 failures like run {first[:8]}"' in shown
    assert "rate: grokputer rate " in shown and "correct: grokputer correct " in shown
    assert document("failures", first[:8], db=ledger.path)["runs"][-1] == first


def test_the_commands_that_a_group_leads_to_are_accepted(ledger: Ledger) -> None:
    first = fill(ledger)
    steps = document("failures", first, db=ledger.path)["next"]
    assert output(*steps["see"].split(), db=ledger.path)
    assert output(*steps["rate"].split(), "2", db=ledger.path)
    head, _, reason = steps["train"].partition(' --reason "')
    assert output(*head.split(), "--reason", reason.rstrip('"'), db=ledger.path)
    assert "4 failures like run" in output("log", db=ledger.path)


def test_conditions_choose_the_runs(ledger: Ledger) -> None:
    fill(ledger)
    assert document("failures", "--adapter", "lora-v1", db=ledger.path)["examined"] == 1
    assert document("failures", "--task", "click-*", db=ledger.path)["examined"] == 0
    assert document("failures", "--last", "2", db=ledger.path)["examined"] == 2
    assert output("failures", "--task", "click-*", db=ledger.path).startswith("no runs match --task click-*")


def test_an_empty_log_and_one_without_failures_say_so(ledger: Ledger) -> None:
    assert output("failures", db=ledger.path).startswith("no runs yet; 'grokputer run' makes some")
    play(ledger, ends="succeeded")
    shown = output("failures", db=ledger.path)
    assert "examined 1 run: 0 failures, 0 % of 1 with a known outcome" in shown
    assert "nothing to gain" in shown


def test_a_run_that_is_in_no_group_is_refused_in_one_line(ledger: Ledger) -> None:
    fill(ledger)
    good = play(ledger, ends="succeeded")
    line = refused("failures", good.hex, db=ledger.path)
    assert (
        f"run {good.hex[:8]} is in no group of similar failures among the 6 runs examined; see 'grokputer failures'"
        in line
    )
    assert "no run begins with 'ffff'" in refused("failures", "ffff", db=ledger.path)


@pytest.mark.parametrize(("words", "code"), [(["--last", "0"], 2), (["--role", "mover"], 2), (["--since", "soon"], 1)])
def test_conditions_that_cannot_be_read_are_refused(ledger: Ledger, words: list[str], code: int) -> None:
    assert call("failures", *words, db=ledger.path).exit_code == code


def test_the_number_of_runs_is_that_of_the_use_case() -> None:
    assert LAST == failures.LAST


def test_text_of_strangers_reaches_no_terminal_as_control_or_format_characters(ledger: Ledger) -> None:
    lines = (f"button:{HOSTILE}[1]", *LOGIN)
    for _ in range(3):
        play(
            ledger,
            lines,
            [f"CLICKbutton:{HOSTILE}[1]"],
            task=HOSTILE,
            errors=[HOSTILE],
            stars=1,
            issues=[HOSTILE],
            adapter=HOSTILE,
        )
    run = play(ledger, lines, ["CLICK"], task=HOSTILE).hex
    process_new_events(ledger)
    for words in (
        ["failures"],
        ["failures", document("runs", db=ledger.path)[1]["id"]],
        ["failures", "--task", HOSTILE],
    ):
        shown = call(*words, db=ledger.path)
        assert shown.exit_code == 0, shown.output
        assert not {each for each in shown.output if category(each) in ("Cc", "Cf", "Zl", "Zp") and each != "\n"}
    assert call("failures", run, db=ledger.path).stderr.count("\n") == 1


def test_on_a_terminal_of_80_columns_no_line_is_wider(tmp_path: Path) -> None:
    story = Story(tmp_path / "events.db")
    story.promote()
    for stars in (1, 2, 3):
        story.rate(story.run(succeeds=False), stars)
    story.ledger.close()
    shown = on_a_terminal("failures", db=story.path, columns=80).decode()
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert max(map(len, plain.splitlines())) <= 80
    assert "next: grokputer failures " in plain
