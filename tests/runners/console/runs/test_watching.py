"""A run as it goes, on a terminal and where stderr is piped: what was seen, what was done, and what came of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import call, output
from desks import RIGHT, Desk, Told
from terminal import COLOUR, terminal, widest, without_colour

from grokputer.domain.page.messages import Completion, Page
from grokputer.runners.agent.episode import Step
from grokputer.runners.agent.runner import Task, TaskRunner
from grokputer.runners.console.runs.watching import tell_step, watch_steps
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.store.ledger import Ledger
from story import change

SHOP = ("tab*:Shop[1]", "address:https://shop.example/[2]", "h1:Teas[3]", "a:Green tea[4]", "a:Black tea[5]", "p:x[6]")


def step(answer: str, before: Page, after: Page) -> Step:
    return Step([], Completion(answer, 1, 1, 20), after, 300, before, "action")


def told(*given: object) -> list[str]:
    return [each.line for each in tell_step(2, step(*given))]  # type: ignore[arg-type]


def watched(tmp_path: Path, answers: list[str]) -> None:
    """Play the desk's task with the answers, watched."""
    ledger = Ledger.create(tmp_path / "events.db")
    change(ledger, "run.max_resamples", 0)
    runner = TaskRunner(ledger, Told(answers), lambda name: None, "told", "ada", watch_steps(is_shown=True))
    runner.run(Task("desk", "tea-and-cat"), Desk(), process_new_events(ledger))
    ledger.close()


def test_a_step_tells_where_the_agent_is_the_line_acted_on_and_what_is_new() -> None:
    after = Page("buy", ("tab*:Green tea[1]", *SHOP[1:3], "button:Buy[4]"))
    assert told("CLICKa:Green tea[4]", Page("buy", SHOP), after) == [
        "  2  action  320 ms",
        "     tab*:Shop[1]",
        "     address:https://shop.example/[2]",
        "   | h1:Teas[3]",
        "   > a:Green tea[4]",
        "   | a:Black tea[5]",
        "     do: CLICKa:Green tea[4]",
        "   + tab*:Green tea[1]",
        "   + button:Buy[4]",
        "     4 lines gone",
    ]


def test_an_act_that_did_nothing_says_why_or_that_the_page_looks_the_same() -> None:
    page = Page("buy", SHOP)
    assert (
        told("CLICKa[9]", page, Page("buy", SHOP, error="there is no line 9"))[-1] == "     error: there is no line 9"
    )
    assert told("WAIT", page, page)[-1] == "     the page looks the same"
    assert told("DONE", page, Page("buy", (), True, -1.0))[-1] == "     the task has ended, reward -1"


def test_a_question_has_no_page_so_its_answer_alone_is_printed() -> None:
    assert told("Paris", Page("where?", (), is_question=True), Page("", (), True, 1.0)) == []


def test_the_goals_of_a_plan_are_told_with_ticks_when_one_is_reached(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    watched(tmp_path, list(RIGHT))
    lines = capsys.readouterr().err.splitlines()
    first, second = "make the tea, until the page shows cup:tea", "feed the cat, until a check says so"
    assert [line.strip() for line in lines if line.startswith("     [")] == [
        *(f"[>] 1. {first}", f"[ ] 2. {second}"),
        *(f"[x] 1. {first}", f"[>] 2. {second}"),
        *(f"[x] 1. {first}", f"[x] 2. {second}"),
    ]
    assert "  5  recovery, check of goal 2  1 ms" in lines
    assert lines[-1] == "     the task has ended"


def test_on_a_terminal_a_step_has_colours_and_no_line_is_wider_or_can_control_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("COLUMNS", "80"), ("TERM", "xterm-256color"), ("NO_COLOR", "")):
        monkeypatch.setenv(name, value)
    page, written = Page("buy", (f"a:{'tea ' * 40}[1]", "a:\x1b[2J茶茶茶[red]x[/red][2]")), list[bytes]()
    with terminal(80, written):
        watch_steps(is_shown=True)(1, step("CLICKa[2]", page, page))
    shown = b"".join(written).decode().replace("\r\n", "\n")
    assert COLOUR.search(shown)
    assert widest(shown) <= 80
    assert "\\x1b[2J茶茶茶[red]x[/red][2]" in without_colour(shown)


def test_with_json_no_step_is_shown(tmp_path: Path) -> None:
    output("init", db=tmp_path / "events.db")
    for words in (("run", "click-button", "--seed", 1), ("run", "--from", str(tmp_path / "tasks"))):
        (tmp_path / "tasks").write_text('{"task": "click-button", "seed": 1}\n')
        assert "do: CLICK" in call(*words, db=tmp_path / "events.db").stderr
        assert "do: CLICK" not in call(*words, "--json", db=tmp_path / "events.db").stderr
