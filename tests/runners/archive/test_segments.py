"""A long log's views are proven by several processes, each from the kept state before its segment; any difference is seen."""

from __future__ import annotations

import io
from contextlib import closing
from pathlib import Path

import pytest
from stores import server

from grokputer.runners.archive import segments
from grokputer.runners.archive.jsonl import export_log, import_log
from grokputer.runners.archive.replay import replay
from grokputer.runners.archive.segment import Task
from grokputer.runners.archive.segments import prove_views
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.log import Log
from grokputer.runners.store.place import Place
from grokputer.runners.store.tables import update_tables
from story import Story

EDITS = {
    "kept states": "UPDATE moments SET state = (SELECT state FROM moments WHERE name = 'settings' LIMIT 1) "
    "WHERE position = 100 AND name <> 'head' AND name <> 'settings'",
    "a kept state that is missing": "DELETE FROM moments WHERE position = 200 AND name <> 'head'",
    "a row that was changed after its segment": "UPDATE runs SET stars = 1 WHERE ended_position < 100 AND stars = 4",
    "a row of the last segment": "UPDATE runs SET reason = 'x' WHERE position = (SELECT MAX(position) FROM runs)",
    "a row that is missing": "DELETE FROM ratings WHERE position = (SELECT MIN(position) FROM ratings)",
    "a row that is one too many": "INSERT INTO runs (id, role) VALUES ('ffff', 'action')",
    "a row of a short table": "UPDATE adapters SET status = 'rejected'",
}


@pytest.fixture(params=["sqlite", "postgres"])
def story(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """A log of three segments; runs of the first are rated and corrected in the second and the third."""
    return make_story(tmp_path_factory.mktemp("log") / "events.db" if request.param == "sqlite" else server().place())


def make_story(place: Place) -> Story:
    story = Story(place)
    story.promote()
    early = [story.run(succeeds=False) for _ in range(6)]
    while story.ledger.position < 210:
        story.rate(story.run(), 5)
    for run in early[:3]:
        story.rate(run, 4)
    while story.ledger.position < 310:
        story.rate(story.run(succeeds=False), 2)
    for run in early:
        story.rate(run, 4)
        story.correct(run)
    assert replay(story.ledger).is_equal
    return story


def prove(story: Story) -> int | None:
    return prove_views(Log.open(story.place), lambda done, total: None, processes=3, least=100)


def test_three_processes_prove_all_views_of_a_log(story: Story) -> None:
    assert prove(story) == story.ledger.position


@pytest.mark.slow
def test_three_processes_see_each_edit_of_a_view_and_replay_mends_it(story: Story) -> None:
    for what, statement in EDITS.items():
        with story.ledger.changing_views() as rows:
            assert rows.execute(statement).rowcount > 0, what
        assert prove(story) is None, what
        replay(story.ledger)
    assert prove(story) == story.ledger.position


def test_a_process_that_is_lost_leaves_the_proof_to_one_process(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    say = segments._Process.say

    def say_to_none(self: segments._Process, value: object) -> None:
        if isinstance(value, Task):
            self._process.kill()
            self._process.wait()
        say(self, value)

    monkeypatch.setattr(segments._Process, "say", say_to_none)
    assert prove(story) is None
    assert replay(story.ledger).is_equal


LACKING = ("position > 150", "position > 0", "name = 'head' AND position > 250")
OTHER_VERSION = b'{"version":"1/1","position":300,"parts":{}}'


def test_an_imported_log_without_kept_states_is_proven_by_three_processes(tmp_path: Path) -> None:
    story, exported = make_story(tmp_path / "events.db"), io.BytesIO()
    export_log(story.ledger, exported)
    exported.seek(0)
    moved = Ledger.create(tmp_path / "moved.db")
    import_log(moved, exported)
    update_tables(moved)
    assert prove_views(moved, lambda done, total: None, processes=3, least=100) == story.ledger.position


@pytest.mark.slow
def test_kept_states_that_are_missing_or_of_another_program_are_made_before_they_are_proven(story: Story) -> None:
    count = "SELECT COUNT(*) FROM moments"
    with story.ledger.reading() as rows:
        kept = rows.execute(count).fetchone()[0]
    for statement, values in (
        *((f"DELETE FROM moments WHERE {lacking}", ()) for lacking in LACKING),
        ("UPDATE moments SET state = ? WHERE name = 'head'", (OTHER_VERSION,)),
    ):
        with story.ledger.changing_views() as rows:
            assert rows.execute(statement, values).rowcount > 0
        assert prove(story) == story.ledger.position, statement
        with story.ledger.reading() as rows:
            assert rows.execute(count).fetchone()[0] == kept


def test_a_short_log_is_left_to_one_process(story: Story) -> None:
    with closing(Log.open(story.place)) as log:
        assert prove_views(log, lambda done, total: None) is None
