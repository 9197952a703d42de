"""Users of a database: what a role with the rights of the documentation can do, and what is left to the owner."""

from __future__ import annotations

import re
from contextlib import closing

import psycopg
import pytest
from command_line import call
from places import ROOT
from stores import connect, server

from grokputer.domain.errors import LogError
from grokputer.runners.archive.erasure import Target, erase
from grokputer.runners.archive.integrity import verify
from grokputer.runners.archive.verification import verify_log
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.log import adapters_folder
from grokputer.runners.store.place import DatabaseUrl, Place, open_store
from grokputer.runners.store.tables import update_tables
from grokputer.runners.use_cases.erasures import TracesRemain, forget
from story import Story


@pytest.fixture
def place() -> DatabaseUrl:
    return server().place()


@pytest.fixture
def story(place: DatabaseUrl) -> Story:
    return Story(place)


def rights() -> str:
    """The statements of the documentation that give a role the rights to work on a log."""
    return (ROOT / "docs" / "postgres.md").read_text(encoding="utf-8").partition("```sql\n")[2].partition("```")[0]


def admit(place: Place) -> DatabaseUrl:
    """The place as a new role sees it that has the rights of the documentation."""
    assert isinstance(place, DatabaseUrl)
    schema = place.url.partition("&schema=")[2]
    with closing(connect(place)) as owner:
        owner.execute(rights().replace("grokputer", schema).replace("agents", f"agent_{schema}").encode())
    return DatabaseUrl(place.url.replace("owner@", f"agent_{schema}@"))


def are_in_the_files(place: Place, words: bytes) -> bool:
    """Whether a file of the log's database, its catalog too, holds the words."""
    with closing(connect(place)) as owner:
        owner.execute("CHECKPOINT")
        found = owner.execute("SELECT oid::text FROM pg_database WHERE datname = current_database()").fetchone()
    assert found is not None
    return any(words in file.read_bytes() for file in (server().folder / "data" / "base" / found[0]).iterdir())


