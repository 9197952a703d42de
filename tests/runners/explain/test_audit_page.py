"""The page: what it shows of a log, that it needs nothing else, and that no word of the log becomes markup."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from uuid import UUID

import pytest
from command_line import call, document, output, refused

from grokputer.domain.aggregates.rollout import Rollout
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.aggregates.training import TrainingJob
from grokputer.domain.settings.settings import Policy
from grokputer.projections.explain.history import History
from grokputer.runners.explain.chart import Chart, Flag, Line, draw
from grokputer.runners.explain.descent import draw_descent
from grokputer.runners.explain.explanation import explain, read_history
from grokputer.runners.explain.page import render
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.store.states import load_state
from story import Story

HOSTILE = "<script>alert(1)</script> & \"quoted\" </title><img src=x onerror='a()'> $style ${title}"
EMPTY = {"meta", "path", "img", "br", "hr", "link", "input"}


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path / "events.db")


class Reader(HTMLParser):
    """Reads a page as a browser would: its tags, their attributes, ids and words; unclosed tags are an error."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words = ""
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert not self._open, self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in EMPTY:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def page(story: Story, name: str) -> str:
    found = explain(story.ledger, load_state(story.ledger), name)
    return render(found, read_history(story.ledger, found))


def history(story: Story, name: str) -> History:
    return read_history(story.ledger, explain(story.ledger, load_state(story.ledger), name))


def sections(shown: str) -> list[str]:
    return re.findall("<h2>(.*?)</h2>", shown)


# --- the page ---


def test_the_page_of_an_adapter_has_its_tree_its_canary_the_ratings_and_the_descent(story: Story) -> None:
    story.promote()
    shown = page(story, "lora-v1")
    assert sections(shown) == ["Why", "The canary", "Ratings", "Adapters"]
    words = Reader(shown).words
    for said in (
        "breach: mean 2.40",
        "assessed: promote (healthy)",
        "lora-v1 promoted",
        "trained in 12 s, gate: better",
    ):
        assert said in words


def test_the_page_loads_nothing_and_runs_nothing(story: Story) -> None:
    story.promote()
    read = Reader(page(story, "lora-v1"))
    assert not {"script", "link", "img", "iframe", "object", "form"} & set(read.tags)
    assert all(value.startswith("#") for name, value in read.attributes if name in ("href", "src", "xlink:href"))
    assert not [name for name, _ in read.attributes if name.startswith("on")]
    style = re.search("<style>(.*?)</style>", page(story, "lora-v1"), re.DOTALL)
    assert style is not None and "url(" not in style[1] and "@import" not in style[1]
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in read.attributes


def test_no_word_of_the_log_becomes_markup(story: Story) -> None:
    for _ in range(2):
        story.rate(story.run(), 4, HOSTILE)
    rollout = story.prove(story.train(story.ask(HOSTILE)))
    context = story.ledger.context(HOSTILE)
    story.ledger.write(Rollout, rollout, lambda it: it.roll_back(HOSTILE, context))
    process_new_events(story.ledger)
    story.set("rating.threshold", 4.0, HOSTILE)
    run = story.run(task=HOSTILE)
    for name in ("lora-v1", "rating.threshold", run.hex, rollout.hex):
        shown = page(story, name)
        read = Reader(shown)
        assert not {"script", "img"} & set(read.tags), name
        assert "<script" not in shown
        assert " ".join(HOSTILE.split()) in " ".join(read.words.split())


def test_every_link_leads_to_a_line_of_the_page_and_every_id_is_there_once(story: Story) -> None:
    story.promote()
    read = Reader(page(story, "lora-v1"))
    ids = [value for name, value in read.attributes if name == "id"]
    links = [value.removeprefix("#") for name, value in read.attributes if name == "href"]
    assert links and set(links) <= set(ids)
    assert len(ids) == len(set(ids))


def test_a_page_without_ratings_and_adapters_is_its_tree_alone(story: Story) -> None:
    story.set("rating.threshold", 4.0)
    assert sections(page(story, "rating.threshold")) == ["Why"]


