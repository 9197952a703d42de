"""Views that somebody edited in the file: named by verify, mended by replay, and never shown by the list of runs."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from command_line import call, document, output

from story import Story


def edit(log: Path, *statements: str) -> None:
    with closing(sqlite3.connect(log)) as connection:
        for statement in statements:
            assert connection.execute(statement).rowcount > 0
        connection.commit()


EDITS = {
    "runs": "UPDATE runs SET stars = 5 WHERE position = (SELECT MAX(position) FROM runs WHERE stars < 5)",
    "ratings": "DELETE FROM ratings WHERE position = (SELECT MAX(position) FROM ratings)",
    "adapters": "UPDATE adapters SET status = 'rejected'",
    "trainings": "UPDATE trainings SET examples = examples + 1",
    "rollouts": "INSERT INTO rollouts (id, adapter) VALUES ('ffff', 'lora-v9')",
    "gates": "UPDATE gates SET verdict = 'reject'",
    "assessments": "UPDATE assessments SET message = 'all is well'",
    "moments": "INSERT INTO moments SELECT name, 999999900, state FROM moments",
}


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log long enough that states of it are kept, with rows in most tables."""
    story = Story(tmp_path_factory.mktemp("long") / "events.db")
    story.promote()
    for stars in (5, 4, 3, 5, 2, 5, 5, 4, 5):
        story.rate(story.run(succeeds=stars > 2), stars)
    story.ledger.close()
    assert story.ledger.position >= 100
    return story.path


@pytest.mark.parametrize("view", EDITS)
def test_verify_names_the_view_that_was_edited_and_replay_mends_it(long: Path, tmp_path: Path, view: str) -> None:
    log = tmp_path / "events.db"
    log.write_bytes(long.read_bytes())
    assert document("verify", db=log)["edited"] == []
    edit(log, EDITS[view])
    edited = log.read_bytes()
    shown = call("verify", db=log)
    assert shown.exit_code == 1
    assert f"view {view} does not follow from the events" in shown.stdout
    assert "grokputer replay" in shown.stdout
    shown = call("verify", "--json", db=log)
    assert (shown.exit_code, json.loads(shown.stdout)["edited"]) == (1, [view])
    assert log.read_bytes() == edited, "verify writes nothing"
    assert call("replay", db=log).exit_code == 1
    assert "all as they were written" in output("verify", db=log)


def test_a_kept_state_that_was_edited_is_named(long: Path, tmp_path: Path) -> None:
    log = tmp_path / "events.db"
    log.write_bytes(long.read_bytes())
    edit(log, "UPDATE moments SET state = CAST(replace(CAST(state AS TEXT), 'lora-v1', 'lora-v7') AS BLOB)")
    assert call("verify", "--json", db=log).exit_code == 1


def test_the_list_of_runs_shows_the_log_and_not_an_edited_table(log: Path) -> None:
    before = [output("runs", *words, db=log) for words in ([], ["--failed"], ["--unrated"], ["--json"])]
    edit(
        log,
        "UPDATE runs SET stars = 5, status = 'succeeded', task = 'forged', reason = NULL",
        "DELETE FROM runs WHERE position < 30",
        "INSERT INTO runs (id, position, task, status) VALUES ('ff', 99, 'forged', 'failed')",
    )
    assert [output("runs", *words, db=log) for words in ([], ["--failed"], ["--unrated"], ["--json"])] == before


def test_the_list_of_runs_says_the_same_as_the_table_of_an_honest_log(log: Path) -> None:
    with closing(sqlite3.connect(log)) as connection:
        connection.row_factory = sqlite3.Row
        rows = [dict(row) for row in connection.execute("SELECT * FROM runs ORDER BY position DESC")]
    listed = document("runs", "--limit", 100, db=log)
    assert [{key: run[key] for key in rows[0]} for run in listed] == rows


def test_views_that_are_not_there_or_behind_are_not_edited(tmp_path: Path) -> None:
    story = Story(tmp_path / "events.db")
    story.run()
    edit(story.path, "UPDATE checkpoints SET state = CAST('another program' AS BLOB)")
    assert document("verify", db=story.path)["edited"] == []
    with closing(sqlite3.connect(story.path)) as connection:
        connection.execute("DROP TABLE runs")
        connection.execute("DROP TABLE moments")
    assert document("verify", db=story.path)["edited"] == []


@pytest.mark.parametrize(
    ("filters", "said"),
    [
        (["--role", "ocr"], "no runs match --role ocr, none of the 12 runs in the log; 'grokputer runs' lists them"),
        (["--failed", "--unattributed"], "no runs match --failed --unattributed, none of the 12 runs in the log"),
    ],
)
def test_an_empty_list_says_what_was_filtered(log: Path, filters: list[str], said: str) -> None:
    assert said in output("runs", *filters, db=log)
    assert document("runs", *filters, db=log) == []


def test_an_empty_list_of_an_empty_log_says_how_to_start(tmp_path: Path) -> None:
    output("init", db=tmp_path / "events.db")
    assert "start one with" in output("runs", "--failed", "--unrated", db=tmp_path / "events.db")
