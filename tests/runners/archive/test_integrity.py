"""The proof over the log: whatever is done to it behind the program's back is found, and the first bad position named."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from command_line import call, document, output

from grokputer.domain.errors import LogError, NotFound
from grokputer.domain.events import TaskRated
from grokputer.domain.merkle import Tree, leaf
from grokputer.runners.archive.erasure import Target, erase
from grokputer.runners.archive.integrity import BadProof, Head, Proof, prove, verify
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.log import Log
from story import Story


@pytest.fixture
def log(tmp_path: Path) -> Log:
    story = Story(tmp_path / "events.db")
    for stars in (1, 3, 5):
        story.rate(story.run(succeeds=stars > 1), stars, "ada", "well, well")
    story.ledger.close()
    return Log.open(tmp_path / "events.db")


def tamper(log: Log, *statements: str) -> None:
    """What somebody does who can write to the file and knows SQLite."""
    with closing(sqlite3.connect(log.path)) as connection:
        for trigger in ("log_keeps_events", "log_loses_nothing", "log_replaces_nothing"):
            connection.execute(f"DROP TRIGGER {trigger}")
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def rewrite_tree(log: Log, first: int = 1, last: int | None = None) -> None:
    """What somebody does who knows this program too: nodes that fit what is there now."""
    with closing(sqlite3.connect(log.path)) as connection:
        tree = Tree()
        rows = connection.execute("SELECT * FROM stored_events ORDER BY position").fetchall()
        for position, id, version, topic, state, _ in rows:
            nodes = tree.append(leaf(position, id, version, topic, state))
            if first <= position <= (last or position):
                connection.execute("UPDATE stored_events SET nodes = ? WHERE position = ?", (nodes, position))
        connection.commit()


def test_an_untouched_log_is_whole_and_has_the_head_it_had(log: Log) -> None:
    found = verify(log)
    assert found.fault is None
    assert found.head.size == log.position
    assert found.texts > 0
    story = Ledger.open(log.path)
    story.put("more")
    assert verify(log, [found.head]).fault is None
    assert Head.read(str(found.head)) == found.head


EDIT = "UPDATE stored_events SET state = CAST(replace(state, 'grokputer', 'ada') AS BLOB) WHERE position = 5"
SWAP = (
    "UPDATE stored_events SET position = 1000 WHERE position = 5",
    "UPDATE stored_events SET position = 5 WHERE position = 6",
    "UPDATE stored_events SET position = 6 WHERE position = 1000",
)
INSERT = (
    "UPDATE stored_events SET position = -position WHERE position >= 6",
    "UPDATE stored_events SET position = 1 - position WHERE position < 0",
    "INSERT INTO stored_events SELECT 6, 'ab', 1, topic, state, nodes FROM stored_events WHERE position = 5",
)


@pytest.mark.parametrize(
    ("statements", "first_bad"),
    [
        (["UPDATE stored_events SET state = replace(state, 'ada', 'eve') WHERE position = 5"], 5),
        ([EDIT], 5),
        (["UPDATE stored_events SET topic = 'TaskRated' WHERE position = 5"], 5),
        (["UPDATE stored_events SET originator_id = 'ab' WHERE position = 5"], 5),
        (["UPDATE stored_events SET nodes = zeroblob(length(nodes)) WHERE position = 5"], 5),
        (["DELETE FROM stored_events WHERE position = 5"], 5),
        (["DELETE FROM stored_events WHERE position <= 2"], 1),
        (SWAP, 5),
        (INSERT, 6),
    ],
)
def test_an_edit_a_deletion_an_insertion_and_a_swap_are_found_where_they_are(
    log: Log, statements: list[str], first_bad: int
) -> None:
    tamper(log, *statements)
    fault = verify(log).fault
    assert fault is not None
    assert fault.position == first_bad


def test_an_edit_with_a_leaf_that_fits_is_found_by_the_nodes_above_it(log: Log) -> None:
    tamper(log, EDIT)
    rewrite_tree(log, 5, 5)
    fault = verify(log).fault
    assert fault is not None
    assert fault.position == 6


def test_a_tail_that_is_cut_off_is_missed(log: Log) -> None:
    end = log.position
    tamper(log, f"DELETE FROM stored_events WHERE position > {end - 2}")
    fault = verify(log).fault
    assert fault is not None
    assert fault.position == end - 1
    assert f"once had {end} events" in fault.reason


def test_only_a_head_that_was_kept_elsewhere_tells_a_history_that_was_rewritten_whole(log: Log) -> None:
    early, late = prove(log, 1, 4).head, verify(log).head
    tamper(
        log,
        EDIT,
        f"DELETE FROM stored_events WHERE position > {late.size - 1}",
        f"UPDATE sqlite_sequence SET seq = {late.size - 1}",
        "DELETE FROM tracking",
        "DELETE FROM checkpoints",
    )
    rewrite_tree(log)
    assert verify(log).fault is None
    assert verify(log, [early]).fault is None
    assert verify(log, [early, late]).fault is not None
    middle = Head(6, late.root)
    fault = verify(log, [early, middle]).fault
    assert fault is not None
    assert fault.position == 6


def test_a_text_that_is_not_what_was_kept_is_found(log: Log) -> None:
    tamper(log, "UPDATE content SET text = 'very well' WHERE text = 'well, well'")
    fault = verify(log).fault
    assert fault is not None
    assert "does not match its key" in fault.reason


def test_a_text_missing_without_an_erasure_is_found_where_it_was_named_first(log: Log) -> None:
    rated = [it for it in log.read() if isinstance(it.event, TaskRated)]
    second, third = (it.event.text_keys[0] for it in rated[1:])
    tamper(log, f"DELETE FROM content WHERE key IN ('{second}', '{third}')")
    fault = verify(log).fault
    assert fault is not None
    assert fault.position == rated[1].position
    assert fault.reason == f"its text {second[:19]} is missing, and it was not erased; restore the log from a backup"


def test_a_fact_whose_texts_cannot_be_read_is_one_line_also_where_the_tree_fits_it(log: Log) -> None:
    rated = next(it for it in log.read() if isinstance(it.event, TaskRated))
    key = rated.event.text_keys[0]
    tamper(
        log,
        f"UPDATE stored_events SET state = CAST(replace(state, '\"{key}\"', '7') AS BLOB) WHERE topic = 'TaskRated'",
    )
    rewrite_tree(log)
    with pytest.raises(LogError, match=f"the event at position {rated.position} is damaged"):
        verify(log)


def test_an_erasure_that_was_edited_is_found_where_it_stands_and_not_read(log: Log) -> None:
    with closing(Ledger.open(log.path)) as ledger:
        erase(ledger, Target(person="ada"), "asked for", "bob")
    erasure = log.position
    tamper(log, f"UPDATE stored_events SET state = '{{}}' WHERE position = {erasure}")
    fault = verify(log).fault
    assert fault is not None
    assert fault.position == erasure


def test_every_event_can_be_proven_without_the_log_and_no_other(log: Log) -> None:
    for position in range(1, log.position + 1):
        proof = Proof.from_json(json.loads(json.dumps(prove(log, position).to_json())))
        proof.check()
        assert proof.head == verify(log).head
        changes: list[Callable[[dict[str, object]], dict[str, object]]] = [
            lambda it: it | {"state": str(it["state"]).replace("2025", "2026")},
            lambda it: it | {"position": 3 if it["position"] != 3 else 4},
            lambda it: it | {"path": []},
        ]
        for change in changes:
            with pytest.raises(BadProof, match="does not hold"):
                Proof.from_json(change(proof.to_json())).check()
    with pytest.raises(NotFound, match="the log has 1 to"):
        prove(log, log.position + 1)


def test_a_log_without_a_tree_says_how_it_gets_one(log: Log) -> None:
    tamper(log, "ALTER TABLE stored_events DROP COLUMN nodes")
    with pytest.raises(LogError, match="the next command that writes adds them"):
        verify(log)


def test_on_the_command_line_a_fault_is_one_line_and_an_exit_code(log: Log, tmp_path: Path) -> None:
    said = output("verify", db=log.path)
    head = document("verify", db=log.path)["head"]
    assert f"head {head}" in said
    assert "all as they were written" in output("verify", "--head", head, db=log.path)
    output("prove", "5", "--out", str(tmp_path / "event.json"), db=log.path)
    assert "is in the log with the head" in output("verify", "--proof", str(tmp_path / "event.json"), "--head", head)
    other = f"4:{'0' * 64}"
    assert "not for 4:" in call("verify", "--proof", str(tmp_path / "event.json"), "--head", other).stderr
    assert "is not a head" in call("verify", "--head", "latest", db=log.path).stderr
    tamper(log, EDIT)
    found = call("verify", db=log.path)
    assert (found.exit_code, found.stdout) == (1, "at position 5: the event differs from the one stored there\n")
    assert json.loads(call("verify", "--json", db=log.path).stdout)["fault"]["position"] == 5
