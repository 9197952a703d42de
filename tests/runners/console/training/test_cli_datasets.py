"""The commands on datasets: seen before a training, taken out, added to."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from chat_server import ChatServer
from command_line import call, count, document, lines, output, refused

from grokputer.adapters.data.imports.public_set import read_public

QUESTIONS = [{"instruction": f"What is {n} plus {n}?", "output": str(2 * n)} for n in range(40)]


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    path = tmp_path / "questions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in QUESTIONS))
    return path


def test_a_preview_counts_and_shows_what_a_training_would_learn(log: Path) -> None:
    shown = output("dataset", "preview", "--limit", "1", db=log)
    assert "role action: " in shown
    assert "miniwob/click-button" in shown
    assert "> CLICKbutton:Ok[1]" in shown
    found = document("dataset", "preview", "--source", "correction", "--limit", "2", db=log)
    assert found["lessons"] >= found["minimum"]
    assert sum(found["by_source"].values()) == sum(found["by_task"].values()) == found["examples"]
    assert [row["source"] for row in found["shown"]] == ["correction"] * 2
    assert set(found["held_out"]) <= {"failed", "worked"}


def test_each_role_has_a_dataset_of_its_own(log: Path) -> None:
    action, ocr, *_ = document("dataset", db=log)
    assert (action["role"], ocr["role"]) == ("action", "ocr")
    assert action["lessons"] > 0 == ocr["examples"]
    assert "held out" in output("dataset", db=log)


def test_a_preview_says_when_there_is_too_little(log: Path) -> None:
    shown = output("dataset", "preview", "--role", "ocr", db=log)
    assert "a training would be declined: 0 usable examples, 5 are needed" in shown
    assert "no example of the dataset has source 'teacher'; its sources: correction" in refused(
        "dataset", "preview", "--source", "teacher", db=log
    )


def test_a_dataset_is_exported_with_its_manifest_and_never_over_another(log: Path, tmp_path: Path) -> None:
    file = tmp_path / "out.jsonl"
    assert "the manifest" in output("dataset", "export", file, db=log)
    manifest = json.loads((tmp_path / "out.manifest.json").read_text())
    assert manifest["dataset"] == "sha256:" + hashlib.sha256(file.read_bytes()).hexdigest()
    assert len(manifest["examples"]) == len(file.read_text().splitlines())
    assert "exists already; give another name" in refused("dataset", "export", file, db=log)
    assert "no examples yet" in refused("dataset", "export", tmp_path / "ocr.jsonl", "--role", "ocr", db=log)
    output("dataset", "export", tmp_path / "alpaca.jsonl", "--form", "alpaca", db=log)
    assert set(json.loads((tmp_path / "alpaca.jsonl").read_text().splitlines()[0])) == {
        "instruction",
        "input",
        "output",
    }


def test_an_imported_set_is_a_fact_that_is_mixed_in_and_counts_once(log: Path, questions: Path) -> None:
    words = ("dataset", "import", questions, "--role", "action", "--limit", "30", "--license", "CC0", "--as", "eve")
    assert "imported 30 examples from questions.jsonl (alpaca) for role action" in output(*words, db=log)
    [imported] = lines(log, "--event", "ExamplesImported")
    assert imported["actor"] == "eve"
    assert (imported["data"]["count"], imported["data"]["license"]) == (30, "CC0")
    before = count(log)
    assert "nothing was recorded" in output(*words, db=log)
    assert count(log) == before
    questions.unlink()
    found = document("dataset", "preview", db=log)
    assert 0 < found["by_source"]["public"] < found["lessons"]
    output("settings", "set", "training.public_share", "0", db=log)
    assert "public" not in document("dataset", "preview", db=log)["by_source"]
    assert document("replay", db=log)["is_equal"]


def test_an_import_says_the_license_what_was_left_out_and_what_was_not_read(log: Path, tmp_path: Path) -> None:
    rows = [
        {**QUESTIONS[0], "id\x1b[31m": 1},
        QUESTIONS[0],
        {"text": "\x1b]0;x"},
        {**QUESTIONS[1], "output": ["a"]},
        QUESTIONS[2],
    ]
    (tmp_path / "set.json").write_text(json.dumps({"license": "CC BY 4.0", "data": rows}))
    said = output("dataset", "import", tmp_path / "set.json", db=log)
    wanted = (
        "instruction + output; instruction + response; prompt + completion; prompt + chosen + rejected; messages; "
        "conversations"
    )
    assert said.splitlines() == [
        "imported 2 examples from set.json (alpaca) for role action",
        "license: CC BY 4.0",
        "left out 3 rows:",
        "  1 repeated",
        "    set.json row 2: repeats an earlier row",
        "  1 unknown form",
        f"    set.json row 3: has text; it needs the keys of one of these forms: {wanted}",
        "  1 not text",
        "    set.json row 4: 'output' is a list, neither text nor turns",
        r"keys that were not read, and in how many rows: 'id\x1b[31m' (1)",
    ]
    [imported] = lines(log, "--event", "ExamplesImported")
    data = imported["data"]
    assert (data["license"], data["left_out"]) == ("CC BY 4.0", 3)
    assert data["reasons"] == {"repeated": 1, "unknown form": 1, "not text": 1}


def test_a_license_that_is_given_counts_more_than_the_sets_own_and_without_any_it_is_unknown(
    log: Path, questions: Path
) -> None:
    assert "license: unknown" in output("dataset", "import", questions, "--role", "ocr", db=log)
    assert "license: CC0" in output("dataset", "import", questions, "--licence", "CC0", db=log)
    assert [it["data"]["license"] for it in lines(log, "--event", "ExamplesImported")] == ["unknown", "CC0"]
    assert "is not valid Unicode" in refused(
        "dataset", "import", questions, "--license", "caf\udce9", "--limit", "3", db=log
    )


def test_a_dataset_goes_out_in_each_format_and_comes_back(log: Path, tmp_path: Path) -> None:
    output("dataset", "export", tmp_path / "a.jsonl", db=log)
    wanted = [example.completion for example in read_public(str(tmp_path / "a.jsonl"), "action").examples]
    for name in ("b.json", "c.parquet", "d.jsonl.gz", "e.parquet.gz"):
        assert "wrote " in output("dataset", "export", tmp_path / name, db=log)
        assert [it.completion for it in read_public(str(tmp_path / name), "action").examples] == wanted
    assert "no suffix of an export format; it takes .jsonl" in refused("dataset", "export", tmp_path / "f.csv", db=log)
    assert not list(tmp_path.glob("f.*"))


def test_a_set_that_cannot_be_read_is_refused_in_one_line(log: Path, tmp_path: Path) -> None:
    assert "there is no " in refused("dataset", "import", tmp_path / "none.jsonl", db=log)
    (tmp_path / "bad.jsonl").write_text("{")
    assert "line 1 is not JSON" in refused("dataset", "import", tmp_path / "bad.jsonl", db=log)
    assert call("dataset", "import", tmp_path / "bad.jsonl", "--role", "nobody", db=log).exit_code == 2


def test_a_teacher_varies_what_was_corrected(log: Path) -> None:
    assert "corrected runs would be varied, 2 times each at most" in output(
        "dataset", "synthesize", "--count", "2", "--dry-run", db=log
    )
    assert "set teacher.endpoint and teacher.model" in refused("dataset", "synthesize", db=log)
    with ChatServer("CLICKbutton:Click Me![1]") as server:
        output("settings", "set", "teacher.endpoint", server.url, db=log)
        output("settings", "set", "teacher.model", "big", db=log)
        said = output("dataset", "synthesize", "--limit", "1", "--role", "ocr", db=log)
    assert "big made 0 examples of 0 of 0 corrected runs" in said


def test_a_preview_loads_no_machine_learning_library(log: Path) -> None:
    program = (
        "import sys; from grokputer.cli import app\n"
        f"app(['dataset', 'preview', '--db', {str(log)!r}], standalone_mode=False)\n"
        "assert not {'torch', 'transformers', 'datasets', 'openai'} & set(sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd="/")
    assert shown.returncode == 0, shown.stderr