def test_a_role_with_the_rights_of_the_documentation_works_but_cannot_change_the_log(place: DatabaseUrl) -> None:
    log = Ledger.create(place)
    role = admit(place)
    as_role = Story(role)
    as_role.fall()
    assert verify_log(as_role.ledger).is_sound
    assert log.position == as_role.ledger.position
    with closing(connect(role)) as other:
        for statement in ("UPDATE stored_events SET topic = ''", "ALTER TABLE stored_events DISABLE TRIGGER ALL"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                other.execute(statement)


def test_forgetting_leaves_no_word_in_the_files_of_the_database_nor_in_its_statistics(story: Story) -> None:
    run = story.run(succeeds=False)
    for number in range(3):
        story.rate(run, 1, f"pelican {number}", "the secret of the pelican")
    with closing(connect(story.place)) as owner:
        owner.execute("ANALYZE")
    erase(story.ledger, Target(run=run.hex), "asked for", "eve")
    for number in range(3):
        erase(story.ledger, Target(person=f"pelican {number}"), "asked for", "eve")
    assert not are_in_the_files(story.place, b"pelican")
    assert verify(story.ledger).fault is None


def test_forgetting_as_another_role_does_all_it_may_and_names_all_that_the_owner_must_run(place: DatabaseUrl) -> None:
    Ledger.create(place)
    story = Story(admit(place))
    story.promote()
    training = next(it.event.originator_id for it in story.ledger.read() if it.event.TOPIC == "DatasetBuilt")
    dataset = adapters_folder(story.path) / "trainings" / training.hex / "dataset.jsonl"
    dataset.parent.mkdir(parents=True, exist_ok=True)
    dataset.write_text("the words of heron once more")
    story.rate(story.runs[0], 1, "heron", "the secret of the heron")
    with pytest.raises(TracesRemain, match="bytes of them may remain") as left:
        forget(story.ledger, Target(story.runs[0].hex), reason="asked for", actor="eve", retrain=True)
    assert left.value.done.requested == ("action",)
    assert not dataset.exists()
    with pytest.raises(TracesRemain) as left:
        forget(story.ledger, Target(person="heron"), reason="asked for", actor="eve")
    assert are_in_the_files(place, b"heron")
    statement = re.search("VACUUM FULL .*", str(left.value))
    assert statement is not None
    with closing(connect(place)) as owner:
        owner.execute(statement[0].encode())
    assert not are_in_the_files(place, b"heron")


def test_forget_says_what_is_out_of_its_reach_before_it_asks(story: Story) -> None:
    assert isinstance(story.place, DatabaseUrl)
    story.rate(story.run(), 1, "ada", "a comment")
    for more, code in (("--dry-run", 0), ("--json", 1), ("--yes", 0)):
        said = call("forget", "--person", "ada", "--reason", "left", more, "--db", story.place.url)
        assert said.stderr.startswith("out of reach: the server's journal, archives of it, replicas"), said.stderr
        assert said.exit_code == code


def found(place: Place) -> dict[str, tuple[str, str]]:
    """What ``doctor`` finds of the database."""
    return {name: (level, said) for name, level, said in open_store(place).examine()}


@pytest.mark.parametrize("owner_writes", ["before", "after"])
def test_owner_and_role_write_to_one_log_in_any_order(place: DatabaseUrl, owner_writes: str) -> None:
    owner = Story(place)
    if owner_writes == "before":
        owner.set("rating.window", 20)
    role = Story(admit(place))
    assert "rights" not in found(role.place)
    run = role.run()
    for story in (owner, role):
        story.rate(run, 4)
        update_tables(story.ledger)
        assert verify_log(story.ledger).is_sound


def test_tables_that_are_made_again_have_the_rights_of_the_old_ones(story: Story) -> None:
    role = Story(admit(story.place))
    with closing(connect(story.place)) as owner:
        owner.execute("GRANT SELECT ON runs TO PUBLIC")
        owner.execute("ALTER TABLE runs DROP COLUMN task")
        owner.execute("DROP TABLE adapters")
    update_tables(Ledger.open(story.place))
    role.run()
    update_tables(role.ledger)
    with closing(connect(story.place)) as owner:
        assert owner.execute("SELECT has_table_privilege('pg_read_all_stats', 'runs', 'SELECT')").fetchone() == (True,)


def test_doctor_names_the_tables_that_a_user_may_not_write_to(story: Story) -> None:
    role = admit(story.place)
    schema = role.url.partition("&schema=")[2]
    with closing(connect(story.place)) as owner:
        owner.execute(f"REVOKE DELETE ON names FROM agent_{schema}".encode())
        owner.execute(f"REVOKE INSERT ON runs, stored_events FROM agent_{schema}".encode())
    level, said = found(role)["rights"]
    assert (level, said.partition("write to ")[2].partition(";")[0]) == ("warn", "names, runs, stored_events")


def test_a_role_cannot_move_the_head_and_a_head_moved_by_the_owner_is_one_line(story: Story) -> None:
    story.run()
    role = Story(admit(story.place))
    with closing(connect(role.place)) as other, pytest.raises(psycopg.errors.InsufficientPrivilege):
        other.execute("UPDATE log_head SET size = 1")
    size = story.ledger.position
    with closing(connect(story.place)) as owner:
        owner.execute("UPDATE log_head SET size = 1")
        level, said = found(story.place)["head"]
        assert level == "fail" and f"size 1, but the events end at {size}" in said
        with pytest.raises(LogError, match="is behind the events, so none can be stored"):
            role.set("rating.window", 41)
        owner.execute(f"UPDATE log_head SET size = {size}".encode())
    role.set("rating.window", 41)
    assert verify(story.ledger).fault is None


def test_a_schema_with_tables_of_others_is_refused_and_they_stay(place: DatabaseUrl) -> None:
    schema = place.url.partition("&schema=")[2]
    with closing(connect(place)) as owner:
        owner.execute(f"CREATE SCHEMA {schema} CREATE TABLE runs (kept int)".encode())
        with pytest.raises(LogError, match="has other tables, such as runs; a log needs a schema of its own"):
            Ledger.create(place)
        assert owner.execute("SELECT count(kept) FROM runs").fetchone() == (0,)
