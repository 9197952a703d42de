"""Export and import: a log as JSON Lines and back, to the byte, or not at all."""

from __future__ import annotations

import io
import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from command_line import call, count, document, output, refused
from stores import BOTH, place_in

from grokputer.domain.errors import LogError
from grokputer.runners.archive.jsonl import export_log, import_log
from grokputer.runners.archive.replay import replay
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.log import Log
from grokputer.runners.store.place import Place
from grokputer.runners.store.states import load_state
from grokputer.runners.store.tables import update_tables
from story import Story

TABLES = ("stored_events", "content", "tracking", "sqlite_sequence")


def export(place: Place) -> bytes:
    out = io.BytesIO()
    export_log(Log.open(place), out)
    return out.getvalue()


def import_lines(text: bytes, place: Place) -> Ledger:
    ledger = Ledger.create(place)
    import_log(ledger, io.BytesIO(text))
    return ledger


def rows(path: Path, table: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()


def test_an_imported_log_is_the_exported_one_to_the_byte_and_so_is_its_export(log: Path, tmp_path: Path) -> None:
    copy, text = tmp_path / "copy.db", export(log)
    ledger = import_lines(text, copy)
    for table in TABLES:
        assert rows(copy, table) == rows(log, table)
    assert load_state(ledger).dump() == load_state(Ledger.open(log)).dump()
    update_tables(ledger)
    assert rows(copy, "runs") == rows(log, "runs")
    assert replay(ledger).is_equal
    assert export(copy) == text


def test_an_imported_log_goes_on_as_the_other_would(log: Path, tmp_path: Path) -> None:
    ledger = import_lines(export(log), tmp_path / "copy.db")
    end = ledger.position
    process_new_events(ledger)
    assert ledger.position == end, "its followers have come as far, and do nothing a second time"


@pytest.mark.parametrize("store", BOTH)
@pytest.mark.parametrize("said", ["two\nlines\r\n", "nul \x00 in it", "\u2028\u0085", "ünï 🙂", '"\\'])
def test_any_text_comes_back_as_it_was(said: str, tmp_path: Path, store: str) -> None:
    story = Story(place_in(store, tmp_path))
    story.rate(story.run(), 5, comment=said)
    text = export(story.place)
    assert text.count(b"\n") == text.decode().count("\n") == len(text.split(b"\n")) - 1
    (tmp_path / "copy").mkdir()
    ledger = import_lines(text, place_in(store, tmp_path / "copy"))
    key = next(vars(it.event)["comment"] for it in ledger.read(1, None, ["TaskRated"]))
    assert ledger.get_content(key) == said


def test_an_empty_log_is_exported_and_imported(tmp_path: Path) -> None:
    Ledger.create(tmp_path / "events.db")
    text = export(tmp_path / "events.db")
    assert text.count(b"\n") == 1
    assert import_lines(text, tmp_path / "copy.db").position == 0


Change = Callable[[list[dict[str, Any]]], Any]


def first(lines: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    return next(it for it in lines if it["kind"] == kind)


def with_huge_numbers(lines: list[dict[str, Any]]) -> None:
    """2**70 as each whole number of the first step but its version."""
    step = next(it for it in lines if it.get("topic") == "StepTaken")
    state: dict[str, Any] = json.loads(step["state"])
    step["state"] = json.dumps({key: 2**70 if type(it) is int and key != "v" else it for key, it in state.items()})


BROKEN: dict[str, tuple[Change, str]] = {
    "no JSON": (lambda lines: lines.insert(3, {"raw": "{"}), "line 4 .*truncated"),
    "a line that is nested too deep": (
        lambda lines: lines.insert(3, {"raw": '{"a":' * 9999 + "1" + "}" * 9999}),
        "line 4 .*recursion",
    ),
    "an empty line": (lambda lines: lines.insert(3, {"raw": ""}), "line 4 "),
    "another kind": (lambda lines: lines[3].update(kind="dream"), "line 4 .*dream"),
    "a field too many": (lambda lines: lines[3].update(more=1), "line 4 .*more"),
    "an unknown topic": (lambda lines: lines[-1].update(topic="TaskDreamt"), "line {last} .*TaskDreamt.*upgrade"),
    "a state that is nested too deep": (
        lambda lines: lines[-1].update(state='{"v":1,"task":' + "[" * 9999 + "]" * 9999 + "}"),
        "line {last} ",
    ),
    "a state of no such event": (lambda lines: lines[-1].update(state="{}"), "line {last} .*damaged"),
    "a gap": (lambda lines: lines.pop(-2), r"line {before} .*position (\d+) after \d+"),
    "a text that is another": (lambda lines: first(lines, "content").update(text="other"), "line 2 .*hashes differ"),
    "a salt that is none": (lambda lines: first(lines, "content").update(salt="xy"), "line 2 "),
    "a text twice": (lambda lines: lines.insert(2, lines[1]), "line 3 .*content[._]p?key"),
    "an aggregate's version twice": (
        lambda lines: lines[-1].update({name: first(lines, "event")[name] for name in ("id", "version")}),
        "line {last} .*(append-only|originator_version)",
    ),
    "an id that is none": (lambda lines: lines[-1].update(id="AB" * 16), "line {last} .*32 hex digits"),
    "another form": (lambda lines: lines[0].update(form=2), "line 1 .*version 2.*knows 1"),
    "no first line": (lambda lines: lines.pop(0), "line 1 .*the first line, and no other"),
    "two files in one": (lambda lines: lines.extend(lines[:]), "line {after} .*the first line, and no other"),
    "a follower beyond the end": (lambda lines: lines[0]["followers"].update(improvement=9999), "line 1 .*9999"),
    "the end cut off": (lambda lines: lines.pop(), "cut or joined"),
    "a text left out": (lambda lines: lines.pop(1), "cut or joined"),
    "nothing": (lambda lines: lines.clear(), "no line to import"),
    "more events than any store can count": (
        lambda lines: lines[0].update(events=10**30, followers={"improvement": 10**29}),
        "line 1 is not a line of an exported log",
    ),
    "fewer events than none": (lambda lines: lines[0].update(events=-1), "line 1 is not a line"),
    "a follower before the beginning": (
        lambda lines: lines[0]["followers"].update(improvement=-1),
        "line 1 is not a line",
    ),
    "a version that no store has room for": (
        lambda lines: lines[-1].update(version=2**70),
        "line {last} is not a line",
    ),
    "a version that PostgreSQL has no room for": (
        lambda lines: lines[-1].update(version=2**63),
        "line {last} is not a line",
    ),
    "a figure that no table has room for": (
        with_huge_numbers,
        "line .* is not a line .* has a number that is too large",
    ),
    "a version before the first": (lambda lines: lines[-1].update(version=-1), "line {last} is not a line"),
    "a position that no store has room for": (
        lambda lines: lines[-1].update(position=2**70),
        "line {last} is not a line",
    ),
}


@pytest.mark.parametrize("store", BOTH)
@pytest.mark.parametrize("broken", BROKEN)
def test_what_is_not_as_it_was_written_is_refused_by_its_line_and_nothing_is_kept(
    broken: str, log: Path, tmp_path: Path, store: str
) -> None:
    (tmp_path / "copy").mkdir()
    copy = place_in(store, tmp_path / "copy")
    change, said = BROKEN[broken]
    lines = [json.loads(line) for line in export(log).split(b"\n") if line]
    numbers = {"last": len(lines), "before": len(lines) - 1, "after": len(lines) + 1}
    change(lines)
    text = "".join(f"{it.get('raw', json.dumps(it))}\n" for it in lines).encode()
    with pytest.raises(LogError, match=said.format(**numbers)) as caught:
        import_lines(text, copy)
    assert "\n" not in str(caught.value)
    with Ledger.open(copy).reading() as kept:
        tables = (*TABLES[:3], "checkpoints", "names")
        assert [kept.execute(f"SELECT * FROM {table}").fetchall() for table in tables] == [[]] * len(tables)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE content SET text = text || '!' WHERE key = (SELECT MAX(key) FROM content)", "does not match its key"),
        (
            "DROP TRIGGER log_loses_nothing; DELETE FROM stored_events WHERE position = 5",
            "lacks the event at position 5",
        ),
        ("INSERT INTO stored_events VALUES (99, 'ab', 1, 'TaskDreamt', '{}', '')", "lacks the event"),
    ],
)
def test_a_log_that_could_not_be_imported_is_not_exported(log: Path, tmp_path: Path, statement: str, said: str) -> None:
    with closing(sqlite3.connect(log)) as connection:
        connection.executescript(statement)
    file = tmp_path / "out.jsonl"
    assert said in refused("log", "export", file, db=log)
    assert list(tmp_path.glob("*out.jsonl*")) == []


