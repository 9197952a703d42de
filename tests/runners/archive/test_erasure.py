"""Erasure: the words are gone from every byte of the log's files, while its events and their proof stand."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from uuid import UUID

import pytest
from command_line import call, document, on_a_terminal, output, refused
from stores import BOTH, place_in

from grokputer.domain.aggregates.base import ACTOR
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.aggregates.training import TrainingJob
from grokputer.domain.errors import NotPossible
from grokputer.domain.events import ContentErased, TaskRated
from grokputer.projections.explain.lineage import read_manifest
from grokputer.runners.archive.erasure import Target, erase
from grokputer.runners.archive.integrity import verify
from grokputer.runners.archive.replay import replay
from grokputer.runners.feedback.ratings import record_rating
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.lessons.datasets import dataset_for
from grokputer.runners.store.log import Log, adapters_folder
from grokputer.runners.store.sqlite.connection import connect
from grokputer.runners.use_cases.erasures import TracesRemain, forget
from story import Story

SECRET = "my card number is 4000 1234 and nobody shall know"


@pytest.fixture(params=BOTH)
def story(request: pytest.FixtureRequest, tmp_path: Path) -> Story:
    return Story(place_in(request.param, tmp_path))


@pytest.fixture
def in_file(tmp_path: Path) -> Story:
    return Story(tmp_path / "events.db")


def bytes_of(story: Story) -> bytes:
    """All that lies in the log's files; of a log in a database all that lies in its tables."""
    if story.ledger.database.file is not None:
        return b"".join(file.read_bytes() for file in sorted(story.path.parent.glob("events.db*")) if file.is_file())
    found = list[bytes]()
    with story.ledger.reading() as rows:
        tables = "SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema()"
        for (table,) in rows.execute(tables).fetchall():
            found += [repr(row).encode() for row in rows.execute(f"SELECT * FROM {table}")]
    return b"".join(found)


def say(story: Story, run: UUID, words: str, actor: str = "ada") -> None:
    rated = story.ledger.get(TaskRun, run)
    record_rating(story.ledger, rated, 2, [], words, actor, None, None)
    process_new_events(story.ledger)


def test_no_byte_of_a_runs_words_is_left_while_all_else_stands(story: Story) -> None:
    runs = [story.run(succeeds=False) for _ in range(12)]
    for number, run in enumerate(runs):
        say(story, run, f"{SECRET} {number} " * 60)
    before = list(story.ledger.read())
    head = verify(story.ledger).head
    for run in runs:
        erase(story.ledger, Target(run=run.hex), "asked for", "bob")
    assert SECRET.encode() not in bytes_of(story)
    after = list(story.ledger.read())
    assert after[: len(before)] == before
    assert verify(story.ledger, [head]).fault is None
    assert replay(story.ledger).is_equal
    assert "(erased)" in output("show", runs[0].hex, db=story.place)


def test_what_others_said_and_other_runs_said_is_still_there(story: Story) -> None:
    mine, theirs = story.run(succeeds=False), story.run(succeeds=False)
    say(story, mine, "mine alone")
    say(story, mine, "said by bob of ada's run", "bob")
    say(story, theirs, "said of another run")
    erase(story.ledger, Target(person="bob"), "left the team", "ada")
    files = bytes_of(story)
    assert b"said by bob" not in files
    assert b"mine alone" in files
    erase(story.ledger, Target(run=mine.hex), "asked for", "ada")
    assert b"mine alone" not in bytes_of(story)
    assert b"said of another run" in bytes_of(story)


def test_all_that_a_person_asked_goes_with_what_was_answered(story: Story) -> None:
    run = story.run(succeeds=False)
    say(story, run, "by somebody else", "bob")
    words = erase(story.ledger, Target(person="ada"), "asked for", "bob")
    assert words.runs == {run.hex}
    assert b"by somebody else" not in bytes_of(story)
    assert b"CLICKbutton:Ok[1]" not in bytes_of(story)


def test_who_erased_what_and_why_is_on_record_and_it_is_done_once(story: Story) -> None:
    run = story.run(succeeds=False)
    say(story, run, SECRET)
    with pytest.raises(NotPossible, match="needs a reason"):
        erase(story.ledger, Target(run=run.hex), " ", "bob")
    assert SECRET.encode() in bytes_of(story)
    for _ in range(2):
        erase(story.ledger, Target(run=run.hex), "asked for", "bob")
    [erased] = [story.ledger.reveal(it).event for it in story.ledger.read() if isinstance(it.event, ContentErased)]
    assert isinstance(erased, ContentErased)
    assert (erased.actor, erased.run, erased.reason, erased.runs) == ("bob", run.hex, "asked for", 1)
    assert erased.texts == 3