def test_a_page_is_the_same_whenever_it_is_made(story: Story) -> None:
    story.promote()
    assert page(story, "lora-v1") == page(story, "lora-v1")


# --- what it is made from ---


def test_the_curve_of_ratings_is_the_mean_that_the_trigger_looked_at(story: Story) -> None:
    story.fall()
    found = history(story, "rating.threshold")
    assert [it.stars for it in found.ratings_given] == [4, 2, 2, 2, 2, 4, 2, 2, 2, 2]
    assert [round(it.mean, 2) for it in found.means[:3]] == [4.0, 3.0, 2.67]
    assert {it.threshold for it in found.means} == {3.8}
    assert found.means[-1].mean == load_state(story.ledger).window("action").mean


def test_a_rating_of_a_run_pinned_by_hand_is_not_on_the_curve(story: Story) -> None:
    story.rate(story.run(), 4)
    pinned, context = UUID(int=9), story.ledger.context("ada")

    def play(run: TaskRun) -> None:
        run.start(
            context, role="action", arm="pinned", adapter=None, rollout=None, environment="miniwob", task="click-link",
            seed=1, base="embedded@sha256:00", session=None, policy={},
        )  # fmt: skip
        run.take_step(
            context,
            prompt="a",
            answer="b",
            error="",
            model_ms=1,
            environment_ms=1,
            prompt_tokens=1,
            completion_tokens=1,
        )
        run.succeed(9, 1.0, Policy(), context)

    story.ledger.write(TaskRun, pinned, play)
    story.rate(pinned, 5)
    assert [it.stars for it in history(story, "rating.threshold").ratings_given] == [4]


def test_breach_and_promotion_are_marked_where_they_stand(story: Story) -> None:
    story.promote()
    marks = history(story, "lora-v1").marks
    assert [mark.kind for mark in marks] == ["RatingThresholdBreached", "AdapterPromoted"]
    assert [story.ledger.at(mark.position).event.TOPIC for mark in marks] == [mark.kind for mark in marks]


def test_a_settings_page_marks_its_changes_on_the_ratings(story: Story) -> None:
    story.rate(story.run(), 4)
    story.set("rating.threshold", 4.0, "stricter")
    story.set("canary.bake_s", 5.0)
    assert [mark.kind for mark in history(story, "rating.threshold").marks] == ["PolicyChanged"]
    assert "rating.threshold set from 3.8 to 4 by ada: stricter" in Reader(page(story, "rating.threshold")).words


def test_the_evidence_is_followed_after_every_run_of_a_sequential_canary(story: Story) -> None:
    story.set("canary.rule", "sequential")
    rollout = story.prove(story.train(story.fall()))
    for _ in range(60):
        story.rate(story.run(), 5)
    found = history(story, "lora-v1")
    weighed = [look.verdict.numbers["evidence"]["rating no worse"] for look in found.looks]
    assert weighed == sorted(weighed) and weighed[0] == 1.0 < weighed[-1]
    assert found.looks[-1].verdict.numbers["evidence"] == found.state.look(rollout.hex).numbers["evidence"]
    words = Reader(page(story, "lora-v1")).words
    for said in ("Evidence over the canary", "evidence for worse", "4 for 50 %", "20 to promote, to roll back"):
        assert said in words


def test_a_canary_judged_by_bars_shows_each_figure_with_its_bar(story: Story) -> None:
    story.prove(story.train(story.fall()))
    for _ in range(40):
        story.rate(story.run(), 5)
    shown = page(story, "lora-v1")
    assert re.findall("<h3>(.*?)</h3>", shown) == [
        "Success",
        "Rating",
        "Health: ended by itself",
        "Ratings of role action",
    ]
    found = history(story, "lora-v1")
    assert found.looks[-1].verdict.numbers["bars"] == {"success": 0.95, "rating": 3.5, "health": 0.97}


def test_the_looks_that_were_recorded_are_numbered_with_what_they_said(story: Story) -> None:
    story.promote()
    found = history(story, "lora-v1")
    assert [verdict.verdict for verdict in found.verdicts] == ["hold", "promote"]
    assert [mark.kind for mark in found.looks_recorded] == ["CanaryAssessed", "CanaryAssessed"]