def test_the_command_line_exports_to_a_file_or_a_pipe_and_imports_from_both(log: Path, tmp_path: Path) -> None:
    file = tmp_path / "out.jsonl"
    said = call("log", "export", file, db=log).stderr
    assert "adapter weights are not part of a log" in said
    assert output("log", "export", "-", db=log).encode() == file.read_bytes() == export(log)
    assert "exists already; give another name" in refused("log", "export", file, db=log)
    shown = output("log", "import", file, db=tmp_path / "one.db")
    assert f"imported {count(log)} events and {len(rows(log, 'content'))} texts" in shown
    told = call("log", "import", file, db=tmp_path / "three.db").stderr
    assert ("copy those of the other one" in told) == bool(document("adapters", db=log))
    output("init", db=tmp_path / "empty.db")
    output("log", "export", tmp_path / "empty.jsonl", db=tmp_path / "empty.db")
    assert call("log", "import", tmp_path / "empty.jsonl", db=tmp_path / "four.db").stderr == ""
    program = [sys.executable, "-c", "from grokputer.cli import main; main()", "log", "import", "-", "--db"]
    subprocess.run([*program, tmp_path / "two.db"], input=file.read_bytes(), check=True, capture_output=True)
    assert export(tmp_path / "one.db") == export(tmp_path / "two.db") == file.read_bytes()
    assert call("log", "--db", log, "export", "-").stdout_bytes == file.read_bytes()


def test_a_missing_file_and_an_import_into_a_used_log_are_one_line_each(log: Path, tmp_path: Path) -> None:
    assert "No such file" in refused("log", "import", tmp_path / "none.jsonl", db=tmp_path / "new.db")
    call("log", "export", tmp_path / "out.jsonl", db=log)
    assert "events; an import needs a new log" in refused("log", "import", tmp_path / "out.jsonl", db=log)


@pytest.mark.parametrize("store", BOTH)
def test_what_is_written_meanwhile_is_not_in_an_export_of_the_moment_before(tmp_path: Path, store: str) -> None:
    story = Story(place_in(store, tmp_path))
    story.run()

    class Interrupting(io.BytesIO):
        def write(self, line: Any) -> int:
            if line.startswith(b'{"kind":"event","position":1,'):
                story.run()
            return super().write(line)

    before, out = story.ledger.position, Interrupting()
    assert export_log(Log.open(story.place), out).events == before < story.ledger.position
    assert import_lines(out.getvalue(), tmp_path / "copy.db").position == before