def test_what_goes_missing_beside_an_erasure_is_no_part_of_it(in_file: Story) -> None:
    story = in_file
    mine, asked = story.run(succeeds=False), story.run(succeeds=False)
    say(story, mine, "before", "bob")
    erase(story.ledger, Target(person="bob"), "left the team", "ada")
    erase(story.ledger, Target(run=mine.hex), "asked for", "ada")
    assert verify(story.ledger).fault is None
    for words, actor, run in (("by bob, later", "bob", asked), ("of the run, later", "ada", mine)):
        say(story, run, words, actor)
        rated = [it for it in story.ledger.read() if isinstance(it.event, TaskRated)][-1]
        with closing(connect(story.path)) as connection:
            kept = connection.execute("SELECT * FROM content WHERE text = ?", (words,)).fetchone()
            connection.execute("DELETE FROM content WHERE text = ?", (words,))
            fault = verify(story.ledger).fault
            connection.execute("INSERT INTO content VALUES (?, ?, ?)", kept)
        assert fault is not None
        assert fault.position == rated.position
        assert verify(story.ledger).fault is None


def test_while_another_process_reads_it_says_that_bytes_may_be_left_and_finishes_later(
    in_file: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = in_file
    run = story.run(succeeds=False)
    say(story, run, SECRET)
    monkeypatch.setattr("grokputer.runners.store.sqlite.files.READERS_S", 0.1)
    reader = connect(story.path, "ro")
    reader.execute("BEGIN")
    reader.execute("SELECT COUNT(*) FROM stored_events").fetchone()
    with pytest.raises(TracesRemain, match="repeat the erasure"):
        forget(story.ledger, Target(run=run.hex), reason="asked for", actor="bob")
    reader.close()
    erase(story.ledger, Target(run=run.hex), "asked for", "bob")
    assert SECRET.encode() not in bytes_of(story)


FORGET = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
from grokputer.cli import main
sys.argv[1:] = sys.argv[2:]
main()
"""


def test_where_there_is_no_room_to_rewrite_the_file_it_says_so_in_one_line_and_finishes_later(in_file: Story) -> None:
    story = in_file
    run, other = story.run(succeeds=False), story.run(succeeds=False)
    say(story, run, SECRET)
    say(story, other, "a long comment " * 100_000)
    story.ledger.close()
    limit = story.path.stat().st_size * 2 // 3
    words = ["forget", run.hex, "--reason", "asked for", "--yes", "--db", str(story.path)]
    program = [sys.executable, "-c", FORGET, str(limit), *words]
    found = subprocess.run(program, capture_output=True, text=True, check=False, cwd="/")
    assert found.returncode == 1
    [line] = found.stderr.splitlines()
    assert "the words are erased" in line and "make room" in line
    assert verify(Log.open(story.place)).fault is None
    output(*words[:-2], db=story.place)
    assert SECRET.encode() not in bytes_of(story)


def test_the_adapters_that_learnt_from_the_words_are_named_and_can_be_trained_again(story: Story) -> None:
    story.promote()
    manifest = next(it.event for it in story.ledger.read() if it.event.TOPIC == "DatasetBuilt")
    run = read_manifest(str(story.ledger.get_content(vars(manifest)["manifest"])))["examples"][0]["run"]
    datasets = adapters_folder(story.path) / "trainings" / manifest.originator_id.hex
    datasets.mkdir(parents=True)
    (datasets / "dataset.jsonl").write_text("the words once more")
    shown = document("forget", run, "--dry-run", db=story.place)
    assert shown["adapters"] == ["lora-v1"]
    said = output("forget", run, "--reason", "asked for", "--retrain", "--yes", "--as", "bob", db=story.place)
    assert "trained on them: lora-v1" in said
    assert "a training for role action without them is requested" in said
    assert not list(datasets.iterdir())
    newest = [it.event for it in Log.open(story.place).read() if it.event.TOPIC == "TrainingRequested"][-1]
    assert vars(newest)["parent"] == "lora-v1"


def test_on_the_command_line_it_is_one_run_or_one_person_and_a_reason(story: Story) -> None:
    run = story.run(succeeds=False)
    assert "name a run, or a person" in refused("forget", "--reason", "x", db=story.place)
    assert "name a run, or a person" in refused("forget", run.hex, "--person", "ada", "--reason", "x", db=story.place)
    assert "give one with --reason" in refused("forget", run.hex, db=story.place)
    assert "there are no words of eve" in output("forget", "--person", "eve", "--reason", "x", db=story.place)
    assert call("forget", "ffff", "--reason", "x", db=story.place).exit_code == 1


def test_without_yes_it_asks_and_deletes_only_after_a_yes(in_file: Story) -> None:
    story = in_file
    run = story.run(succeeds=False)
    say(story, run, SECRET)
    words = ["forget", run.hex, "--reason", "asked for"]
    line = refused(*words, db=story.place)
    assert "texts of run" in line and "--yes" in line
    shown = on_a_terminal(*words, db=story.place, typed=b"n\n", exit_code=1)
    assert b"will be deleted for good" in shown and b"nothing was deleted" in shown
    assert SECRET.encode() in bytes_of(story)
    story.ledger.close()
    assert b"deleted" in on_a_terminal(*words, db=story.place, typed=b"y\n")
    assert SECRET.encode() not in bytes_of(story)
    assert "there are no words" in output(*words, db=story.place), "nothing is left to ask about"


def build_dataset(story: Story, training: UUID) -> int:
    """The training's dataset, built from the log as the worker builds it; the position of its fact."""
    ledger, up_to = story.ledger, story.ledger.position
    requested = ledger.get(TrainingJob, training).requested
    assert requested is not None
    built = dataset_for(ledger, requested, up_to)
    assert built.runs
    manifest = ledger.put(built.manifest())
    ledger.write(
        TrainingJob, training,
        lambda it: it.build_dataset(
            ledger.context(ACTOR, f"{it.id}/{it.version}"), dataset=built.hash, manifest=manifest,
            examples=len(built.examples), by_source=dict(built.by_source), runs=built.runs, up_to=up_to,
        ),
    )  # fmt: skip
    process_new_events(ledger)
    return ledger.position


@pytest.fixture
def taught(story: Story) -> tuple[Story, int, UUID]:
    """A training whose dataset was built from corrections; where, and one of its runs."""
    runs = [story.run(succeeds=False) for _ in range(6)]
    for run in runs:
        story.rate(run, 2, "bob")
        story.correct(run)
    return story, build_dataset(story, story.ask()), runs[0]


@pytest.mark.parametrize("whose", ["run", "person"])
def test_decisions_that_rest_on_erased_words_are_told_and_are_no_difference(
    taught: tuple[Story, int, UUID], whose: str
) -> None:
    story, built, run = taught
    before = document("replay", "--decisions", db=story.place)
    assert (before["is_equal"], before["different"], before["erased"]) == (True, [], [])
    target = [run.hex] if whose == "run" else ["--person", "ada"]
    output("forget", "--yes", *target, "--reason", "asked for", db=story.place)
    erased_at = max(it.position for it in story.ledger.read() if isinstance(it.event, ContentErased))
    after = document("replay", "--decisions", db=story.place)
    assert (after["is_equal"], after["different"]) == (True, [])
    assert after["erased"] == [{"position": built, "kind": "DatasetBuilt", "erased_at": erased_at}]
    said = output("replay", "--decisions", db=story.place)
    assert f"at {built}, DatasetBuilt: cannot be made again: words were erased at {erased_at}" in said


def test_a_dataset_that_was_forged_is_a_difference_though_other_words_were_erased(
    taught: tuple[Story, int, UUID],
) -> None:
    story, _, _ = taught
    bystander = story.run()
    say(story, bystander, "of no training")
    training = story.ask(role="ocr")
    context, key = story.ledger.context(ACTOR, f"{training}/1"), story.ledger.put("{}")
    story.ledger.write(
        TrainingJob, training,
        lambda it: it.build_dataset(
            context, dataset="sha256:dd", manifest=key, examples=7, runs=6, by_source={}, up_to=story.ledger.position
        ),
    )  # fmt: skip
    erase(story.ledger, Target(run=bystander.hex), "asked for", "bob")
    found = call("replay", "--decisions", "--json", db=story.place)
    assert found.exit_code == 1
    assert [it["kind"] for it in json.loads(found.stdout)["different"]] == ["DatasetBuilt"]


def test_a_dataset_that_was_built_after_the_erasure_is_made_again_to_the_bit(story: Story) -> None:
    runs = [story.run(succeeds=False) for _ in range(6)]
    for run in runs:
        story.rate(run, 2, "bob")
        story.correct(run)
    erase(story.ledger, Target(run=runs[0].hex), "asked for", "bob")
    build_dataset(story, story.ask())
    found = document("replay", "--decisions", db=story.place)
    assert (found["is_equal"], found["erased"], found["kinds"]["DatasetBuilt"]) == (True, [], {"made": 1, "equal": 1})
