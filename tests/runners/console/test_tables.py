"""Tables and trees on terminals of several widths: nothing is wider than the terminal and no word is cut."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from command_line import document, lines, output
from terminal import COLOUR, show_on_terminal, widest, without_colour, words_of

from grokputer.runners.console.rendering import COLOURS
from grokputer.runners.console.tables import LONGEST_WORD, Column, lay_out, measure, show_short_time, wrap
from story import Story

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
EVERYTHING = 4000
"""Columns in which nothing is left out or wrapped."""


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log with long tasks, reasons and comments, two rollouts, and alerts."""
    story = Story(tmp_path_factory.mktemp("long") / "events.db")
    story.promote()
    good = story.run(task="use-autocomplete-and-then-the-calendar-of-the-second-page")
    story.rate(good, 5, "bartholomew.featherstone@example.org", "quick and right, " * 20)
    story.run(succeeds=False, reason="environment", session="a session with a long name")
    story.assess(story.prove(story.train(story.ask("so many new corrections that " * 6))), "inconclusive", "no data")
    story.set("canary.min_runs", 7, "a reason that goes on for longer than one line of a narrow terminal " * 3)
    story.ledger.close()
    return story.path


LISTINGS = (
    "runs", "runs --failed", "show {run}", "show {run} --full", "status", "at 60", "at 90", "adapters", "rollouts", "ab",
    "alerts", "why lora-v1", "why lora-v2 --ratings", "why {run}", "why canary.min_runs", "why {rollout}", "lineage lora-v1",
    "lineage {run}", "log", "log --limit 5", "what-if", "what-if --rule sequential", "replay", "dataset", "dataset preview",
    "diff 3 90", "verify",
)  # fmt: skip


@pytest.mark.parametrize("listing", LISTINGS)
def test_no_line_is_wider_than_the_terminal_and_no_word_is_cut(
    long: Path, monkeypatch: pytest.MonkeyPatch, listing: str
) -> None:
    monkeypatch.setenv("GROKPUTER_DB", str(long))
    names = {"run": document("runs", db=long)[1]["id"][:8], "rollout": document("rollouts", db=long)[0]["id"][:8]}
    given = listing.format(**names).split()
    whole = words_of(show_on_terminal(given, EVERYTHING, monkeypatch))
    times = [show_short_time(datetime.fromisoformat(it["time"]), NOW) for it in lines(long)]
    known = whole | words_of(output(*given, db=long)) | {word for time in times for word in time.split()}
    long_words = [word for word in known if len(word) > LONGEST_WORD]
    for columns in (80, 120, 200):
        shown = show_on_terminal(given, columns, monkeypatch)
        assert widest(shown) <= columns
        cut = {it for it in words_of(shown) - known if not any(it in word for word in long_words)}
        assert not cut, (columns, cut)


@pytest.mark.parametrize(
    ("listing", "column"),
    [
        ("runs", "seed"),
        ("status", "unattributed"),
        ("adapters", "weights"),
        ("rollouts", "position"),
        ("log", "caused"),
    ],
)
def test_a_wider_terminal_shows_more_columns(
    long: Path, monkeypatch: pytest.MonkeyPatch, listing: str, column: str
) -> None:
    monkeypatch.setenv("GROKPUTER_DB", str(long))
    narrow, wide = (words_of(show_on_terminal([listing], columns, monkeypatch)) for columns in (80, 200))
    assert column not in narrow
    assert column in wide


def test_piped_output_has_every_column_on_any_terminal(long: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = set()
    for columns in ("20", "80", "300"):
        monkeypatch.setenv("COLUMNS", columns)
        shown.add(output("runs", db=long) + output("log", db=long) + output("why", "lora-v1", db=long))
    [text] = shown
    assert not COLOUR.search(text)
    assert text.splitlines()[0].split() == [
        "run", "started", "task", "seed", "arm", "adapter", "outcome", "steps", "seconds", "tokens",
        "stars", "fault", "corrected",
    ]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_without_colour_the_terminal_shows_the_same_words(
    long: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv("GROKPUTER_DB", str(long))
    coloured = show_on_terminal(["adapters"], 100, monkeypatch)
    assert COLOUR.search(coloured)
    assert show_on_terminal(["adapters"], 100, monkeypatch, **{name: value}) == without_colour(coloured)


def test_every_colour_stands_out_from_white_and_from_black() -> None:
    def luminance(colour: int) -> float:  # WCAG 2.2, relative luminance; the 256 colours are a cube of six levels
        levels = (0, 95, 135, 175, 215, 255)
        shares = [levels[(colour - 16) // step % 6] / 255 for step in (36, 6, 1)]
        linear = [it / 12.92 if it <= 0.04045 else ((it + 0.055) / 1.055) ** 2.4 for it in shares]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for colour in set(COLOURS.values()):
        light = luminance(colour)
        assert 1.05 / (light + 0.05) >= 3.5 and (light + 0.05) / 0.05 >= 3.5, colour


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("one two three", 7, ["one two", "  three"]),
        ("    one two three", 10, ["    one", "  two", "  three"]),
        ("a/long/path/of/folders", 12, ["a/long/path/", "  of/folders"]),
        ("abcdefghij", 4, ["abcd", "  ef", "  gh", "  ij"]),
        ("share 15 % of", 8, ["share", "  15 %", "  of"]),
        ("你好 你好吗", 6, ["你好", "  你好", "  吗"]),
        ("", 5, [""]),
        ("two  spaces", 20, ["two  spaces"]),
    ],
)
def test_text_is_broken_between_words_and_a_word_only_where_it_is_longer_than_a_line(
    text: str, width: int, lines: list[str]
) -> None:
    found = wrap(text, width, "  ")
    assert found == lines
    assert all(measure(line) <= width for line in found)


def lines_of(columns: list[Column], rows: list[tuple[object, ...]], width: int) -> list[str]:
    return ["  ".join(line.cells).rstrip() for line in lay_out(columns, rows, width, NOW)]


COLUMNS = [Column("id"), Column("when", rank=1), Column("words", wraps=6), Column("more", rank=2)]
ROW = ("abcd", datetime(2026, 11, 26, 2, 15, tzinfo=UTC), "red green blue", 7)


def test_a_time_gets_short_then_columns_go_by_rank_then_text_wraps_then_each_row_is_a_list() -> None:
    local = ROW[1].astimezone()
    short = f"Nov {local.day} {local:%H:%M}"
    assert lines_of(COLUMNS, [ROW], 60)[1] == f"abcd  {local:%Y-%m-%d %H:%M:%S}  red green blue     7"
    assert lines_of(COLUMNS, [ROW], 42)[1] == f"abcd  {short}  red green blue     7"
    assert lines_of(COLUMNS, [ROW], 35)[1] == f"abcd  {short}  red green     7"
    assert lines_of(COLUMNS, [ROW], 26)[1:] == [
        f"abcd  {short}  red",
        "                    green",
        "                    blue",
    ]
    assert lines_of(COLUMNS, [ROW], 20) == ["id    words", "abcd  red green blue"]
    assert lines_of(COLUMNS, [ROW, ROW], 10)[:2] == ["id     abc", "       d"]


def test_the_year_is_shown_where_it_is_not_this_one() -> None:
    assert re.fullmatch(r"2025-03-0\d \d\d:\d\d", show_short_time(datetime(2025, 3, 1, 12, tzinfo=UTC), NOW))
