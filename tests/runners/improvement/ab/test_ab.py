"""``grokputer ab``: two adapters on the same pages, in a real browser and on a real model, killed and gone on with."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer
from command_line import call, document, lines, output, refused
from gated import SETTINGS, Finished, History
from tiny_base import quiet_libraries

from grokputer.domain.aggregates.comparison import Design
from grokputer.domain.errors import DamagedWeights, GrokputerError
from grokputer.domain.ports import Attempt, Script
from grokputer.projections.state.ratings import BASE
from grokputer.runners.archive.replay import replay
from grokputer.runners.improvement.ab.comparison import compare, plan
from grokputer.runners.improvement.ab.results import load_result
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.log import adapters_folder
from grokputer.runners.use_cases.adapters.comparisons import play_comparison
from grokputer.runners.wiring.services import Services
from story import Story

# --- by the command line, in a browser -------------------------------------------------------------------------------

AB = ("ab", BASE, "lora-v1", "--tasks", "click-button", "--episodes", 6)


def press(prompt: str) -> str:
    """The click on the button that the task names."""
    named = re.search(r'Click on the "([^"]*)" button', prompt)
    line = named and re.search(rf"^button:{re.escape(named[1])}\[\d+\]", prompt, re.MULTILINE)
    return f"CLICK{line.group()}" if line else "DONE"


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, ChatServer]]:
    """A log in which lora-v1, which does the task, was compared with the base, which does not."""
    path = tmp_path_factory.mktemp("compared") / "events.db"
    story = Story(path)
    story.promote()
    story.ledger.close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_API_KEY", "none")
        server = ChatServer(
            lambda prompt: press(prompt) if server.models[-1] == "lora-v1" else "CLOCK", serves=["tiny", "lora-v1"]
        )
        with server:
            settings = {
                "model.backend": "openai", "model.endpoint": server.url, "model.base": "tiny", "run.max_steps": 1,
                "ab.min_pairs": 5,
            }  # fmt: skip
            for key, value in settings.items():
                output("settings", "set", key, value, db=path)
            result = call(*AB, db=path)
            assert result.exit_code == 0, result.output
            assert "comparison" in result.stderr
            yield path, server


def test_an_adapter_that_does_the_task_is_a_go_with_the_numbers(compared: tuple[Path, ChatServer]) -> None:
    shown = output("ab", "--from-log", db=compared[0]).splitlines()
    assert shown[0].split() == ["base", "lora-v1", "difference", "95", "%", "bar"]
    assert shown[1].startswith("success  0.0 %  100.0 %  +100.0")
    assert shown[2].split()[:4] == ["stars", "1.00", "5.00", "+4.00"]
    assert shown[5].startswith("click-button      6  0/6   6/6      1.0 / 5.0")
    assert shown[6] == "lora-v1 in place of base: go (better)"
    assert shown[7].startswith("better in success and rating, by the bar and beyond chance, and not 500 ms slower: ")


def test_both_arms_do_the_same_pages_in_turns_in_runs_that_count_for_no_arm(compared: tuple[Path, ChatServer]) -> None:
    runs = [it for it in document("runs", "--limit", 100, db=compared[0]) if it["arm"] == "pinned"]
    assert len(runs) == 12
    assert {it["session"] for it in runs} == {f"ab/{document('ab', db=compared[0])[0]['comparison'][:8]}"}
    seeds = Counter((it["adapter"], it["seed"]) for it in runs)
    assert set(seeds.values()) == {1}
    assert {seed for adapter, seed in seeds if adapter is None} == {seed for adapter, seed in seeds if adapter}
    in_order = sorted(runs, key=lambda run: int(run["position"]))
    assert [it["adapter"] for it in in_order[:4]] == [None, "lora-v1", "lora-v1", None]
    [action, *_] = document("status", db=compared[0])["roles"]
    assert action["window"]["count"] == 0
    assert action["canary"] is None


def test_the_comparison_and_its_bars_are_facts_that_log_and_why_show(compared: tuple[Path, ChatServer]) -> None:
    started, concluded = lines(compared[0], "--event", "ComparisonStarted", "--event", "ComparisonConcluded")
    assert started["data"]["bars"] == {"stars": 0.3, "points": 10.0, "latency_ms": 500, "minimum": 5}
    assert started["data"]["played_before"] == 0
    assert (concluded["data"]["verdict"], concluded["caused_by"]) == ("go", started["position"])
    tree = output("why", "lora-v1", db=compared[0])
    assert f"└── {started['position']}  A/B by " in tree
    assert f"    └── {concluded['position']}  A/B, lora-v1 in place of the base: go (better): " in tree
    assert replay_is_equal(compared[0])
    with closing(sqlite3.connect(compared[0])) as connection:
        [row] = connection.execute("SELECT verdict, success_b, pairs FROM comparisons").fetchall()
    assert row == ("go", 1.0, 6)


def replay_is_equal(path: Path) -> bool:
    return bool(json.loads(output("replay", "--json", db=path))["is_equal"])


def test_started_again_it_runs_nothing_and_shows_the_same(compared: tuple[Path, ChatServer]) -> None:
    path, server = compared
    asked, shown = len(server.asked), document("ab", "--from-log", db=path)
    assert document(*AB, db=path) == shown
    assert len(server.asked) == asked
    assert document("ab", "--from-log", shown["comparison"][:6], db=path) == shown
    [listed] = document("ab", db=path)
    assert (listed["verdict"], listed["pairs"], listed["b"]) == ("go", 6, "lora-v1")
    assert "go (better)" in output("ab", db=path)


def test_a_dry_run_says_what_there_is_to_do_and_records_nothing(compared: tuple[Path, ChatServer]) -> None:
    path, server = compared
    asked, position = len(server.asked), document("ab", "--from-log", db=path)["up_to"]
    first = lines(path, "--event", "ComparisonStarted")[0]["data"]["seed"]
    words = ("ab", BASE, "lora-v1", "--tasks", "click-button, click-tab", "--episodes", 5, "--seed", first, "--dry-run")
    shown = output(*words, db=path).splitlines()
    assert shown[0] == f"10 pairs: 5 pages of click-button, click-tab, seeds {first} to {first + 4}"
    assert shown[1].startswith("20 runs to make of 20, one at a time: ")
    assert (
        shown[2] == "a go needs +0.3 stars or +10 points of success, and less than 500 ms slower, over 5 pairs or more"
    )
    assert shown[3] == "5 of the 10 pages were run before, so an adapter may have learnt them; give another --seed"
    assert document(*AB, "--dry-run", db=path)["runs_left"] == 0
    assert (len(server.asked), document("ab", "--from-log", db=path)["up_to"]) == (asked, position)


def test_people_who_rate_the_runs_later_change_the_report_and_not_what_was_concluded(
    compared: tuple[Path, ChatServer], tmp_path: Path
) -> None:
    shutil.copytree(compared[0].parent, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "events.db"
    for run in document("runs", "--limit", 100, db=path):
        if run["arm"] == "pinned":
            output("rate", run["id"], 4 if run["adapter"] is None else 2, "--as", "ada", db=path)
    shown = output("ab", "--from-log", db=path)
    assert "people rated both runs of 6 pairs; the others have the reviewer's stars" in shown
    assert "lora-v1 in place of base: no-go (worse)\nworse in rating, beyond chance: " in shown
    assert "before the latest ratings it was: go (better): " in shown
    found = document("ab", "--from-log", db=path)
    assert (found["verdict"], found["concluded"]["verdict"]) == ("no-go", "go")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("base", "base"), "base cannot be compared with itself"),
        (("lora-v1", "lora-v1"), "lora-v1 cannot be compared with itself"),
        (("base", "lora-v9"), "adapter lora-v9 is not registered"),
        (("base", "lora-v1", "--episodes", 0), "0 is not a number of episodes"),
        (("base", "lora-v1", "--seed", -1), "-1 cannot be the first"),
        (("base", "lora-v1", "--tasks", "click-buton"), "click-button"),
        (("base", "lora-v1", "--tasks", " , "), "at least one task"),
        (("base", "lora-v1", "--reviewer", "nobody"), "module:object"),
        (("--from-log", "zz"), "no comparison begins with 'zz'"),
        (("--from-log",), "no comparison yet"),
    ],
)
def test_an_impossible_comparison_is_refused_in_one_clear_line(log: Path, words: tuple[object, ...], said: str) -> None:
    given = words if "--tasks" in words or "--from-log" in words else (*words, "--tasks", "click-button")
    assert said in refused("ab", *given, db=log)


def test_adapters_that_are_rejected_or_of_different_roles_are_not_compared(tmp_path: Path) -> None:
    story = Story(tmp_path / "events.db")
    story.promote()
    story.prove(story.train(story.ask()), matches=False)
    story.prove(story.train(story.ask(role="ocr")))
    asked = ("--tasks", "click-button", "--dry-run")
    assert "lora-v2 was rejected (served, its outputs" in refused("ab", "lora-v1", "lora-v2", *asked, db=story.path)
    assert "lora-v1 is for role action and lora-v3 for role ocr" in refused(
        "ab", "lora-v1", "lora-v3", *asked, db=story.path
    )
    assert document("ab", BASE, "lora-v3", *asked, db=story.path)["role"] == "ocr"


def test_half_a_comparison_is_a_usage_error(log: Path) -> None:
    assert call("ab", "base", db=log).exit_code == 2
    assert call("ab", "base", "lora-v1", db=log).exit_code == 2
    assert call("ab", "--from-log", "a", "b", db=log).exit_code == 2


# --- on a model of our own -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def untrained(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights that change the base's answers, in no way that was learnt."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    folder = tmp_path_factory.mktemp("untrained") / "adapter"
    with quiet_libraries():
        config = LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False, task_type="CAUSAL_LM")
        adapted: Any = get_peft_model(AutoModelForCausalLM.from_pretrained(tiny_base), config)
        adapted.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    return folder


@pytest.fixture
def history(tmp_path: Path, tiny_base: Path, untrained: Path) -> Iterator[History]:
    """A log with an adapter, and an environment that costs nothing."""
    history = History(tmp_path / "events.db")
    history.set(**SETTINGS, **{"model.base": str(tiny_base), "ab.min_pairs": 5})
    history.offer(untrained)
    yield history
    history.parts.close()
    Finished.is_lost = False


def design(history: History, tasks: tuple[str, ...] = ("click-button", "click-tab"), reviewer: str = "") -> Design:
    parts = history.parts
    return plan(parts.state, parts.base_label, BASE, "lora-v1", ("miniwob", Finished()), tasks, 3, 50, reviewer)


def test_killed_between_two_pairs_it_goes_on_and_runs_nothing_twice(history: History) -> None:
    wanted = design(history)

    def die(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare(history.ledger, history.parts, wanted, "ada", on_count=die)
    session = f"ab/{wanted.id.hex[:8]}"
    before, found = history.runs_of(session), load_result(history.ledger, wanted.id)
    assert (len(before), len(found.pairs), found.concluded) == (4, 2, None)
    assert "in progress: 2 of 6 pairs done; the same command continues it" in output(
        "ab", "--from-log", db=history.ledger.path
    )
    counted: list[int] = []
    compare(history.ledger, history.parts, wanted, "ada", on_count=lambda done, total: counted.append(done))
    after, found = history.runs_of(session), load_result(history.ledger, wanted.id)
    assert before.keys() < after.keys()
    assert (len(after), set(after.values()), counted) == (12, {1}, [1, 2, 3, 4, 5, 6])
    assert found.concluded is not None and found.concluded.numbers == found.verdict.numbers
    assert (found.verdict.verdict, found.verdict.reason) == ("inconclusive", "undecided")
    assert found.verdict.numbers["success"]["high"] > 0.1, "six pages without a difference rule out no gain"
    process_new_events(history.ledger)
    assert replay(history.ledger).is_equal


def test_a_comparison_reports_its_error_though_the_log_is_damaged_by_then(
    history: History,
) -> None:
    wanted = design(history)
    ledger = Ledger.open(history.ledger.path)

    def damage_and_stop(done: int, total: int) -> None:
        with closing(sqlite3.connect(ledger.path)) as connection:
            connection.execute("DROP TABLE tracking")
        raise GrokputerError("the machine is switched off")

    with Services(ledger, process_new_events(ledger)) as services, pytest.raises(GrokputerError) as raised:
        play_comparison(ledger, services, wanted, actor="ada", reviewer=None, progress=damage_and_stop)
    assert str(raised.value) == "the machine is switched off"


class Stingy:
    """A reviewer who gives three stars at most."""

    def rate(self, attempt: Attempt) -> int:
        """By whether it was done."""
        return 3 if attempt.is_success else 2

    def correct(self, task: str, seed: int) -> Script | None:
        """Nobody says."""
        return None


def test_a_reviewer_of_ones_own_rates_every_run_once(history: History) -> None:
    wanted = design(history, ("click-button",), "mine:Stingy")
    compare(history.ledger, history.parts, wanted, "ada", Stingy())
    found = load_result(history.ledger, wanted.id)
    assert found.verdict.numbers["stars"]["a"] == found.verdict.numbers["stars"]["b"] == 2
    rated = Counter(it.event.originator_id for it in history.ledger.read(1, None, ("TaskRated",)))
    assert (len(rated), set(rated.values())) == (6, {1})


def test_a_browser_that_is_lost_stops_the_comparison_and_it_goes_on_later(history: History) -> None:
    wanted = design(history, ("click-button", "click-tab", "click-link"))
    Finished.is_lost = True
    with pytest.raises(GrokputerError, match="the browser was lost; the same comparison continues once that is mended"):
        compare(history.ledger, history.parts, wanted, "ada")
    Finished.is_lost = False
    compare(history.ledger, history.parts, wanted, "ada")
    found = load_result(history.ledger, wanted.id)
    assert (len(found.pairs), found.left_out) == (6, 3), "what was tried three times in vain is left out"
    assert found.verdict.numbers["left_out"] == 3


def test_an_error_of_both_arms_stops_the_comparison_and_counts_for_neither(history: History) -> None:
    history.set(**{"run.max_tokens": 100_000})
    wanted = design(history)
    with pytest.raises(GrokputerError, match="the same comparison continues once that is mended"):
        compare(history.ledger, history.parts, wanted, "ada")
    found = load_result(history.ledger, wanted.id)
    assert (len(found.pairs), found.left_out, found.concluded) == (0, 3, None)


def test_weights_that_were_erased_are_told_before_anything_is_recorded(history: History) -> None:
    [weights] = adapters_folder(history.ledger.path).glob("weights/*")
    weights.rename(weights.with_name("elsewhere"))
    position = history.ledger.position
    with pytest.raises(DamagedWeights, match="restore them from a backup or train again"):
        compare(history.ledger, history.parts, design(history), "ada")
    assert history.ledger.position == position
