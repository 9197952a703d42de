"""What a session of another program says reaches its run: outcome, page, times, id, thoughts and messages; or it is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command_line import call, count, document, output, refused
from logged_sessions import asked, import_one, steps_of, write_lines

from grokputer.runners.archive.integrity import verify
from grokputer.runners.sessions.imports import read_sessions
from grokputer.runners.sessions.runs import record_session
from grokputer.runners.store.ledger import Ledger


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return Ledger.create(tmp_path / "events.db").path


@pytest.mark.parametrize(
    ("session", "outcome"),
    [
        ({"success": False}, "failed"),
        ({"success": False, "user_rating": 5}, "failed"),
        ({"success": True, "what_went_wrong": "it was slow"}, "succeeded"),
        ({"success": None}, "answered"),
    ],
)
def test_a_session_ends_as_it_says_itself(db: Path, tmp_path: Path, session: dict[str, Any], outcome: str) -> None:
    run = import_one(db, tmp_path, {"task": "Open the mail", **session})
    assert run["status"] == outcome


def test_a_failure_without_reasons_says_where_it_is_known_from(db: Path, tmp_path: Path) -> None:
    run = import_one(db, tmp_path, {"task": "Open the mail", "success": False})
    assert run["events"][-1]["detail"] == "the session says that it failed"


def test_the_screen_of_a_step_is_the_page_of_its_prompt(db: Path, tmp_path: Path) -> None:
    steps = [
        {"screenshot_summary": "a form with Ok", "action": "CLICK Ok", "observation": "it moved"},
        {"screenshot_summary": "Ok is left", "action": "CLICK Ok again"},
        {"response": "done"},
    ]
    run = import_one(db, tmp_path, {"task": "Press Ok", "iterations": steps})
    first, second, third = map(asked, steps_of(run))
    assert first == [("user", "Press Ok\na form with Ok")]
    assert second == [*first, ("assistant", "CLICK Ok"), ("user", "it moved\nOk is left")]
    assert third == [*second, ("assistant", "CLICK Ok again")]


def test_a_prompt_that_is_plain_text_is_one_message_of_the_user(db: Path, tmp_path: Path) -> None:
    run = import_one(
        db, tmp_path, {"task": "Sort", "iterations": [{"prompt": "Which folder?", "response": "Documents"}]}
    )
    [step] = steps_of(run)
    assert (asked(step), step["answer"]) == ([("user", "Which folder?")], "Documents")


def test_times_of_the_session_and_of_its_steps_are_kept(db: Path, tmp_path: Path) -> None:
    session = {
        "task": "Press Ok",
        "start_time": "2025-05-01T10:00:00+02:00",
        "end_time": "2025-05-01T08:00:42.5Z",
        "iterations": [
            {"response": "one", "timestamp": "2025-05-01T08:00:01Z", "end_time": "2025-05-01T08:00:03.25Z"},
            {"response": "two", "timestamp": 1746086410, "duration_seconds": 0.5},
        ],
    }
    run = import_one(db, tmp_path, session)
    assert (run["started"], run["duration_ms"]) == ("2025-05-01T08:00:00+00:00", 42_500)
    told = next(it for it in run["events"] if it["event"] == "SessionImported")
    assert (told["started"], told["ended"]) == ("2025-05-01T08:00:00+00:00", "2025-05-01T08:00:42.500000+00:00")
    assert told["step_times"] == ["2025-05-01T08:00:01+00:00", "2025-05-01T08:00:10+00:00"]
    assert [it["model_ms"] for it in steps_of(run)] == [2250, 500]


@pytest.mark.parametrize(
    "times",
    [
        {},
        {"start_time": "2025-05-01T10:00:00Z"},
        {"start_time": "2025-05-01T10:00:00Z", "end_time": "2025-05-01T09:00:00Z"},
    ],
    ids=["no times", "a start alone", "an end before the start"],
)
def test_a_session_of_unknown_duration_has_no_duration_and_no_implicit_stars(
    db: Path, tmp_path: Path, times: dict[str, str]
) -> None:
    run = import_one(db, tmp_path, {"task": "Press Ok", "success": True, "iterations": ["Ok"], **times})
    assert (run["duration_ms"], run["implicit_stars"], steps_of(run)[0]["model_ms"]) == (None, None, None)
    shown = output("show", run["id"], db=db)
    assert "succeeded after 1 step, reward 1\n" in shown


def test_a_stated_duration_of_zero_is_known(db: Path, tmp_path: Path) -> None:
    run = import_one(db, tmp_path, {"task": "Press Ok", "success": True, "duration_seconds": 0})
    assert (run["duration_ms"], run["implicit_stars"]) == (0, 5)


def test_the_thought_the_action_and_the_observation_of_a_step_are_kept(db: Path, tmp_path: Path) -> None:
    steps = [
        {"thought": "Ok is there.", "action": "CLICK Ok", "observation": "nothing"},
        {
            "thought": "Try the key.",
            "action": {"name": "press", "arguments": {"key": "Enter"}},
            "observation": {"ok": True},
        },
        {"thought": "It is done."},
    ]
    run = import_one(db, tmp_path, {"task": "Press Ok", "iterations": steps})
    answers = [it["answer"] for it in steps_of(run)]
    assert answers == ["Ok is there.\nCLICK Ok", 'Try the key.\npress {"key": "Enter"}', "It is done."]
    assert [words for role, words in asked(steps_of(run)[2]) if role == "user"] == [
        "Press Ok",
        "nothing",
        '{"ok": true}',
    ]


@pytest.mark.parametrize("key", ["iterations", "messages"])
def test_a_conversation_stays_one(db: Path, tmp_path: Path, key: str) -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Press Ok please"},
        {
            "role": "assistant",
            "content": "CLICK Ok",
            "tool_calls": [{"function": {"name": "click", "arguments": "{}"}}],
        },
        {"role": "tool", "content": "clicked"},
        {"role": "assistant", "content": [{"type": "text", "text": "Done."}]},
    ]
    run = import_one(db, tmp_path, {"task": "Press Ok", key: messages})
    first, second = steps_of(run)
    assert [first["answer"], second["answer"]] == ["CLICK Ok\nclick {}", "Done."]
    assert asked(first) == [("system", "Be brief."), ("user", "Press Ok please")]
    assert asked(second) == [*asked(first), ("assistant", "CLICK Ok\nclick {}"), ("user", "clicked")]


def test_keys_that_nothing_reads_are_named_in_one_line_and_kept_with_the_session(db: Path, tmp_path: Path) -> None:
    step = {"response": "one", "mouse": [1, 2]}
    first = {"task": "One", "host": "desk", "iterations": [step], "\x1b[2J": 1}
    file = write_lines(tmp_path / "all.jsonl", first, {"task": "Two", "host": "lap"})
    [line] = [it for it in call("runs", "import", file, db=db).stderr.splitlines() if "does not know" in it]
    assert line.endswith(r'used for nothing: iterations[].mouse, host, "\u001b[2J"')
    [*_, run] = document("runs", db=db)
    [told] = [it for it in document("show", run["id"], db=db)["events"] if it["event"] == "SessionImported"]
    assert told["session"] == first


@pytest.mark.parametrize(
    ("stars", "shown"),
    [
        ('"\\u0663"', '"٣"'), ('"0_3"', '"0_3"'), ("true", "true"), ("NaN", "NaN"), ("1e400", "1e400"),
        ("-Infinity", "-Infinity"),
        ("4.5", "4.5"), ("0", "0"), ("6", "6"), ('"4.0"', '"4.0"'), ('" 4"', '" 4"'), ('"+4"', '"+4"'), ('"04"', '"04"'),
        ("[3]", "[3]"), ('"\\u00b3"', '"³"'),
    ],
)  # fmt: skip
def test_stars_that_are_no_digit_from_1_to_5_are_refused_with_file_line_and_value(
    db: Path, tmp_path: Path, stars: str, shown: str
) -> None:
    file = tmp_path / "all.jsonl"
    good, bad = '{"task": "good", "user_rating": 3}', '{"task": "bad", "user_rating": STARS}'.replace("STARS", stars)
    file.write_text(f"{good}\n{bad}\n")
    line = refused("runs", "import", file, db=db)
    assert f"all.jsonl line 2: user_rating is {shown}; allowed is a whole number of stars from 1 to 5" in line


@pytest.mark.parametrize("stars", ["3", '"3"', "3.0"])
def test_a_whole_number_of_stars_is_taken_as_a_number_or_a_digit(db: Path, tmp_path: Path, stars: str) -> None:
    (tmp_path / "one.json").write_text('{"task": "x", "user_rating": STARS}'.replace("STARS", stars))
    output("runs", "import", tmp_path / "one.json", db=db)
    assert document("runs", db=db)[0]["stars"] == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"task": "a", "task": "b"}', 'the key "task" stands twice in one object'),
        ('{"task": "a", "meta": {"k": 1, "k": 1}}', 'the key "k" stands twice'),
        ('{"task": "a", "iterations": 1000000000000000000000000000000}', "iterations is 1000000000000000000000000000000"),
        ('{"task": "a", "n": %s}' % ("9" * 5000), "a number of 5000 digits is too long to be read"),
        ('{"task": "broken \\ud83d"}', r"task is not valid Unicode: 'broken \ud83d'"),
        ('{"task": "a", "meta": [{"x": "\\udc00"}]}', r"meta[1].x is not valid Unicode: '\udc00'"),
        ('{"task": "a", "\\ud800": 1}', r"a key of the session is not valid Unicode: '\ud800'"),
        ('{"task": "a", "meta": %s}' % ("[" * 200 + "]" * 200), "nested deeper than the 100 levels"),
        ('{"task": "a", "meta": %s}' % ("[" * 100_000 + "]" * 100_000), "nested deeper than the 100 levels"),
        ('{"task": "a", "success": "no"}', 'success is "no"; allowed is true or false'),
        ('{"task": "a", "start_time": "yesterday"}', 'start_time is "yesterday"; allowed is a time in ISO 8601'),
        ('{"task": "a", "start_time": 1e300}', "start_time is 1e300; allowed is a time"),
        ('{"task": "a", "duration_seconds": NaN}', "duration_seconds is NaN; allowed is seconds"),
        ('{"task": "a", "duration_seconds": -1}', "duration_seconds is -1; allowed is seconds"),
        ('{"task": "a", "duration_seconds": true}', "duration_seconds is true; allowed is seconds"),
        ('{"task": "a", "duration_seconds": 1%s}' % ("0" * 400), "duration_seconds is 1000"),
        ('{"task": "a", "iterations": [{"role": "robot", "content": "x"}]}', 'role is "robot"; allowed is one of system'),
        ('{"task": "a", "iterations": [{"role": "user", "content": "x"}]}', "at least one of them of the role assistant"),
        ('{"task": "a", "iterations": [{"role": "user", "content": "x"}, "y"]}', 'is "y"; allowed is a message with a role'),
        ('{"task": "a", "iterations": [{"role": "assistant", "content": [{"type": "image"}]}]}', "parts that are text"),
        ('{"task": "a", "what_went_wrong": 0}', "what_went_wrong is 0; allowed is text"),
        ('{"task": "a", "session_id": [1]}', "session_id is [1]; allowed is text"),
        ("[]", "holds no session"),
        ("", "holds no session"),
    ],
    ids=lambda it: it[:40],
)  # fmt: skip
def test_what_cannot_be_kept_is_refused_in_one_line_and_nothing_is_imported(
    db: Path, tmp_path: Path, text: str, said: str
) -> None:
    good = write_lines(tmp_path / "good.json", {"task": "good"})
    (tmp_path / "bad.json").write_text(text)
    line = refused("runs", "import", good, tmp_path / "bad.json", db=db)
    assert f"{tmp_path / 'bad.json'}" in line
    assert said in line


def test_a_surrogate_in_one_of_many_lines_is_found_by_its_line(db: Path, tmp_path: Path) -> None:
    file = write_lines(tmp_path / "all.jsonl", {"task": "one"}, {"task": "two \udc00"}, {"task": "three"})
    assert "all.jsonl line 2: task is not valid Unicode" in refused("runs", "import", file, db=db)


def test_zero_characters_and_long_comments_are_stored_as_they_are(db: Path, tmp_path: Path) -> None:
    comment = "a\0b " + "long " * 20_000 + "end"
    run = import_one(db, tmp_path, {"task": "Open\0 the mail", "user_rating": 2, "feedback_comment": comment})
    assert (run["task"], run["events"][-1]["comment"]) == ("Open\0 the mail", comment)
    verify(Ledger.open(db))


def test_the_same_session_is_known_by_its_own_id_once_it_was_rated(db: Path, tmp_path: Path) -> None:
    session = {"session_id": "monday-1", "task": "Press Ok", "iterations": 2}
    run = import_one(db, tmp_path, session)
    before = count(db)
    rated = {**session, "user_rating": 2, "feedback_comment": "no", "iterations": ["more", "is known"]}
    result = call("runs", "import", write_lines(tmp_path / "again.json", rated), db=db)
    assert "imported 0 sessions as runs of role action; 1 was there already" in result.stdout
    assert f"1 known session with a rating that this log lacks ({run['id'][:8]})" in result.stderr
    assert count(db) == before


def test_a_session_without_an_id_is_known_once_it_was_rated(db: Path, tmp_path: Path) -> None:
    import_one(db, tmp_path, {"task": "Press Ok", "iterations": ["CLICK Ok"]})
    rated = write_lines(tmp_path / "again.json", {"task": "Press Ok", "iterations": ["CLICK Ok"], "user_rating": 4})
    assert "imported 0 sessions as runs of role action; 1 was there" in output("runs", "import", rated, db=db)


def test_a_session_with_an_id_that_an_earlier_program_imported_by_its_content_is_known(
    db: Path, tmp_path: Path
) -> None:
    file = write_lines(tmp_path / "one.json", {"session_id": "monday-1", "task": "Press Ok"})
    [session] = read_sessions([file])
    assert record_session(Ledger.open(db), replace(session, own_id=None), "action", "ada")
    assert "imported 0 sessions as runs of role action; 1 was there" in output("runs", "import", file, db=db)


def test_two_ratings_of_the_same_task_without_an_id_are_two_sessions(db: Path, tmp_path: Path) -> None:
    file = write_lines(tmp_path / "all.jsonl", *({"task": "Press Ok", "user_rating": stars} for stars in (2, 5)))
    assert "imported 2 sessions" in output("runs", "import", file, db=db)


def test_another_task_under_an_id_that_is_taken_is_left_out_and_said_so(db: Path, tmp_path: Path) -> None:
    file = write_lines(
        tmp_path / "all.jsonl", {"id": 1, "task": "One"}, {"id": 1, "task": "Two"}, {"id": 1, "task": "One"}
    )
    result = call("runs", "import", file, db=db)
    assert "imported 1 session as runs of role action; 1 was there already" in result.stdout
    assert f"left out, because another session with another task has the same id: 1: {file} line 2" in result.stderr


def test_a_refused_import_of_a_log_leaves_no_log_behind(tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text("bad\n")
    result = call("log", "import", tmp_path / "bad.jsonl", db=tmp_path / "new.db")
    assert result.exit_code == 1
    assert sorted(it.name for it in tmp_path.iterdir()) == ["bad.jsonl"]
    db = Ledger.create(tmp_path / "old.db").path
    assert call("log", "import", tmp_path / "bad.jsonl", db=db).exit_code == 1
    assert db.exists()


def test_why_explains_an_imported_run_as_imported(db: Path, tmp_path: Path) -> None:
    session = {"task": "Press Ok", "lora_version": "v7", "start_time": "2025-05-01T08:00:00Z", "success": False}
    run = import_one(db, tmp_path, session)
    said = output("why", run["id"], db=db)
    assert f"run {run['id'][:8]} of Press Ok imported by" in said
    assert "another program made it with its adapter v7; no adapter of this log answered" in said
    assert "from 2025-05-01T08:00:00+00:00 to an unknown time; it says that it failed" in said
    assert document("why", run["id"], db=db)["run"] == run["id"]
    page = tmp_path / "why.html"
    call("why", run["id"], "--html", page, db=db)
    assert "another program made it" in page.read_text(encoding="utf-8")


def test_the_words_of_a_session_are_erased_with_its_run(db: Path, tmp_path: Path) -> None:
    run = import_one(
        db, tmp_path, {"session_id": "for-zebrafish", "task": "Write to Zebrafish", "host": "zebrafish-desk"}
    )
    output("forget", "--yes", run["id"], "--reason", "asked for", db=db)
    assert b"zebrafish" not in db.read_bytes().lower()
    assert "imported" in output("show", run["id"], db=db)


def test_a_call_whose_arguments_hold_half_a_character_becomes_text_as_other_forms_do(db: Path, tmp_path: Path) -> None:
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": "\\ud800"}'}}
    run = import_one(db, tmp_path, {"task": "Press Ok", "iterations": [{"tool_calls": [call]}]})
    [step] = steps_of(run)
    assert (step["answer"], step["tool_calls"]) == ('f {"x": "\\ud800"}', [])
