"""Sets from outside: each published form becomes examples of ours, and what is none is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from grokputer.adapters.data.examples import Example, read_examples, write_examples
from grokputer.adapters.data.exports import write_set
from grokputer.adapters.data.imports.public_set import read_public
from grokputer.domain.errors import InvalidExamples

ALPACA = {"instruction": "Add the numbers.", "input": "2 and 3", "output": "5"}
DOLLY = {"instruction": "Who wrote it?", "context": "", "response": "Ada.", "category": "qa"}
CHAT = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
    ]
}
OURS = Example(({"role": "user", "content": "page"},), "CLICK", "correction", "ocr", "run-1", 3, "miniwob/a#1", "TYPE")


def write(path: Path, *rows: Any) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("row", "form", "question", "answer"),
    [(ALPACA, "alpaca", "Add the numbers.\n\n2 and 3", "5"), (DOLLY, "dolly", "Who wrote it?", "Ada."),
     (CHAT, "messages", "Hi", "Hello"), (OURS.to_json(), "examples", "page", "CLICK")],
)  # fmt: skip
def test_a_row_of_each_form_is_a_question_and_its_answer(
    tmp_path: Path, row: dict[str, Any], form: str, question: str, answer: str
) -> None:
    read = read_public(write(tmp_path / "set.jsonl", row), "action")
    [example] = read.examples
    assert (read.name, read.form, read.left_out) == ("set.jsonl", form, 0)
    assert (example.messages[-1]["content"], example.completion) == (question, answer)
    assert (example.source, example.role, example.run_id, example.step) == ("public", "action", "", 0)
    assert example.instance.startswith("public#")


def test_the_turns_before_the_question_stay_and_so_does_a_rejected_answer(tmp_path: Path) -> None:
    chat, ours = read_public(write(tmp_path / "set.jsonl", CHAT, OURS.to_json()), "action").examples
    assert [message["role"] for message in chat.messages] == ["system", "user"]
    assert ours.rejected == "TYPE"


def test_rows_without_question_or_answer_and_repeated_ones_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = [ALPACA, {**ALPACA, "output": ""}, {**ALPACA, "instruction": " ", "input": None}, {**ALPACA, "output": "5 "},
            {"messages": CHAT["messages"][:2]}, {"messages": []}, {**DOLLY, "response": None}]  # fmt: skip
    read = read_public(write(tmp_path / "set.jsonl", *rows), "action")
    assert (len(read.examples), read.left_out) == (1, 6)


def test_a_limit_takes_the_first(tmp_path: Path) -> None:
    path = write(tmp_path / "set.jsonl", *({**ALPACA, "input": str(number)} for number in range(9)))
    read = read_public(path, "action", 2)
    assert [example.messages[0]["content"][-1] for example in read.examples] == ["0", "1"]
    assert read.left_out == 0


def test_one_json_list_is_read_too(tmp_path: Path) -> None:
    (tmp_path / "alpaca.json").write_text(json.dumps([ALPACA, DOLLY]))
    assert read_public(str(tmp_path / "alpaca.json"), "action").form == "alpaca, dolly"


@pytest.mark.filterwarnings("ignore")  # the library's own, about its own
def test_what_the_datasets_library_loads_is_read_by_it(tmp_path: Path) -> None:
    import datasets  # type: ignore[import-untyped]

    rows = datasets.Dataset.from_list([ALPACA, {**ALPACA, "input": "4 and 5", "output": "9"}])
    rows.to_parquet(tmp_path / "set.parquet")
    rows.to_csv(tmp_path / "set.csv")
    datasets.DatasetDict({"train": rows, "test": rows.select([0])}).save_to_disk(tmp_path / "saved")
    (tmp_path / "folder").mkdir()
    rows.to_json(tmp_path / "folder" / "train.jsonl")
    found = [read_public(str(tmp_path / name), "action") for name in ("set.parquet", "set.csv", "saved", "folder")]
    assert [[example.completion for example in read.examples] for read in found] == [["5", "9"]] * 4
    guessed = datasets.Dataset.from_list([{"instruction": "Zip?", "output": 2134}])
    guessed.info.builder_name = "csv"
    guessed.save_to_disk(tmp_path / "guessed")
    with pytest.raises(InvalidExamples, match="guessed is made of CSV files, whose cells would be guessed"):
        read_public(str(tmp_path / "guessed"), "action")
    (tmp_path / "broken.parquet").write_text("no parquet")
    with pytest.raises(InvalidExamples, match=r"broken\.parquet cannot be loaded") as refused:
        read_public(str(tmp_path / "broken.parquet"), "action")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [('{"text": "hi"}', "jsonl:1: has text; it needs the keys"), ("[1]", "is not an object"), ("{", "line 1 is not JSON"),
     ("[", "is not JSON"), ("", "no usable example in 0 rows"), ('{"instruction": "a", "output": ""}', "in 1 row: ")],
)  # fmt: skip
def test_a_file_that_is_no_set_of_examples_is_refused_in_one_line(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "set.jsonl"
    path.write_text(content)
    with pytest.raises(InvalidExamples, match=said) as refused:
        read_public(str(path), "action")
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there_or_of_no_known_kind_is_said(tmp_path: Path) -> None:
    with pytest.raises(InvalidExamples, match="there is no "):
        read_public(str(tmp_path / "none.jsonl"), "action")
    with pytest.raises(InvalidExamples, match=r"there is no data/none\.parquet"):
        read_public("data/none.parquet", "action")
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(InvalidExamples, match=r"a file ends with \.jsonl"):
        read_public(str(tmp_path / "notes.txt"), "action")


def test_targets_go_out_in_the_form_of_alpaca_and_come_back_with_the_same_words(tmp_path: Path) -> None:
    bad = Example(OURS.messages, "WRONG", "rated", label="bad")
    [chat] = read_public(write(tmp_path / "chat.jsonl", CHAT), "action").examples
    assert write_set(tmp_path / "out.jsonl", [OURS, bad, chat], "alpaca") == 2
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert rows == [
        {"instruction": "page", "input": "", "output": "CLICK"},
        {"instruction": "Be brief.", "input": "Hi", "output": "Hello"},
    ]


def test_a_dataset_file_of_ours_is_read_whole(tmp_path: Path) -> None:
    write_examples(tmp_path / "ours.jsonl", [OURS])
    assert read_examples(tmp_path / "ours.jsonl") == [OURS]
    assert len(read_public(str(tmp_path / "ours.jsonl"), "action").examples) == 1
