"""Files of sets from outside: every format gives the same rows, cells and texts stay as they stand, and a file that cannot
be read is one line with the place."""

from __future__ import annotations

import codecs
import datetime
import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow  # type: ignore[import-untyped]
import pyarrow.parquet  # type: ignore[import-untyped]
import pytest
from public_rows import hold

from grokputer.adapters.data.imports.public_set import PublicSet, read_public
from grokputer.domain.errors import InvalidExamples

ROWS = [
    {"instruction": "One?", "input": "", "output": "02134"},
    {"instruction": 'Say "a, b"', "input": "é", "output": "None"},
]
USER, ANSWER = {"role": "user", "content": "Two?"}, {"role": "assistant", "content": "2"}


def read(path: Path) -> PublicSet:
    return read_public(str(path), "action")


def answers(path: Path) -> list[str]:
    return [example.completion for example in read(path).examples]


@pytest.mark.parametrize("packed", ["", ".gz"])
@pytest.mark.parametrize(
    "name", ["a.jsonl", "a.JSONL", "a.ndjson", "a.json", "a.csv", "a.tsv", "a.parquet", "a.arrow", "a.toon"]
)
def test_a_file_of_each_format_gives_the_same_rows(tmp_path: Path, name: str, packed: str) -> None:
    path = hold(tmp_path / (name + packed), ROWS)
    result = read(path)
    assert [(example.messages[0]["content"], example.completion) for example in result.examples] == [
        ("One?", "02134"),
        ('Say "a, b"\n\né', "None"),
    ]
    assert (result.left_out, result.form, result.name) == (0, "alpaca", name + packed)


@pytest.mark.parametrize(
    "cell", ["02134", "007", "6.02e23", "1.50", "NA", "None", "NULL", "nan", "true", "=cmd|' /C calc'!A0"]
)
@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_a_cell_is_text_as_it_stands(tmp_path: Path, name: str, cell: str) -> None:
    assert answers(hold(tmp_path / name, [{"instruction": "What?", "output": cell}])) == [cell]


def test_quotes_of_a_tsv_are_quotes_and_a_cell_of_csv_may_have_lines(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text('instruction\toutput\r\nInches?\t"\r\nFeet?\t\'\r\n\r\nNext?\t"x"\r\n')
    assert answers(tmp_path / "a.tsv") == ['"', "'", '"x"']
    (tmp_path / "a.csv").write_text(
        '\ufeffinstruction,output\r\nSay,"a ""b""\r\nc, d"\r\n\r\nNext?,x\r\n', encoding="utf-8", newline=""
    )
    assert answers(tmp_path / "a.csv") == ['a "b"\r\nc, d', "x"]


def test_a_row_with_other_cells_than_the_header_is_left_out_at_the_line_it_begins_on(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('instruction,output\nOne?,"1\n1"\nTwo?,2,3\nThree?\nFour?,4\n')
    result = read(tmp_path / "a.csv")
    assert [line.split(": ")[0] for line in result.first["cells"]] == ["a.csv:4", "a.csv:5"]
    assert answers(tmp_path / "a.csv") == ["1\n1", "4"]


def test_bytes_marks_and_line_ends_of_windows_change_nothing(tmp_path: Path) -> None:
    lines = "".join(json.dumps(row) + "\r\n" for row in ROWS)
    (tmp_path / "a.jsonl").write_bytes(codecs.BOM_UTF8 + lines.encode() + b"\r\n")
    assert answers(tmp_path / "a.jsonl") == ["02134", "None"]


@pytest.mark.parametrize(
    "document",
    [ROWS, {"data": ROWS, "version": 1}, {"rows": ROWS}, {"train": ROWS, "test": ROWS[:1]}, [[USER, ANSWER]],
     [USER, ANSWER], {"messages": [USER, ANSWER]}],
)  # fmt: skip
@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_one_document_is_a_list_or_an_object_in_any_layout(
    tmp_path: Path, name: str, indent: int | None, document: Any
) -> None:
    (tmp_path / name).write_text(json.dumps(document, indent=indent))
    assert answers(tmp_path / name) == (["02134", "None"] if ROWS[0] in [*document, *_first(document)] else ["2"])


def _first(document: Any) -> list[Any]:
    return next(iter(document.values())) if isinstance(document, dict) else []


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b'{"instruction": "a", "output": "b"}\n{"instruction": "caf\xe9"}\n', "a.jsonl line 2 is not UTF-8"),
        ("a.jsonl", '{"instruction": "a"}'.encode("utf-16"), "a.jsonl is UTF-16; save it as UTF-8"),
        ("a.jsonl", b'{"instruction": "a", "output": "b"},\n{"instruction": "c", "output": "d"},\n',
         "line 1 is not JSON: .*no comma"),
        ("a.jsonl", b'{"instruction": "a", "output": "b"}\n{"instruction": \n', "a.jsonl line 2 is not JSON"),
        ("a.json", b'[\n{"instruction": "a", "output": "b"},\n]', "a.json line [23] is not JSON"),
        ("a.json", b'{"a": [{"output": "b"}], "b": [{"output": "b"}]}', "a.json has 2 lists of rows, a, b; put one"),
        ("a.jsonl", b'{"instruction": "a", "output": "b", "meta": ' + b"[" * 99999 + b"]" * 99999 + b"}",
         "a.jsonl:1: is nested too deep"),
        ("a.jsonl", b'{"instruction": "a", "output": "b", "output": "c"}', "a.jsonl:1: has the key output twice"),
        ("a.jsonl", b'{"instruction": "a", "output": ' + b"9" * 5000 + b"}", "a.jsonl line 1 is not JSON"),
        ("a.jsonl", b"", "no usable example in 0 rows"),
        ("a.json", b"[]", "no usable example in 0 rows"),
        ("a.csv", b"", "no usable example in 0 rows"),
        ("a.csv", b'instruction,output\na,"b\n', "a.csv line 2 is not CSV"),
        ("a.csv", b"output,Output\na,b\n", "names a column twice"),
        ("a.csv", b"instruction;output\na;b\n", r"a\.csv:2: has instruction;output; it needs"),
        ("a.parquet", b"PAR1 no parquet", "a.parquet cannot be loaded as Parquet"),
        ("a.parquet", b"PAR1\x1b]0;x\x07" + b"\x0e" * 99 + b"PAR1", "a.parquet cannot be loaded as Parquet"),
        ("a.arrow", b"no arrow", "a.arrow cannot be loaded as Arrow"),
        ("a.jsonl.gz", b"no gzip", "a.jsonl.gz cannot be read"),
        ("a.jsonl.gz", gzip.compress(b'{"instruction": "a"}' * 99)[:-20], "a.jsonl.gz cannot be read"),
        ("a.txt.gz", b"", r"a\.txt\.gz cannot be loaded: a file ends with \.jsonl"),
    ],
    ids=lambda it: it[:20] if isinstance(it, str) else "",
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_one_line_with_the_place(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidExamples, match=message) as refused:
        read(tmp_path / name)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("bad", ["text", [[[1]]], {"a": 1}])
