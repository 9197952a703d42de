"""Datasets are files that can be checked by hand, and every example says where it came from."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from grokputer.adapters.data.examples import Example, dataset_hash, read_examples, write_examples
from grokputer.domain.errors import InvalidExamples
from grokputer.domain.page.messages import Message

ASK: tuple[Message, ...] = ({"role": "user", "content": "task: press ✓\ndo: "},)
PRESS = Example(ASK, "CLICKbutton:✓[1]", "correction", "action", "run-1", 2)
DONE = Example(ASK, "DONE", "success", "action", "run-3", 1)
PAIR = replace(PRESS, rejected="DONE", instance="miniwob/click-button#7")
BAD = replace(PRESS, completion="DONE", label="bad")


def test_a_dataset_file_gives_back_its_examples(tmp_path: Path) -> None:
    write_examples(tmp_path / "dataset.jsonl", [PRESS, DONE, PAIR, BAD])
    assert read_examples(tmp_path / "dataset.jsonl") == [PRESS, DONE, PAIR, BAD]


def test_a_file_of_targets_alone_reads_and_hashes_as_it_did_before_there_were_preferences(tmp_path: Path) -> None:
    line = (
        '{"messages":[{"role":"user","content":"task: press ✓\\ndo: "}],"completion":"CLICKbutton:✓[1]",'
        '"source":"correction","role":"action","run_id":"run-1","step":2}\n'
    )
    (tmp_path / "dataset.jsonl").write_text(line, encoding="utf-8")
    assert read_examples(tmp_path / "dataset.jsonl") == [PRESS]
    assert dataset_hash([PRESS]) == "sha256:" + hashlib.sha256(line.encode()).hexdigest()


def test_the_hash_of_a_dataset_is_that_of_its_file(tmp_path: Path) -> None:
    written = write_examples(tmp_path / "dataset.jsonl", [PRESS, DONE])
    assert written == "sha256:" + hashlib.sha256((tmp_path / "dataset.jsonl").read_bytes()).hexdigest()
    assert written == dataset_hash([PRESS, DONE]) != dataset_hash([DONE, PRESS])


@pytest.mark.parametrize(
    "line",
    ["not json", "[1]", '{"messages": [], "completion": "DONE"}', '{"messages": [{"role": "user"}], "completion": "DONE"}',
     '{"messages": [{"role": "user", "content": "hi"}], "completion": ""}',
     '{"messages": [{"role": "user", "content": "hi"}], "completion": "DONE", "label": "fine"}',
     '{"messages": [{"role": "user", "content": "hi"}], "completion": "DONE", "rejected": ["a"]}',
     '{"messages": [{"role": "user", "content": "hi"}], "completion": "DONE", "step": 1e400}',
     '{"messages": [{"role": "user", "content": "hi"}], "completion": "DONE", "x": ' + "[" * 99999 + "]" * 99999 + "}"],
)  # fmt: skip
def test_a_line_that_is_no_example_is_named(tmp_path: Path, line: str) -> None:
    write_examples(tmp_path / "dataset.jsonl", [PRESS])
    with (tmp_path / "dataset.jsonl").open("a") as stream:
        stream.write(line + "\n")
    with pytest.raises(InvalidExamples, match="line 2 is not an example") as refused:
        read_examples(tmp_path / "dataset.jsonl")
    assert "\n" not in str(refused.value)


def test_null_in_a_dataset_file_is_absent(tmp_path: Path) -> None:
    (tmp_path / "dataset.jsonl").write_text(
        '{"messages": [{"role": "user", "content": "hi"}], "completion": "DONE", "rejected": null, "label": null, "step": null}'
    )
    assert read_examples(tmp_path / "dataset.jsonl") == [Example(({"role": "user", "content": "hi"},), "DONE", "")]