def test_the_descent_names_parents_statuses_and_trainings_without_an_adapter(story: Story) -> None:
    story.promote()
    story.prove(story.train(story.ask()), matches=False)
    training = story.ask()
    context = story.ledger.context("grokputer", f"{training}/1")
    story.ledger.write(TrainingJob, training, lambda it: it.fail("out of memory", context))
    process_new_events(story.ledger)
    family = history(story, "lora-v1").family
    assert [(it.name, it.status, it.parent) for it in family] == [
        ("lora-v1", "live", None), ("lora-v2", "rejected", "lora-v1"), (None, "failed", "lora-v1"),
    ]  # fmt: skip
    assert [it.was_live for it in family] == [True, False, False]
    assert "out of memory" in draw_descent(family, "lora-v1")


# --- charts ---


def chart(*flags: Flag, is_log: bool = False) -> str:
    line = Line("mean", "c1", [[(10, 1), (20, 5)]])
    return draw(Chart("T", 1, 5, [(1, "1"), (5, "5")], [line], flags, is_log=is_log))


def test_a_curve_goes_from_the_lower_left_to_the_upper_right() -> None:
    assert 'd="M0.00 100.00 100.00 0.00"' in chart()


def test_on_a_scale_of_factors_equal_factors_are_equally_far_apart() -> None:
    line = Line("evidence", "c1", [[(0, 1), (1, 10), (2, 100)]])
    drawn = draw(Chart("T", 1, 100, [], [line], is_log=True))
    assert 'd="M0.00 100.00 50.00 50.00 100.00 0.00"' in drawn


def test_numbers_of_moments_that_lie_close_stand_on_rows_of_their_own() -> None:
    drawn = chart(Flag(12, "one"), Flag(12.1, "two"), Flag(19, "three"))
    assert re.findall(r"--row:(\d)", drawn) == ["0", "1", "0"]
    assert "--rows:2" in drawn


def test_numbers_for_which_no_row_has_room_are_joined_and_none_lies_on_another() -> None:
    drawn = chart(*(Flag(12 + place / 100, "one", "good") for place in range(9)), Flag(19, "last", "bad"))
    assert re.findall(r'<b class="(\w*)"[^>]*--row:(\d)">([^<]+)</b>', drawn) == [
        *(("good", str(row), str(row + 1)) for row in range(5)), ("good", "5", "6-9"), ("bad", "0", "10"),
    ]  # fmt: skip


def test_a_single_point_is_drawn_as_a_dot() -> None:
    drawn = draw(Chart("T", 1, 5, [], [Line("mean", "c1", [[(7, 3)]])]))
    assert 'class="c1 dot" d="M50.00 50.00h0"' in drawn


# --- the command ---


def test_the_command_writes_the_page_and_says_where(log: Path) -> None:
    file = log.parent / "why.html"
    result = call("why", "lora-v2", "--html", file, db=log)
    assert result.exit_code == 0
    assert result.stdout == ""
    assert result.stderr == f"wrote {file}\n"
    assert file.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_page_is_never_written_over_a_file_that_is_there(log: Path) -> None:
    assert "exists already; give another name" in refused("why", "lora-v1", "--html", log, db=log)


def test_the_command_explains_runs_settings_and_rollouts_as_text_and_as_json(log: Path) -> None:
    run = document("runs", db=log)[0]["id"]
    found = document("why", run[:12], db=log)
    assert (found["run"], found["tree"][0]["kind"]) == (run, "TaskStarted")
    assert "role action: no rollout was under way" in output("why", run, db=log)
    assert document("why", "rating.rule", db=log)["value"] == "threshold"
    assert "rating.rule set from sequential to threshold by ada" in output("why", "rating.rule", db=log)
    rollout = document("rollouts", db=log)[0]["id"]
    assert document("why", rollout[:12], db=log)["adapter"] == "lora-v1"
    assert "promoted, in place of the base" in output("why", rollout, db=log)