def test_in_lines_a_row_that_no_parser_reads_is_left_out_alone(tmp_path: Path, bad: Any) -> None:
    deep = '{"instruction": "a", "output": "b", "meta": ' + "[" * 99999 + "]" * 99999 + "}"
    (tmp_path / "a.jsonl").write_text("\n".join([json.dumps(bad), deep, json.dumps(ROWS[0])]))
    result = read(tmp_path / "a.jsonl")
    assert result.reasons == {"unknown form": 1, "damaged": 1}
    assert result.first["damaged"] == ("a.jsonl:2: is nested too deep to be read",)


def test_a_date_of_a_table_is_no_text_and_one_that_is_not_read_harms_nothing(tmp_path: Path) -> None:
    today = datetime.date(2026, 1, 1)
    pyarrow.parquet.write_table(
        pyarrow.table({"instruction": ["When?", "Who?"], "output": [today, None]}), tmp_path / "a.parquet"
    )
    with pytest.raises(InvalidExamples, match=r"a\.parquet row 1: 'output' is of type date, not text"):
        read(tmp_path / "a.parquet")
    noon = datetime.datetime(2026, 1, 1, 12)
    turns = [{**USER, "created_at": noon, "weight": None}, {**ANSWER, "created_at": noon, "weight": 1}]
    pyarrow.parquet.write_table(pyarrow.table({"messages": [turns]}), tmp_path / "b.parquet")
    assert answers(tmp_path / "b.parquet") == ["2"]
    assert read(tmp_path / "b.parquet").unread == {"messages.created_at": 1}


def test_labels_of_a_table_are_words(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("prompt,completion,label\nTwo?,2,True\nThree?,Go away.,False\n")
    assert [example.label for example in read(tmp_path / "a.csv").examples] == ["good", "bad"]


def test_a_folder_gives_the_files_of_its_split_for_training_and_the_license_of_its_card(tmp_path: Path) -> None:
    hold(tmp_path / "data" / "train-00000.csv", ROWS[:1])
    hold(tmp_path / "data" / "train-00001.jsonl.gz", [*ROWS[1:], {"text": "x"}])
    hold(tmp_path / "data" / "test.jsonl", [{"instruction": "Test?", "output": "no"}])
    (tmp_path / "dataset_infos.json").write_text("{}")
    (tmp_path / "README.md").write_text('---\nlanguage: en\nlicense: "cc-by-sa-3.0"\n---\n# A set\nlicense: none\n')
    result = read(tmp_path)
    assert [example.completion for example in result.examples] == ["02134", "None"]
    assert result.license == "cc-by-sa-3.0"
    assert result.first["unknown form"][0].startswith("data/train-00001.jsonl.gz:2: has text")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidExamples, match="no file in it ends with"):
        read(tmp_path / "empty")


def test_the_license_is_that_of_the_files_metadata_or_unknown(tmp_path: Path) -> None:
    assert read(hold(tmp_path / "a.jsonl", ROWS)).license == "unknown"
    (tmp_path / "a.json").write_text(json.dumps({"licence": "CC0\n1.0\ud800", "rows": ROWS}))
    assert read(tmp_path / "a.json").license == "CC0 1.0?"
    for metadata in ({"license": "MIT"}, {"huggingface": json.dumps({"info": {"license": "MIT"}})}):
        table = pyarrow.Table.from_pylist(ROWS).replace_schema_metadata(metadata)
        pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
        assert read(tmp_path / "a.parquet").license == "MIT"
    table = pyarrow.Table.from_pylist(ROWS).replace_schema_metadata({"huggingface": "[1"})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet").license == "unknown"


@pytest.mark.parametrize("where", ["", "a" * 5000, "a\0b", "/dev/null/x.jsonl", "no/such/file.jsonl"])
def test_a_place_where_nothing_is_is_one_line(where: str) -> None:
    with pytest.raises(InvalidExamples):
        read_public(where, "action")
